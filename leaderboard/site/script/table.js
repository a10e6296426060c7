"use strict";

/* The table: header, rows, order. Rows are drawn as far as they are read, so that a long board opens at once. */

const CHUNK = 40;
const table = by("board");
let drawnFor = "";
let drawnRows = new Map();
let order = [];
let reach = CHUNK;

function signature() {
  return JSON.stringify([view.board, view.suite, leading().id, board().groups.map(stateOf)]);
}

function compareBy(column, descending) {
  const sign = descending ? -1 : 1;
  const texts = column.kind !== "num";
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  return (a, b) => {
    const [left, right] = [column.value(a), column.value(b)];
    if (left === null || right === null) return (left === null) - (right === null) || a - b;
    return sign * (texts ? collator.compare(left, right) : left - right) || a - b;
  };
}

/* The column and order that the view asks for; at first the headline of the leading group, best first. */
function sorting(columns) {
  const group = leading();
  const usual = group.headline === null ? "name" : `${group.id}/${group.columns[group.headline].name}`;
  const column = columns.find((one) => one.key === (view.sort || usual)) || columns.find((one) => one.key === usual) || columns[0];
  return { column, order: view.order || column.first };
}

function sortBy(key) {
  const columns = columnsShown();
  const now = sorting(columns);
  const column = columns.find((one) => one.key === key);
  const turned = now.order === "ascending" ? "descending" : "ascending";
  view.order = now.column.key === key ? turned : column.first;
  view.sort = key;
  show();
}

function headingOf(column, now) {
  const button = element("button", { type: "button", class: "sort", "data-key": column.key }, column.title);
  if (column.better === "up") button.append(element("span", { class: "dir", "aria-hidden": "true" }, "↑"), hidden(" (higher is better)"));
  if (column.better === "down") button.append(element("span", { class: "dir", "aria-hidden": "true" }, "↓"), hidden(" (lower is better)"));
  const heading = element("th", { scope: "col", class: column.kind, "data-key": column.key }, button);
  if (column.note) heading.append(element("span", { class: "by" }, column.note));
  if (column.trust) heading.append(element("span", { class: `trust ${column.trust.replace(" ", "-")}` }, column.trust));
  return heading;
}

function groupHeading(group, shown) {
  const more = group.columns.length - 1;
  const title = group.card ? element("a", { href: group.card }, group.task) : element("span", null, group.task);
  const heading = element("th", { scope: "colgroup", colspan: shown }, element("span", { class: "suite" }, group.suite));
  if (more > 0) {
    const full = shown > 1;
    const label = full ? `Only the headline of ${group.task}` : `${plural(more, "more metric")} of ${group.task}`;
    const toggle = { type: "button", class: "toggle", "data-group": group.id, "aria-expanded": String(full), "aria-label": label, title: label };
    heading.append(element("button", toggle, full ? "\u2212" : `+${more}`));
  }
  heading.append(element("br"), title);
  if (group.setting) heading.append(" ", element("span", { class: "setting", title: group.setting }, group.setting));
  return heading;
}

function drawHead(columns) {
  const focused = document.activeElement;
  const { key, group: toggled } = (table.tHead.contains(focused) && focused.dataset) || {};
  const first = columns.filter((column) => !column.group).length;
  const groups = element("tr", { class: "groups" }, element("th", { colspan: first }));
  for (const group of board().groups) {
    const shown = columns.filter((column) => column.group === group).length;
    if (shown) groups.append(groupHeading(group, shown));
  }
  table.tHead.replaceChildren(groups, element("tr", null, ...columns.map(headingOf)));
  const again = [...table.tHead.querySelectorAll("button")].find(
    (button) => (key && button.dataset.key === key) || (toggled && button.dataset.group === toggled),
  );
  if (again) again.focus();
}

function markSorted(now) {
  for (const heading of table.tHead.querySelectorAll("th[data-key]")) {
    if (heading.dataset.key === now.column.key) heading.setAttribute("aria-sort", now.order);
    else heading.removeAttribute("aria-sort");
  }
}

function rowOf(place, columns) {
  if (!drawnRows.has(place)) {
    const row = element("tr", { class: board().rows.kind[place] });
    for (const column of columns) {
      const cell = element(column.kind === "name" ? "th" : "td", { class: column.kind, scope: column.kind === "name" ? "row" : null });
      column.draw(cell, place);
      row.append(cell);
    }
    drawnRows.set(place, row);
  }
  return drawnRows.get(place);
}

function drawRows(columns) {
  table.tBodies[0].replaceChildren(...order.slice(0, reach).map((place) => rowOf(place, columns)));
  markPicked();
  const rest = order.length - reach;
  by("more").hidden = rest <= 0;
  by("more").textContent = `${plural(Math.max(0, rest), "more subject")}`;
}

function drawMore(all) {
  reach = all ? order.length : reach + CHUNK;
  drawRows(columnsShown());
}

/* Everything in the table that follows from the view. */
function drawTable() {
  const columns = columnsShown();
  const now = sorting(columns);
  if (drawnFor !== signature()) {
    drawnFor = signature();
    drawnRows = new Map();
    drawHead(columns);
  }
  markSorted(now);
  const all = board().rows.name.map((_, place) => place);
  order = all.filter(matches).sort(compareBy(now.column, now.order === "descending"));
  reach = CHUNK;
  drawRows(columns);
  const sorted = `by ${now.column.title}, ${now.order}`;
  document.querySelector(".status").textContent = `${order.length} of ${plural(all.length, "subject")}, ${sorted}`;
  by("caption").textContent = `${titleOf(board())}: ${plural(order.length, "subject")}, sorted ${sorted}. Brackets hold 95 % intervals.`;
}
