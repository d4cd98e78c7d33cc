// One stop of the keyboard for the whole matrix, and arrows inside it.

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
  const place =
    row === keyRow ? current.closest("td").cellIndex + 1 : current.closest("th,td").cellIndex;
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
    .map((cell, index) => ({
      button: cell.querySelector("button"),
      place: index + (index ? shift : 0),
    }))
    .filter((one) => one.button);
  if (to[2]) {
    const beside = buttons.filter(
      (one) => (one.place - to[1]) * to[2] > 0 || (event.key === "Home" && one.place === 0),
    );
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
