// The page's behaviour: languages, filters, the keyboard, and the proof of one script at a time.
// Foreign text is only ever put in as text; the page's policy (trusted types) holds this.
"use strict";

const element = (id) => document.getElementById(id);
const all = (selector, where = document) => [...where.querySelectorAll(selector)];
const embedded = (id) => JSON.parse(element(id).textContent);

// --- data ---------------------------------------------------------------------------------------

const { words, titles, consequences } = embedded("words");
const { shapes, values, rules: rulesAt, scripts: scriptsAt } = embedded("data");

// The value of a number; see pool.py.
function value(at) {
  const node = values[at];
  if (!Array.isArray(node)) return node;
  const keys = shapes[node[0]];
  if (node[0] === 0) return node.slice(1).map(value);
  return Object.fromEntries(keys.map((key, place) => [key, value(node[place + 1])]));
}

const rules = value(rulesAt);
const ruleOf = new Map(rules.map((rule) => [rule.id, rule]));
const read = new Map();

function scriptAt(index) {
  if (!read.has(index)) {
    if (read.size > 50) read.clear();
    read.set(index, value(scriptsAt[index]));
  }
  return read.get(index);
}

// --- text ---------------------------------------------------------------------------------------

// As lsbcheck/report/visible.py: what moves, hides or reorders text is shown as an escape.
const ACTS = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const NAMED = new Map([["\t", " "], ["\n", "\\n"], ["\r", "\\r"]]);

function visible(text) {
  return text.replace(ACTS, (character) => {
    if (NAMED.has(character)) return NAMED.get(character);
    const code = character.codePointAt(0);
    const digits = code.toString(16);
    if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
  });
}

const linesOf = (output) => output.trimEnd().split(/\r*\n|\r+/).map(visible).join("\n");

const quoted = (word) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;

const command = (argv) => visible(argv.map(quoted).join(" "));

// A daemon that has put a title over its arguments leaves empty ones behind it.
function commandOf(process) {
  const argv = [...process.argv];
  while (argv.length && argv.at(-1) === "") argv.pop();
  return argv.length ? command(argv) : `[${visible(process.comm)}]`;
}

// --- words --------------------------------------------------------------------------------------

const LANGUAGES = ["en", "ja"];
let language = 0;

function say(key, given = {}) {
  const text = (words[key] ?? [key, key])[language];
  return text.replace(/\{([\w-]+)\}/g, (_, name) => visible(String(given[name])));
}

const title = (rule) => (language === 1 && titles[rule.id]) || rule.title;

// The rules tell consequences in English; an answer of the script may stand in them.
function consequence(text) {
  let answer = "";
  const key = text.replace(/exit \d+|killed by signal \d+/, (found) => {
    answer = found;
    return "{answer}";
  });
  const known = language === 1 && consequences[key];
  return known ? { text: known.replace("{answer}", answer), lang: "ja" } : { text, lang: "en" };
}

function speak(number) {
  language = number;
  document.documentElement.lang = LANGUAGES[number];
  for (const one of all("[data-word]")) {
    one.textContent = say(one.dataset.word, JSON.parse(one.dataset.values ?? "{}"));
  }
  for (const one of all("[data-label]")) one.setAttribute("aria-label", say(one.dataset.label));
  for (const one of all("[data-hint]")) one.placeholder = say(one.dataset.hint);
  for (const one of all("#matrix [data-rule]")) {
    const rule = ruleOf.get(one.dataset.rule);
    one.title = title(rule);
    if (one.matches("button")) one.setAttribute("aria-label", `${named(rule)}: ${title(rule)}`);
  }
  for (const one of element("rule").options) {
    if (one.value) one.textContent = `${named(ruleOf.get(one.value))}: ${title(ruleOf.get(one.value))}`;
  }
  const button = element("language");
  button.textContent = number ? "English" : "\u65e5\u672c\u8a9e";
  button.lang = LANGUAGES[1 - number];
  count();
  if (shown) render();
}

const named = (rule) => `${rule.key} ${rule.id}`;

// Some browsers refuse storage to a page that is a file.
function remembered(key, fallback) {
  try {
    return localStorage.getItem(`lsbcheck-${key}`) ?? fallback;
  } catch {
    return fallback;
  }
}

function remember(key, word) {
  try {
    localStorage.setItem(`lsbcheck-${key}`, word);
  } catch {
    // It is chosen anew next time.
  }
}

// --- elements -----------------------------------------------------------------------------------

