// The proof of a verdict: calls, processes, provoked failures.

function answer(call) {
  return make("span", { class: "chip" }, say(call.outcome, call));
}

function dot(running) {
  const sign = make(
    "i",
    { class: running ? "on" : "off", "aria-hidden": "true" },
    running ? "\u25cf" : "\u25cb",
  );
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
    const named = states.map((state) =>
      words[`state-${state}`] ? `${state} ${say(`state-${state}`)}` : visible(state),
    );
    return make(
      "tr",
      { class: change },
      make(
        "td",
        {},
        make("i", { "aria-hidden": "true" }, { came: "+", went: "\u2212", stayed: "=" }[change]),
        ` ${say(change)}`,
      ),
      make("td", {}, String(one.pid)),
      make("td", {}, named.join(" \u2192 ")),
      make("td", {}, String(one.uid)),
      make("td", { lang: "en" }, make("code", {}, commandOf(one))),
    );
  };
  const head = ["change", "pid", "state", "user", "command"].map((key) =>
    make("th", { scope: "col" }, say(key)),
  );
  const keys = [...before.keys(), ...[...after.keys()].filter((key) => !before.has(key))];
  return make(
    "div",
    { class: "inner", tabindex: "0", role: "group", "aria-label": say("before-after") },
    make(
      "table",
      { class: "processes" },
      make("caption", {}, say("before-after")),
      make("thead", {}, make("tr", {}, ...head)),
      make("tbody", {}, ...keys.map(row)),
    ),
  );
}

function callItem(call) {
  const { seconds, limit } = call;
  const took =
    call.outcome === "no-answer" ? "" : say("took", { seconds: seconds.toFixed(2), limit });
  const output = linesOf(call.output);
  return make(
    "li",
    { class: "call" },
    make("p", { class: "asked", lang: "en" }, make("code", {}, `$ ${command(call.argv)}`)),
    make(
      "p",
      { class: "answer" },
      answer(call),
      ` ${took}`,
      call.asked_again ? make("em", {}, ` ${say("asked-again")}`) : null,
    ),
    make(
      "p",
      { class: "around" },
      `${say("service-was")}: `,
      dot(call.running_before),
      " \u2192 ",
      dot(call.running_after),
    ),
    processes(call) ?? make("p", { class: "quiet" }, say("no-process")),
    output
      ? make(
          "pre",
          { tabindex: "0", "aria-label": say("output"), role: "group" },
          make("code", { lang: "en" }, output),
        )
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
  const place = (actions) =>
    Math.max(
      calls.findIndex((call) => actions.includes(call.action)),
      0,
    );
  if (fault)
    items.splice(fault.name.startsWith("signals-") ? place(["stop"]) : 0, 0, faultItem(fault));
  if (blow && calls.some((call) => call.action === "status")) {
    const made = make(
      "li",
      { class: "event" },
      make("p", {}, make("b", {}, `${say("provoked")}: `), say(blow)),
    );
    items.splice(place(["status"]), 0, made);
  }
  return make("ol", { class: "timeline" }, ...items);
}

const againCommand = (script, id) =>
  command(["lsbcheck", "--rule", id, ...script.options, script.script]);

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
  const proof =
    evidence.calls.length || evidence.fault
      ? [
          make("h4", {}, say("timeline")),
          timeline(evidence.calls, evidence.fault, decided && BLOWS[judged.id]),
        ]
      : [make("p", { class: "quiet" }, say("no-calls"))];
  const closing = make(
    "dl",
    { class: "facts" },
    labelled("clause", english(rule.clause, "span")),
    labelled(
      "again",
      make("code", { class: "again", lang: "en" }, againCommand(script, judged.id)),
    ),
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
    make(
      "p",
      { class: "quiet" },
      make("code", {}, judged.id),
      " \u00b7 ",
      judged.counts ? say("counts") : say("not-counting", { profile: rule.profile }),
    ),
    facts,
    ...proof,
    closing,
  );
}

const asCode = (text) => make("code", { lang: "en" }, visible(text));

// What is known of the script before any of its calls.
function scriptFacts(script) {
  const facts = make("dl", { class: "facts" });
  if (script.source !== script.script) facts.append(labelled("source", asCode(script.source)));
  if (script.refused) facts.append(labelled("refused", english(script.refused, "span")));
  for (const note of script.notes) facts.append(labelled("note", english(note, "span")));
  return facts;
}

function serviceFacts({ service }) {
  if (!service) return [];
  const facts = make("dl", { class: "facts" });
  const { daemon, listeners, pid_files: pidFiles } = service;
  if (daemon) {
    const argv = daemon.argv.length ? daemon.argv : [daemon.path];
    facts.append(labelled("daemon", make("code", { lang: "en" }, command(argv))));
  }
  if (listeners.length) facts.append(labelled("listens", asCode(listeners.join(", "))));
  if (pidFiles.length) facts.append(labelled("pid-files", asCode(pidFiles.join(", "))));
  facts.append(labelled("processes", String(service.processes.length)));
  return [make("h3", {}, say("service")), facts];
}

function tally(script) {
  const number = (counts, ...verdicts) =>
    script.rules.filter((rule) => rule.counts === counts && verdicts.includes(rule.standing))
      .length;
  return say("summary", {
    pass: number(true, "pass"),
    fail: number(true, "fail", "known"),
    open: number(true, "not-provoked", "error"),
    otherpass: number(false, "pass"),
    otherfail: number(false, "fail", "known"),
    otheropen: number(false, "not-provoked", "error"),
  });
}

// `start 0`, `stop 9 (killed)`, `status -` without an answer.
function inShort(call) {
  const killed = call.outcome === "killed" ? " (killed)" : "";
  return `${visible(call.action)} ${call.code ?? "-"}${killed}`;
}

function scenarioItem(scenario) {
  const facts = make("dl", { class: "facts" });
  if (scenario.unreached) facts.append(labelled("unreached", english(scenario.unreached, "span")));
  if (scenario.error) facts.append(labelled("scenario-error", english(scenario.error, "span")));
  const name = words[`scenario-${scenario.name}`]
    ? say(`scenario-${scenario.name}`)
    : visible(scenario.name);
  return make(
    "details",
    { class: "scenario" },
    make(
      "summary",
      {},
      make("span", { class: "title" }, name),
      make("span", { class: "word" }, `${scenario.seconds.toFixed(1)} s`),
      make("span", { class: "said", lang: "en" }, scenario.calls.map(inShort).join(", ")),
    ),
    facts,
    timeline(scenario.calls, scenario.fault, BLOWS[scenario.name]),
  );
}
