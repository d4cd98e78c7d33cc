// Everything is set going here, after all else is defined.

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
  element("clear").addEventListener("click", () => {
    element("finder").reset();
    filter.codes.clear();
    arrange();
  });
  element("search").addEventListener("input", apply);
  element("rule").addEventListener("change", apply);
  element("order").addEventListener("change", arrange);
  element("more").addEventListener("click", () => layOut(laidOut + AT_ONCE));
  new IntersectionObserver(
    (seen) => {
      if (seen.some((one) => one.isIntersecting)) layOut(laidOut + AT_ONCE);
    },
    { rootMargin: "800px" },
  ).observe(element("more"));
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
