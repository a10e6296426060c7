"use strict";

/* Plots: any two numbers of the board against each other, for the subjects that the table shows. */

const PLOT = JSON.parse(by("data").textContent).plot;
const MOST_IN_SVG = 300;
const panels = document.querySelector(".plots .panels");

/* Every number that may be an axis, L0 first. */
function axes() {
  const own = { key: "l0", title: "L0, active latents per token", better: "down", decimals: 1, logarithmic: true, cell: l0Of };
  const numbers = board().groups.flatMap((group) =>
    group.columns.map((column) => ({
      key: `${group.id}/${column.name}`,
      title: column.label,
      better: column.better,
      decimals: column.decimals,
      logarithmic: column.name === "l0",
      group,
      headline: column === group.columns[group.headline],
      cell: (row) => cellOf(column, row),
    })),
  );
  return [own, ...numbers];
}

function chosenAxes() {
  const all = axes();
  const group = leading();
  const usual = group.headline === null ? "" : `${group.id}/${group.columns[group.headline].name}`;
  const x = all.find((axis) => axis.key === (view.x || "l0")) || all[0];
  const y = all.find((axis) => axis.key === view.y) || all.find((axis) => axis.key === usual) || all[0];
  return { all, x, y };
}

/* The choices of an axis, made anew for another board alone: a list that a reader has open stays as it is. */
function fillAxis(select, all, chosen) {
  if (select.dataset.board === view.board) {
    select.value = chosen.key;
    return;
  }
  select.dataset.board = view.board;
  const options = [element("option", { value: "l0" }, "L0")];
  for (const group of board().groups) {
    const own = all.filter((axis) => axis.group === group);
    options.push(
      element("optgroup", { label: `${group.suite}: ${group.task} ${group.setting}` }, ...own.map((axis) => element("option", { value: axis.key }, axis.title))),
    );
  }
  select.replaceChildren(...options);
  select.value = chosen.key;
}

function pointOf(row, x, y) {
  const [across, up] = [x.cell(row), y.cell(row)];
  const absent = (axis, cell) => cell.value === null || (axis.logarithmic && cell.value <= 0);
  if (absent(x, across) || absent(y, up)) return null;
  const data = board().rows;
  const text = (axis, cell) => {
    const number = fixed(cell.value, axis.decimals);
    return cell.low === null ? number : `${number} ${interval(cell.low, cell.high, axis.decimals)}`;
  };
  const standing = x.key === "l0" && y.headline ? y.group.standing[row] : null;
  const point = {
    name: data.name[row],
    page: `subjects/${encodeURIComponent(data.page[row])}.html`,
    kind: data.kind[row],
    series: data.kind[row] === "trained" ? data.architecture[row] : `${data.architecture[row]} (${data.kind[row]})`,
    x: across.value,
    y: up.value,
    x_text: text(x, across),
    y_text: text(y, up),
    pale: Boolean(standing && standing[5] === false),
  };
  if (across.low !== null && !(x.logarithmic && across.low <= 0)) Object.assign(point, { x_low: across.low, x_high: across.high });
  if (up.low !== null && !(y.logarithmic && up.low <= 0)) Object.assign(point, { y_low: up.low, y_high: up.high });
  return point;
}

/* Subjects that no other one beats on both axes, by value; controls are not asked. None for a number without a better end. */
function frontOf(points, x, y) {
  if (x.better === "none" || y.better === "none") return [];
  const sign = { up: -1, down: 1 };
  const asked = points.filter((point) => point.kind !== "control").sort((a, b) => sign[x.better] * (a.x - b.x) || sign[y.better] * (a.y - b.y));
  const kept = [];
  for (const point of asked) {
    const last = kept[kept.length - 1];
    if (!last || sign[y.better] * (point.y - last.y) < 0) kept.push(point);
  }
  return kept.map((point) => ({ x: point.x, y: point.y }));
}

function scaleOf(points, name, logarithmic) {
  if (!logarithmic) return { zero: false, padding: 12 };
  const values = points.map((point) => point[name]);
  return { type: "log", domain: [Math.min(...values) / 1.3, Math.max(...values) * 1.3], nice: false };
}

function axisOf(logarithmic) {
  return logarithmic ? { tickCount: 5, format: "~s", labelOverlap: "greedy" } : {};
}

function filled(part, values) {
  if (typeof part === "string" && part.startsWith("$") && part in values) return values[part];
  if (Array.isArray(part)) return part.map((one) => filled(one, values));
  if (part && typeof part === "object") return Object.fromEntries(Object.entries(part).map(([name, one]) => [name, filled(one, values)]));
  return part;
}

function seriesOf(points) {
  const names = (kept) => [...new Set(points.filter(kept).map((point) => point.series))].sort();
  const trained = names((point) => point.kind === "trained");
  const others = names((point) => point.kind !== "trained");
  const colours = [...trained.map((_, at) => PLOT.colours[at % PLOT.colours.length]), ...others.map(() => PLOT.grey)];
  const all = [...trained, ...others];
  return {
    trained,
    others,
    $names: all,
    $colours: colours,
    $fills: colours.map((colour, at) => (at < trained.length ? colour : "transparent")),
    $shapes: all.map((_, at) => PLOT.shapes[at % PLOT.shapes.length]),
  };
}