function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, text] of Object.entries(attributes)) {
    if (text !== false && text !== undefined) made.setAttribute(name, text === true ? "" : text);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SIGNS = { pass: "\u2713", fail: "\u2717", known: "\u2248", "not-provoked": "?", error: "!" };

const sign = (standing, decides) =>
  make("i", { class: standing[0] + (decides ? " counts" : ""), "aria-hidden": "true" }, SIGNS[standing]);

const english = (text, tag = "p") => make(tag, { lang: "en" }, visible(text));

function labelled(key, ...children) {
  return make("div", {}, make("dt", {}, say(key)), make("dd", {}, ...children));
}

// --- filters ------------------------------------------------------------------------------------

const table = element("matrix");
const body = table.tBodies[0];
const rows = [...body.rows];
const indexOf = new Map(rows.map((row, index) => [row, index]));
const haystacks = [];
const filter = { words: [], codes: new Set(), rule: "" };

// What a search looks through: what was seen of a script, not what is said of every one.
function haystack(index) {
  haystacks[index] ??= (() => {
    const script = value(scriptsAt[index]);
    const parts = [script.name, script.script, script.source, script.refused ?? "", ...script.notes];
    parts.push(...(script.service?.processes ?? []).map((process) => process.argv.join(" ")));
    for (const rule of script.rules) {
      parts.push(rule.sentence, rule.evidence.fault?.tried ?? "", ...rule.evidence.remarks);
      parts.push(...rule.evidence.calls.map((call) => call.output));
    }
    return parts.join("\n").toLowerCase();
  })();
  return haystacks[index];
}

// Between two events of the reader's, so that his first search finds it done.
function lookAhead(from = 0) {
  if (from >= rows.length) return;
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  later(() => {
    for (let index = from; index < Math.min(from + 20, rows.length); index += 1) haystack(index);
    lookAhead(from + 20);
  });
}

const column = (id) => rules.findIndex((rule) => rule.id === id) + 2;

const fits = (row, place) =>
  (!filter.codes.size || filter.codes.has(row.dataset.code)) &&
  (!filter.rule || row.cells[place].querySelector("button:not(.p)") !== null) &&
  filter.words.every((word) => haystack(indexOf.get(row)).includes(word));

// Rows that fit the filter, in order. Only the first of them are laid out: a browser takes two
// seconds for a thousand rows, and nobody looks at them at once.
const AT_ONCE = 150;
let arranged = rows;
let fitting = rows;
let laidOut = 0;

function layOut(number) {
  laidOut = Math.min(number, fitting.length);
  for (const row of fitting.slice(0, laidOut)) {
    row.hidden = false;
    if (!row.ariaRowIndex) prepare(row);
  }
  const more = element("more");
  more.hidden = laidOut === fitting.length;
  more.textContent = say("more", { left: fitting.length - laidOut });
}

// A row gets what only a reader with JavaScript needs.
function prepare(row) {
  row.ariaRowIndex = indexOf.get(row) + 4;
  for (const button of row.querySelectorAll("button")) button.tabIndex = -1;
  for (const button of row.querySelectorAll("td > button")) {
    const names = [`v-${button.className[0]}`];
    if (button.className === "f counts") names[0] = "v-counts";
    button.setAttribute("aria-labelledby", names[0]);
  }
}

function apply() {
  filter.words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  filter.rule = element("rule").value;
  const place = column(filter.rule);
  fitting = arranged.filter((row) => fits(row, place));
  for (const row of rows) row.hidden = true;
  layOut(AT_ONCE);
  for (const one of all("#matrix button[data-rule]")) {
    one.setAttribute("aria-pressed", String(one.dataset.rule === filter.rule));
  }
  for (const one of all("[data-code]", document.querySelector(".chips"))) {
    one.setAttribute("aria-pressed", String(filter.codes.has(one.dataset.code)));
  }
  rove(current && !current.closest("tr").hidden ? current : firstButton());
  count();
}

function arrange() {
  arranged = [...rows].sort(ORDERS[element("order").value]);
  body.append(...arranged);
  apply();
}

function count() {
  const number = fitting.length;
  const key = number || !rows.length ? "shown" : "none-shown";
  element("shown").textContent = say(key, { shown: number, count: rows.length });
  element("more").textContent = say("more", { left: number - laidOut });
}

const NAMES = new Intl.Collator("en", { numeric: true });
const ORDERS = {
  given: () => 0,
  name: (one, other) => NAMES.compare(one.cells[0].textContent, other.cells[0].textContent),
  worst: (one, other) => badness(other) - badness(one),
};

// What decides weighs more than all that does not.
function badness(row) {
  const broken = row.querySelectorAll("button.f").length;
  const deciding = row.querySelectorAll("button.f.counts").length;
  return deciding * 1000 + broken * 10 + row.querySelectorAll("button.n, button.e").length / 10;
}

// --- the keyboard: one stop for the whole matrix, arrows inside it -------------------------------

let current = null;

const buttonsOf = (row) => [...row.querySelectorAll("button")];
const keyRow = table.tHead.querySelector(".keys");
const visibleRows = () => [keyRow, ...fitting];
const firstButton = () => buttonsOf(visibleRows()[1] ?? keyRow)[0];

function rove(button) {
  if (current) current.tabIndex = -1;
  current = button ?? null;
  if (current) current.tabIndex = 0;
}

function moved(event) {
  const row = current.closest("tr");
  const place = row === keyRow ? current.closest("td").cellIndex + 1 : current.closest("th,td").cellIndex;
  const around = visibleRows();
  const at = around.indexOf(row);
  const end = event.ctrlKey;
  const to = {
    ArrowUp: [at - 1, place],
    ArrowDown: [at + 1, place],
    PageUp: [at - 10, place],
    PageDown: [at + 10, place],
    ArrowLeft: [at, place, -1],
    ArrowRight: [at, place, 1],
    Home: [end ? 1 : at, 0, 1],
    End: [end ? around.length - 1 : at, rules.length + 1],
  }[event.key];
  if (!to) return null;
  const reached = Math.max(0, Math.min(to[0], around.length - 1));
  if (reached > laidOut) layOut(reached + AT_ONCE);
  const target = around[reached];
  const cells = [...target.cells];
  const shift = target === keyRow ? 1 : 0;
  const buttons = cells
    .map((cell, index) => ({ button: cell.querySelector("button"), place: index + (index ? shift : 0) }))
    .filter((one) => one.button);
  if (to[2]) {
    const beside = buttons.filter((one) => (one.place - to[1]) * to[2] > 0 || (event.key === "Home" && one.place === 0));
    return (to[2] > 0 ? beside[0] : beside.at(-1))?.button ?? current;
  }
  const distance = (one) => Math.abs(one.place - to[1]);
  return buttons.reduce((best, one) => (distance(one) < distance(best) ? one : best)).button;
}

function onKey(event) {
  if (event.altKey || event.metaKey || !current) return;
  const target = moved(event);
  if (!target) return;
  event.preventDefault();
  rove(target);
  target.focus();
}

// --- the proof ----------------------------------------------------------------------------------

const dialog = element("detail");
let shown = null; // { row, rule }: what the dialog shows

function answer(call) {
  return make("span", { class: "chip" }, say(call.outcome, call));
}

function dot(running) {
  const sign = make("i", { class: running ? "on" : "off", "aria-hidden": "true" }, running ? "\u25cf" : "\u25cb");
  return make("span", { class: "dot" }, sign, ` ${say(running ? "running" : "stopped")}`);
}

const identity = (process) => `${process.pid}:${process.start}`;

function processes(call) {
  if (!call.before.length && !call.after.length) return null;
  const after = new Map(call.after.map((one) => [identity(one), one]));
  const before = new Map(call.before.map((one) => [identity(one), one]));
  const row = (key) => {
    const [was, is] = [before.get(key), after.get(key)];
    const change = was && is ? "stayed" : is ? "came" : "went";
    const one = is ?? was;
    const states = was && is && was.state !== is.state ? [was.state, is.state] : [one.state];
    const meaning = states.map((state) => (words[`state-${state}`] ? say(`state-${state}`) : state)).join(" \u2192 ");
    return make(
      "tr",
      { class: change },
      make("td", {}, make("i", { "aria-hidden": "true" }, { came: "+", went: "\u2212", stayed: "=" }[change]), ` ${say(change)}`),
      make("td", {}, String(one.pid)),
      make("td", { title: meaning }, make("abbr", { title: meaning }, visible(states.join(" \u2192 ")))),
      make("td", {}, String(one.uid)),
      make("td", { lang: "en" }, make("code", {}, commandOf(one))),
    );
  };
  const head = ["change", "pid", "state", "user", "command"].map((key) => make("th", { scope: "col" }, say(key)));
  const keys = [...before.keys(), ...[...after.keys()].filter((key) => !before.has(key))];
  return make(
    "div",
    { class: "inner", tabindex: "0", role: "group", "aria-label": say("before-after") },
    make("table", { class: "processes" }, make("caption", {}, say("before-after")), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...keys.map(row))),
  );
}

