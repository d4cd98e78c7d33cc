// The two languages, what the reader chose, and elements with words in them.

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
    if (one.value)
      one.textContent = `${named(ruleOf.get(one.value))}: ${title(ruleOf.get(one.value))}`;
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
  make(
    "i",
    { class: standing[0] + (decides ? " counts" : ""), "aria-hidden": "true" },
    SIGNS[standing],
  );

const english = (text, tag = "p") => make(tag, { lang: "en" }, visible(text));

function labelled(key, ...children) {
  return make("div", {}, make("dt", {}, say(key)), make("dd", {}, ...children));
}
