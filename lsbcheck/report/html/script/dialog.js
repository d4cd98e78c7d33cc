// The proofs of one script, over the table or below it, and a glance at the cell under the pointer.

const dialog = element("detail");
let shown = null; // { row, rule }: what the dialog shows

function render() {
  const { row, rule: chosen } = shown;
  const script = scriptAt(indexOf.get(row));
  const open = (judged) => (chosen ? judged.id === chosen : judged.standing === "fail");
  const arrow = (text) => make("span", { "aria-hidden": "true" }, text);
  const button = (act, ...children) =>
    make("button", { type: "button", "data-act": act }, ...children);
  const scenarios = script.scenarios.length
    ? [make("h3", {}, say("every-call")), ...script.scenarios.map(scenarioItem)]
    : [];
  dialog.replaceChildren(
    make(
      "header",
      {},
      make(
        "div",
        { class: "acts" },
        button("previous", arrow("\u2039 "), say("previous")),
        button("next", say("next"), arrow(" \u203a")),
        button("close", arrow("\u00d7 "), say("close")),
      ),
      make(
        "h2",
        { id: "detail-title", tabindex: "-1" },
        make("span", { lang: "en" }, visible(script.name)),
        ": ",
        sign(script.ending, true),
        " ",
        say(`ending-${script.ending}`),
      ),
      make("p", { class: "quiet" }, make("code", { lang: "en" }, visible(script.script))),
    ),
    make(
      "div",
      { class: "sheet" },
      make("p", {}, tally(script)),
      scriptFacts(script),
      ...serviceFacts(script),
      make("h3", {}, say("rules")),
      ...(script.rules.length
        ? script.rules.map((judged) => ruleItem(script, judged, open(judged)))
        : [make("p", {}, say("no-rule-judged"))]),
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
  history.replaceState(null, "", `#${placeOf(row)}${rule ? `/${rule}` : ""}`);
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

// Number and path: in a report that was made anew, the number may be another script's.
function placeOf(row) {
  const index = indexOf.get(row);
  return `${index}/${encodeURIComponent(visible(scriptAt(index).script))}`;
}

function openFromAddress() {
  const [, place, number, rule] = /^#((\d+)\/[^/]*)(?:\/(.+))?$/.exec(location.hash) ?? [];
  const row = rows[number];
  if (row && placeOf(row) === place) show(row, ruleOf.has(rule) ? rule : null);
}

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