function callItem(call) {
  const { seconds, limit } = call;
  const took = call.outcome === "no-answer" ? "" : say("took", { seconds: seconds.toFixed(2), limit });
  const output = linesOf(call.output);
  return make(
    "li",
    { class: "call" },
    make("p", { class: "asked", lang: "en" }, make("code", {}, `$ ${command(call.argv)}`)),
    make("p", { class: "answer" }, answer(call), ` ${took}`, call.asked_again ? make("em", {}, ` ${say("asked-again")}`) : null),
    make("p", { class: "around" }, `${say("service-was")}: `, dot(call.running_before), " \u2192 ", dot(call.running_after)),
    processes(call) ?? make("p", { class: "quiet" }, say("no-process")),
    output
      ? make("pre", { tabindex: "0", "aria-label": say("output"), role: "group" }, make("code", { lang: "en" }, output))
      : make("p", { class: "quiet" }, say("no-output")),
  );
}

function faultItem(fault) {
  const acted = fault.effective ? say("acted") : say("did-not-act");
  return make(
    "li",
    { class: "event" },
    make("p", {}, make("b", {}, `${say("provoked")} (${acted}): `), english(fault.tried, "span")),
    !fault.effective && fault.why ? english(fault.why) : null,
  );
}

// What the itinerary does between two calls; see ScenarioName in lsbcheck/transcript.py.
const BLOWS = {
  crash: "event-crash",
  suspended: "event-suspended",
  "status-after-crash": "event-crash",
  "status-when-suspended": "event-suspended",
};

