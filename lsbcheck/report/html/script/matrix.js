// The matrix: what fits the filter, in which order, and how much of it is laid out.

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
    const parts = [
      script.name,
      script.script,
      script.source,
      script.refused ?? "",
      ...script.notes,
    ];
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
  const [verdict] = row.cells[1].children;
  const word = element(`w-${verdict.className[0]}`) ?? element(`v-${verdict.className[0]}`);
  verdict.setAttribute("role", "img");
  verdict.setAttribute("aria-labelledby", word.id);
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