function titleWith(axis) {
  const better = { up: " (higher is better)", down: axis.key === "l0" ? " (logarithmic)" : " (lower is better)", none: "" };
  return axis.title + better[axis.better];
}

/* A layer without anything to draw is left out: it would have no scale. */
function specOf(title, points, listed, series, x, y) {
  const front = frontOf(points, x, y);
  const has = (end) => points.some((point) => end in point);
  const drawn = [front.length > 0, has("y_low"), has("x_low"), true];
  const spec = filled(PLOT.template, {
    ...series,
    $points: points,
    $front: front,
    $x: titleWith(x),
    $y: titleWith(y),
    $x_scale: scaleOf(points, "x", x.logarithmic),
    $y_scale: scaleOf(points, "y", y.logarithmic),
    $x_axis: axisOf(x.logarithmic),
    $y_axis: axisOf(y.logarithmic),
    $listed: listed,
    $description: `${title}: ${x.title} against ${y.title} with 95 % intervals; the table holds the same numbers.`,
  });
  return { ...spec, layer: spec.layer.filter((_, at) => drawn[at]) };
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily,
    view: { stroke: null },
    axis: {
      labelColor: colour("--muted"),
      titleColor: colour("--ink"),
      gridColor: colour("--line"),
      domainColor: colour("--line-strong"),
      tickColor: colour("--line-strong"),
      labelFontSize: 12,
      titleFontSize: 12.5,
      titleFontWeight: 500,
      titlePadding: 10,
      labelPadding: 5,
    },
    legend: {
      labelColor: colour("--ink"),
      labelFontSize: 12.5,
      labelLimit: 220,
      symbolSize: 90,
      symbolStrokeWidth: 1.6,
      orient: "bottom",
      direction: "horizontal",
      columnPadding: 18,
      rowPadding: 4,
      offset: 12,
    },
  };
}

function embed(holder, spec) {
  const config = theme();
  const listed = Math.max(...spec.data.values.map((point) => point.series.length));
  config.legend.columns = Math.max(1, Math.floor((holder.clientWidth - 90) / (44 + 7 * listed)));
  const actions = { export: true, source: false, compiled: false, editor: false };
  const renderer = spec.data.values.length > MOST_IN_SVG ? "canvas" : "svg";
  return window.vegaEmbed(holder, spec, { config, actions, renderer, tooltip: { theme: "custom" } }).catch((error) => {
    holder.textContent = "The plot could not be drawn: " + error.message;
  });
}

/* The plot library is started when the first plot is drawn, so that the table does not wait for it. */
function startLibrary() {
  for (const text of document.querySelectorAll("script.library")) {
    document.head.append(element("script", null, text.textContent));
    text.remove();
  }
}

function captionOf(x, y, missing) {
  const parts = [
    `${y.title} against ${x.title}, with 95 % intervals, for the subjects of the table. Trained dictionaries are filled, baselines and controls hollow; choose a series in a legend to single it out, a mark to open its page.`,
  ];
  if (x.better !== "none" && y.better !== "none") parts.push("The dashed line joins subjects that none beats on both axes by value; controls are left out.");
  if (x.key === "l0" && y.headline) parts.push("Pale marks are significantly worse than a subject that is no denser.");
  if (missing.length) parts.push(`${plural(missing.length, "subject")} without a place here, since a value is undefined or cannot stand on a logarithmic axis: ${missing.slice(0, 12).join(", ")}${missing.length > 12 ? ", ..." : ""}.`);
  return parts.join(" ");
}

/* One drawing at a time: what comes meanwhile waits for the drawing under way, and the first for the end of the page,
   where the library stands. */
let drawing = new Promise((resolve) => document.addEventListener("DOMContentLoaded", () => resolve([])));

function drawPlots() {
  drawing = drawing.then((views) => {
    for (const one of views) if (one) one.finalize();
    if (!document.querySelector(".plots").open) return [];
    startLibrary();
    const { all, x, y } = chosenAxes();
    fillAxis(by("axis-x"), all, x);
    fillAxis(by("axis-y"), all, y);
    const points = order.map((row) => pointOf(row, x, y));
    const missing = order.filter((_, at) => !points[at]).map((row) => board().rows.name[row]);
    document.querySelector(".plots figcaption").textContent = captionOf(x, y, missing);
    const placed = points.filter(Boolean);
    const trained = placed.filter((point) => point.kind === "trained");
    const series = seriesOf(placed);
    const both = trained.length > 1 && trained.length < placed.length;
    const parts = both ? [["Trained dictionaries", trained, series.trained]] : [];
    if (placed.length) parts.push([both ? "All subjects" : "Subjects of the table", placed, both ? series.others : series.$names]);
    panels.classList.toggle("two", parts.length > 1);
    const holders = parts.map(([title]) => {
      const holder = element("div", { class: "plot" });
      return [holder, element("div", { class: "panel" }, element("p", { class: "subtitle" }, title), holder)];
    });
    panels.replaceChildren(...holders.map(([, panel]) => panel));
    return Promise.all(parts.map(([title, shown, listed], at) => embed(holders[at][0], specOf(title, shown, listed, series, x, y))));
  });
}