// Calls in order; the failure stands where it was made.
function timeline(calls, fault, blow) {
  const items = calls.map(callItem);
  const place = (actions) => Math.max(calls.findIndex((call) => actions.includes(call.action)), 0);
  if (fault) items.splice(fault.name.startsWith("signals-") ? place(["stop"]) : 0, 0, faultItem(fault));
  if (blow && calls.some((call) => call.action === "status")) {
    const made = make("li", { class: "event" }, make("p", {}, make("b", {}, `${say("provoked")}: `), say(blow)));
    items.splice(place(["status"]), 0, made);
  }
  return make("ol", { class: "timeline" }, ...items);
}

const againCommand = (script, id) => command(["lsbcheck", "--rule", id, ...script.options, script.script]);

function ruleItem(script, judged, open) {
  const rule = ruleOf.get(judged.id);
  const { evidence, verdict, standing } = judged;
  const facts = make("dl", { class: "facts" });
  if (evidence.consequence) {
    const { text, lang } = consequence(evidence.consequence);
    const item = labelled("consequence", make("span", { lang }, text));
    item.className = "consequence";
    facts.append(item);
  }
  if (judged.gone) facts.append(labelled("baseline", say("gone")));
  for (const remark of evidence.remarks) facts.append(labelled("remark", english(remark, "span")));
  const decided = verdict === "pass" || verdict === "fail";
  const proof = evidence.calls.length || evidence.fault
    ? [make("h4", {}, say("timeline")), timeline(evidence.calls, evidence.fault, decided && BLOWS[judged.id])]
    : [make("p", { class: "quiet" }, say("no-calls"))];
  const closing = make(
    "dl",
    { class: "facts" },
    labelled("clause", english(rule.clause, "span")),
    labelled("again", make("code", { class: "again", lang: "en" }, againCommand(script, judged.id))),
  );
  return make(
    "details",
    { class: `rule ${standing[0]}`, "data-rule": judged.id, open },
    make(
      "summary",
      {},
      sign(standing, judged.counts),
      make("span", { class: "key" }, rule.key),
      make("span", { class: "title" }, title(rule)),
      make("span", { class: "word" }, say(`verdict-${standing}`)),
      make("span", { class: "said", lang: "en" }, visible(judged.sentence)),
    ),
    make("p", { class: "quiet" }, make("code", {}, judged.id), " \u00b7 ", judged.counts ? say("counts") : say("not-counting", { profile: rule.profile })),
    facts,
    ...proof,
    closing,
  );
}

