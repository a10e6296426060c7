"use strict";

/* The columns of the table as it stands: how each is named, sorted and drawn. */

function cellOf(column, row) {
  const at = 3 * row;
  return { value: column.cells[at], low: column.cells[at + 1], high: column.cells[at + 2], note: column.reasons[row] };
}

function l0Of(row) {
  const [value, low, high] = board().rows.l0.slice(3 * row, 3 * row + 3);
  return { value, low, high };
}

function scored(group, row) {
  return group.columns.some((column) => column.cells[3 * row] !== null || column.reasons[row] !== undefined);
}

function plain(key, title, kind, first, value, draw) {
  return { key, title, kind, first, value, draw };
}

function fixedColumns() {
  const rows = board().rows;
  const ranked = leading();
  return [
    plain("name", "Name", "name", "ascending", (row) => rows.name[row], drawName),
    {
      ...plain("rank", "Rank", "num", "ascending", (row) => rankKey(ranked, row), (cell, row) => drawRank(cell, ranked, row)),
      note: ranked.headline === null ? "" : ranked.columns[ranked.headline].label,
    },
    plain("arch", "Architecture", "text", "ascending", (row) => rows.architecture[row], (cell, row) => {
      cell.textContent = rows.architecture[row];
    }),
    plain("width", "Latents", "num", "descending", (row) => rows.latents[row], (cell, row) => {
      cell.textContent = rows.latents[row] === null ? DASH : rows.latents[row].toLocaleString("en-US");
    }),
    plain("l0", "L0", "num", "ascending", (row) => l0Of(row).value, (cell, row) => {
      const { value, low, high } = l0Of(row);
      cell.append(value === null ? DASH : fixed(value, 1));
      if (low !== null) cell.append(element("small", null, interval(low, high, 1)));
    }),
  ];
}

function shownOf(group) {
  const state = view.suite && view.suite !== group.suite ? "none" : stateOf(group);
  if (state === "none") return [];
  return state === "full" ? group.columns : [group.columns[group.headline || 0]];
}

function metricColumns() {
  return board().groups.flatMap((group) =>
    shownOf(group).map((column) => ({
      key: `${group.id}/${column.name}`,
      title: column.label,
      kind: "num",
      first: column.better === "up" ? "descending" : "ascending",
      better: column.better,
      trust: column.trust,
      group,
      value: (row) => column.cells[3 * row],
      draw: (cell, row) => drawNumber(cell, group, column, row),
    })),
  );
}

function columnsShown() {
  return [...fixedColumns(), ...metricColumns()];
}

function rankKey(group, row) {
  const standing = group.standing[row];
  return standing ? standing[1] + standing[2] / 1e4 : null;
}

function drawName(cell, row) {
  const rows = board().rows;
  const page = rows.page[row];
  const label = `Compare ${rows.name[row]} side by side`;
  cell.append(
    element("input", { type: "checkbox", class: "pick", value: page, "aria-label": label, title: "Side by side" }),
    element("a", { href: `subjects/${encodeURIComponent(page)}.html` }, rows.name[row]),
  );
  for (const badge of [rows.kind[row] === "trained" ? "" : rows.kind[row], rows.status[row]]) {
    if (badge) cell.append(" ", element("span", { class: `badge ${badge}` }, badge));
  }
}

function drawRank(cell, group, row) {
  const standing = group.standing[row];
  cell.classList.add("rank");
  if (!standing) {
    cell.append(DASH, hidden("not ranked"));
    return;
  }
  const [, best, worst, bandBest, bandWorst] = standing;
  cell.append(element("b", null, span(best, worst)));
  if (bandBest !== null) cell.append(element("small", null, `band ${board().rows.band[row]}: ${span(bandBest, bandWorst)}`));
}

function why(note, text, sign) {
  const link = element("a", { class: sign ? "why" : "why bare", href: `#note-${note}`, title: REASONS[note] });
  if (sign) link.append(element("span", { "aria-hidden": "true" }, sign));
  link.append(hidden(text), element("sup", null, note));
  return link;
}

function drawNumber(cell, group, column, row) {
  const { value, low, high, note } = cellOf(column, row);
  if (value === null) {
    cell.append(note === undefined ? hidden("not scored") : why(note, "undefined, see note", DASH));
    return;
  }
  const standing = column === group.columns[group.headline] ? group.standing[row] : null;
  if (standing && standing[0]) cell.append(element("abbr", { title: "tie group" }, standing[0]), " ");
  cell.append(element("b", null, fixed(value, column.decimals)));
  if (low !== null) cell.append(element("small", null, interval(low, high, column.decimals)));
  else if (note !== undefined) cell.append(why(note, "no interval, see note", ""));
  if (column.scale) cell.append(bar(column.scale, value, low, high));
}

/* The value and its interval on the range of the trained dictionaries; an arrowhead for what lies beyond. */
function bar([start, end, logarithmic], value, low, high) {
  const place = (number) => (100 * ((logarithmic ? Math.log10(number) : number) - start)) / (end - start);
  const inside = (percent) => Math.min(100, Math.max(0, percent)).toFixed(1);
  const at = place(value);
  const made = element("i", { class: at < 0 ? "bar left" : at > 100 ? "bar right" : "bar" });
  made.style.setProperty("--v", inside(at));
  made.style.setProperty("--a", inside(low === null ? at : place(low)));
  made.style.setProperty("--b", inside(high === null ? at : place(high)));
  return made;
}
