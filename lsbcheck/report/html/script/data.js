// What travels in the page, and foreign text made fit to be shown. Foreign text is only ever put
// in as text; the policy of the page (trusted types) holds this.

"use strict";

const element = (id) => document.getElementById(id);
const all = (selector, where = document) => [...where.querySelectorAll(selector)];
const embedded = (id) => JSON.parse(element(id).textContent);

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

// As lsbcheck/report/visible.py: what moves, hides or reorders text is shown as an escape.
const ACTS = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const NAMED = new Map([
  ["\t", " "],
  ["\n", "\\n"],
  ["\r", "\\r"],
]);

function visible(text) {
  return text.replace(ACTS, (character) => {
    if (NAMED.has(character)) return NAMED.get(character);
    const code = character.codePointAt(0);
    const digits = code.toString(16);
    if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
  });
}

const linesOf = (output) =>
  output
    .trimEnd()
    .split(/\r*\n|\r+/)
    .map(visible)
    .join("\n");

const quoted = (word) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;

const command = (argv) => visible(argv.map(quoted).join(" "));

// A daemon that has put a title over its arguments leaves empty ones behind it.
function commandOf(process) {
  const argv = [...process.argv];
  while (argv.length && argv.at(-1) === "") argv.pop();
  return argv.length ? command(argv) : `[${visible(process.comm)}]`;
}