function serviceFacts(script) {
  const facts = make("dl", { class: "facts" });
  const code = (text) => make("code", { lang: "en" }, visible(text));
  if (script.source !== script.script) facts.append(labelled("source", code(script.source)));
  if (script.refused) facts.append(labelled("refused", english(script.refused, "span")));
  for (const note of script.notes) facts.append(labelled("note", english(note, "span")));
  const { service } = script;
  if (service) {
    if (service.daemon) facts.append(labelled("daemon", make("code", { lang: "en" }, command(service.daemon.argv.length ? service.daemon.argv : [service.daemon.path]))));
    if (service.listeners.length) facts.append(labelled("listens", code(service.listeners.join(", "))));
    if (service.pid_files.length) facts.append(labelled("pid-files", code(service.pid_files.join(", "))));
    facts.append(labelled("processes", String(service.processes.length)));
  }
  return facts.childElementCount ? [make("h3", {}, say("service")), facts] : [];
}

function tally(script) {
  const number = (counts, ...verdicts) =>
    script.rules.filter((rule) => rule.counts === counts && verdicts.includes(rule.standing)).length;
  return say("summary", {
    pass: number(true, "pass"),
    fail: number(true, "fail", "known"),
    open: number(true, "not-provoked", "error"),
    otherpass: number(false, "pass"),
    otherfail: number(false, "fail", "known"),
    otheropen: number(false, "not-provoked", "error"),
  });
}

function scenarioItem(scenario) {
  const facts = make("dl", { class: "facts" });
  if (scenario.unreached) facts.append(labelled("unreached", english(scenario.unreached, "span")));
  if (scenario.error) facts.append(labelled("scenario-error", english(scenario.error, "span")));
  const name = words[`scenario-${scenario.name}`] ? say(`scenario-${scenario.name}`) : visible(scenario.name);
  return make(
    "details",
    { class: "scenario" },
    make("summary", {}, make("span", { class: "title" }, name), make("span", { class: "word" }, `${scenario.seconds.toFixed(1)} s`)),
    facts,
    timeline(scenario.calls, scenario.fault, BLOWS[scenario.name]),
  );
}

function render() {
  const { row, rule: chosen } = shown;
  const script = scriptAt(indexOf.get(row));
  const open = (judged) => (chosen ? judged.id === chosen : judged.standing === "fail");
  const arrow = (text) => make("span", { "aria-hidden": "true" }, text);
  const button = (act, ...children) => make("button", { type: "button", "data-act": act }, ...children);
  const scenarios = script.scenarios.length
    ? [make("h3", {}, say("every-call")), ...script.scenarios.map(scenarioItem)]
    : [];
  dialog.replaceChildren(
    make(
      "header",
      {},
      make("div", { class: "acts" }, button("previous", arrow("\u2039 "), say("previous")), button("next", say("next"), arrow(" \u203a")), button("close", arrow("\u00d7 "), say("close"))),
      make("h2", { id: "detail-title", tabindex: "-1" }, make("span", { lang: "en" }, visible(script.name)), ": ", sign(script.ending, true), " ", say(`ending-${script.ending}`)),
      make("p", { class: "quiet" }, make("code", { lang: "en" }, visible(script.script))),
    ),
    make(
      "div",
      { class: "sheet" },
      make("p", {}, tally(script)),
      ...serviceFacts(script),
      make("h3", {}, say("rules")),
      ...(script.rules.length ? script.rules.map((judged) => ruleItem(script, judged, open(judged))) : [make("p", {}, say("no-rule-judged"))]),
      ...scenarios,
    ),
  );
}

// The only script of a page is shown below the table, any other over it.
const alone = rows.length === 1;

function show(row, rule) {
  if (row.hidden) layOut(Math.max(fitting.indexOf(row) + AT_ONCE, laidOut));
  shown = { row, rule };
  rove(cellFor(row, rule));
  render();
  if (alone) dialog.show();
  else if (!dialog.open) dialog.showModal();
  const part = rule && dialog.querySelector(`details[data-rule="${CSS.escape(rule)}"] > summary`);
  (part || element("detail-title")).focus({ preventScroll: true });
  if (part) part.scrollIntoView({ block: "start" });
  else dialog.querySelector(".sheet").scrollTop = 0;
  const name = encodeURIComponent(scriptAt(indexOf.get(row)).script);
  history.replaceState(null, "", `#${indexOf.get(row)}/${name}${rule ? `/${rule}` : ""}`);
}

function cellFor(row, rule) {
  return (rule && row.cells[column(rule)]?.querySelector("button")) || row.querySelector("button");
}

function onClose() {
  const cell = cellFor(shown.row, shown.rule);
  shown = null;
  dialog.replaceChildren();
  history.replaceState(null, "", location.pathname + location.search);
  cell.focus();
}

