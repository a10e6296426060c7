"use strict";

/* Up to four subjects side by side, with differences to the first of them. */

function picked() {
  const pages = board().rows.page;
  return view.pick.map((page) => pages.indexOf(page));
}

function markPicked() {
  const full = view.pick.length >= MOST_SIDE_BY_SIDE;
  for (const box of table.querySelectorAll("input.pick")) {
    box.checked = view.pick.includes(box.value);
    box.disabled = full && !box.checked;
  }
}

function pick(box) {
  view.pick = view.pick.filter((page) => page !== box.value);
  if (box.checked) view.pick = [...view.pick, box.value].slice(0, MOST_SIDE_BY_SIDE);
  showPicked();
}

/* What was computed for this pair, as first minus second: [value, low, high, apart]; nothing for most pairs. */
function pairOf(group, first, second) {
  const negative = (number) => (number === null ? null : -number);
  for (const list of [group.beside.base, group.beside.next]) {
    for (const [row, other] of [[first, second], [second, first]]) {
      const [of, value, low, high, differ] = list.slice(5 * row, 5 * row + 5);
      if (of !== other) continue;
      const told = differ === null ? null : Boolean(differ);
      return row === first ? [value, low, high, told] : [negative(value), negative(high), negative(low), told];
    }
  }
  return null;
}

function apart(group, first, second) {
  const [one, other] = [group.standing[first], group.standing[second]];
  if (!one || !other || !one[0] || !other[0]) return null;
  const letters = new Set(other[0].split(" "));
  return !one[0].split(" ").some((letter) => letters.has(letter));
}

function signed(value, places) {
  const text = fixed(value, places);
  return value === 0 || text.startsWith("\u2212") ? text : `+${text}`;
}

/* The difference of a subject to the first one: paired with its interval where it was computed, else by value alone. */
function differenceLine(group, column, first, row) {
  const [base, own] = [cellOf(column, first).value, cellOf(column, row).value];
  if (base === null || own === null) return null;
  const ranked = column === group.columns[group.headline];
  const known = ranked ? pairOf(group, row, first) : null;
  const places = column.decimals + (known ? 1 : 0);
  const parts = [signed(known ? known[0] : own - base, places)];
  if (known && known[1] !== null) parts.push(interval(known[1], known[2], places));
  const verdict = known ? known[3] : ranked ? apart(group, row, first) : null;
  if (verdict !== null) parts.push(verdict ? "told apart" : "not told apart");
  return element("span", { class: verdict === true ? "delta apart" : "delta" }, parts.join(" "));
}

function sideRow(group, column, rows) {
  const title = element("th", { scope: "row" }, column.label);
  if (column.trust) title.append(" ", element("span", { class: `trust ${column.trust.replace(" ", "-")}` }, column.trust));
  const cells = rows.map((row, at) => {
    const cell = element("td", { class: "num" });
    drawNumber(cell, group, column, row);
    const difference = at > 0 ? differenceLine(group, column, rows[0], row) : null;
    if (difference) cell.append(difference);
    return cell;
  });
  return element("tr", null, title, ...cells);
}

function sideTable(rows) {
  const data = board().rows;
  const names = rows.map((row) => element("th", { scope: "col", class: "num" }, data.name[row]));
  const first = [
    ["Architecture", (row) => data.architecture[row]],
    ["Latents", (row) => (data.latents[row] === null ? DASH : data.latents[row].toLocaleString("en-US"))],
    ["L0 (band)", (row) => (l0Of(row).value === null ? DASH : `${fixed(l0Of(row).value, 1)} (${data.band[row]})`)],
  ].map(([title, text]) =>
    element("tr", null, element("th", { scope: "row" }, title), ...rows.map((row) => element("td", { class: "num" }, text(row)))),
  );
  const made = element(
    "table",
    { class: "side" },
    element("caption", null, "Each metric of each task; the second line of a cell is its interval, the last one the difference to the first subject."),
    element("thead", null, element("tr", null, element("th", { scope: "col" }, "Metric"), ...names)),
    element("tbody", null, ...first),
  );
  for (const group of board().groups) {
    if (!rows.some((row) => scored(group, row))) continue;
    const heading = element("th", { colspan: rows.length + 1, scope: "rowgroup" }, `${group.suite}: ${group.task} ${group.setting}`);
    made.append(element("tbody", null, element("tr", { class: "task" }, heading), ...group.columns.map((column) => sideRow(group, column, rows))));
  }
  return made;
}

function drawSide() {
  const rows = picked();
  const button = by("to-side");
  button.hidden = rows.length < 2;
  button.textContent = `Side by side: ${rows.length}`;
  const section = by("side");
  section.hidden = rows.length < 2;
  if (rows.length < 2) {
    section.replaceChildren();
    return;
  }
  const bands = new Set(rows.map((row) => board().rows.band[row]));
  const names = rows.map((row) => board().rows.name[row]);
  const words = [
    "Differences are to the first subject. Those to the base and to the next subject of a ranking are paired, with their interval; " +
      "of other pairs the page knows the values and whether tie groups tell them apart. For any other pair: ",
    element("code", null, `saebench compare ${names.map((name) => `'${name}'`).join(" ")} --base '${names[0]}'`),
  ];
  const parts = [
    element("h3", { id: "side-title" }, "Side by side"),
    element("p", { class: "note" }, ...words),
    bands.size > 1 ? element("p", { class: "unlike" }, "These subjects lie in different bands of L0: nearly every number moves with L0.") : null,
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "side-title" }, sideTable(rows)),
    element("button", { type: "button", id: "clear-side" }, "Clear"),
  ];
  section.replaceChildren(...parts.filter(Boolean));
}