// The next or the one before, of all findings that the filter leaves.
function step(direction) {
  const cells = fitting.flatMap((row) => all("button.f", row));
  const here = cellFor(shown.row, shown.rule);
  const side = direction > 0 ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING;
  const beyond = cells.filter((cell) => here.compareDocumentPosition(cell) & side);
  const to = direction > 0 ? beyond[0] : beyond.at(-1);
  if (to) show(to.closest("tr"), ruleUnder(to));
}

const ruleUnder = (button) => rules[button.closest("td,th").cellIndex - 2]?.id ?? null;

function openFromAddress() {
  const found = /^#(\d+)\/([^/]*)(?:\/([a-z0-9-]+))?$/.exec(location.hash);
  const row = found && rows[Number(found[1])];
  if (row) show(row, ruleOf.has(found[3]) ? found[3] : null);
}

// --- a glance at what is under the pointer or the focus ------------------------------------------

function peek(event) {
  const button = event.target.closest?.("#matrix tbody button");
  const place = element("peek");
  const rule = button && ruleUnder(button);
  if (!rule) {
    place.textContent = "";
    return;
  }
  const script = scriptAt(indexOf.get(button.closest("tr")));
  const judged = script.rules.find((one) => one.id === rule);
  place.replaceChildren(
    make("b", {}, visible(script.name)),
    ` \u00b7 ${ruleOf.get(rule).key} ${title(ruleOf.get(rule))} \u00b7 `,
    sign(judged.standing, judged.counts),
    ` ${say(`verdict-${judged.standing}`)}: ${visible(judged.sentence)}`,
  );
}

// --- begin --------------------------------------------------------------------------------------

function darken(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function begin() {
  for (const rule of rules) element("rule").append(make("option", { value: rule.id }));
  table.setAttribute("role", "grid");
  table.ariaRowCount = rows.length + 3;
  for (const button of keyRow.querySelectorAll("button")) button.tabIndex = -1;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = remembered("theme", "");
  if (theme) darken(theme === "dark");
  element("theme").addEventListener("click", () => {
    const set = document.documentElement.dataset.theme;
    const dark = set ? set === "light" : !system.matches;
    darken(dark);
    remember("theme", dark ? "dark" : "light");
  });
  element("language").addEventListener("click", () => {
    speak(1 - language);
    remember("language", LANGUAGES[language]);
  });
  element("finder").addEventListener("submit", (event) => event.preventDefault());
  element("finder").addEventListener("reset", () => {
    filter.codes.clear();
    setTimeout(arrange); // the fields are reset after this event
  });
  element("search").addEventListener("input", apply);
  element("rule").addEventListener("change", apply);
  element("order").addEventListener("change", arrange);
  element("more").addEventListener("click", () => layOut(laidOut + AT_ONCE));
  new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting)) layOut(laidOut + AT_ONCE);
  }, { rootMargin: "800px" }).observe(element("more"));
  document.querySelector(".chips").addEventListener("click", (event) => {
    const code = event.target.closest("button")?.dataset.code;
    if (!code) return;
    if (!filter.codes.delete(code)) filter.codes.add(code);
    apply();
  });
  keyRow.addEventListener("click", (event) => {
    const id = event.target.closest("button")?.dataset.rule;
    if (!id) return;
    rove(event.target.closest("button"));
    element("rule").value = filter.rule === id ? "" : id;
    apply();
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) show(button.closest("tr"), ruleUnder(button));
  });
  table.addEventListener("keydown", onKey);
  for (const kind of ["mouseover", "focusin"]) table.addEventListener(kind, peek);
  table.addEventListener("mouseleave", peek);
  dialog.addEventListener("close", onClose);
  dialog.addEventListener("click", (event) => {
    const act = event.target.closest("button")?.dataset.act;
    if (act === "close" || event.target === dialog) dialog.close();
    else if (act) step(act === "next" ? 1 : -1);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || dialog.open || event.target.matches("input, select")) return;
    event.preventDefault();
    element("search").focus();
  });
  addEventListener("hashchange", openFromAddress);
  const wanted = remembered("language", navigator.language.startsWith("ja") ? "ja" : "en");
  apply();
  speak(LANGUAGES.indexOf(wanted) === 1 ? 1 : 0);
  if (alone) {
    document.body.classList.add("alone");
    shown = { row: rows[0], rule: null };
    render();
    dialog.setAttribute("open", "");
  }
  openFromAddress();
  lookAhead();
}

begin();
