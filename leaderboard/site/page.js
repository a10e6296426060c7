"use strict";

/* Sorting, filtering and plots of the leaderboard. Names come from strangers: text nodes only, never markup. */

(function () {
  /* ---- sorting ---------------------------------------------------------------------------------------------- */

  function valueOf(row, column, numeric) {
    const raw = row.cells[column].dataset.value;
    if (raw === undefined) return null;
    return numeric ? Number(raw) : raw;
  }

  function compare(a, b, numeric) {
    return numeric ? a - b : a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
  }

  /* Rows without a value stay last in both orders; equal rows keep the order that they had. */
  function sortRows(table, column, numeric, order) {
    const sign = order === "descending" ? -1 : 1;
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [valueOf(row, column, numeric), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * compare(a, b, numeric);
    });
    body.append(...keyed.map(([, row]) => row));
  }

  function nextOrder(heading, first) {
    const now = heading.getAttribute("aria-sort");
    if (!now) return first;
    return now === "ascending" ? "descending" : "ascending";
  }

  function sortBy(button, board) {
    const heading = button.closest("th");
    const order = nextOrder(heading, button.dataset.first);
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    sortRows(board.table, Number(button.dataset.column), button.dataset.kind === "num", order);
    report(board);
  }

  /* ---- filtering -------------------------------------------------------------------------------------------- */

  function matches(row, board) {
    const words = board.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (row.cells[0].textContent + " " + row.dataset.architecture).toLowerCase();
    return (
      words.every((word) => text.includes(word)) &&
      (!board.architecture.value || row.dataset.architecture === board.architecture.value) &&
      (!board.role.value || row.dataset.kind === board.role.value)
    );
  }

  function filter(board) {
    for (const row of board.table.tBodies[0].rows) row.hidden = !matches(row, board);
    report(board);
  }

  function report(board) {
    const rows = Array.from(board.table.tBodies[0].rows);
    const shown = rows.filter((row) => !row.hidden).length;
    const heading = board.table.querySelector("th[aria-sort]");
    const title = heading && heading.querySelector("button").firstChild.textContent.trim();
    const sorted = heading ? `, by ${title}, ${heading.getAttribute("aria-sort")}` : "";
    board.status.textContent = `${shown} of ${rows.length} subjects${sorted}`;
  }

  function wire(section) {
    const board = {
      table: section.querySelector("table.results"),
      search: section.querySelector(".search"),
      architecture: section.querySelector("select.architecture"),
      role: section.querySelector("select.role"),
      status: section.querySelector("[role=status]"),
    };
    const tools = section.querySelector("form.tools");
    for (const kind of ["input", "change"]) tools.addEventListener(kind, () => filter(board));
    tools.addEventListener("submit", (event) => event.preventDefault());
    tools.addEventListener("reset", () => setTimeout(() => filter(board)));
    board.table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button.sort");
      if (button) sortBy(button, board);
    });
    filter(board);
  }

  /* ---- sheets ----------------------------------------------------------------------------------------------- */

  function openTarget() {
    const target = document.getElementById(location.hash.slice(1));
    if (!target || !target.matches("details.sheet")) return;
    target.open = true;
    target.scrollIntoView({ block: "start" });
    target.querySelector("summary").focus({ preventScroll: true });
  }

  function openForPrint() {
    for (const details of document.querySelectorAll("details.definitions")) details.open = true;
  }

  /* ---- plots ------------------------------------------------------------------------------------------------ */

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = getComputedStyle(document.body).fontFamily;
    const text = { labelColor: colour("--muted"), titleColor: colour("--ink") };
    return {
      background: "transparent",
      font: font,
      view: { stroke: null },
      axis: {
        ...text,
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

  function draw(holder, spec) {
    const config = theme();
    const longest = Math.max(...spec.data.values.map((point) => point.series.length));
    config.legend.columns = Math.max(1, Math.floor((holder.clientWidth - 90) / (44 + 7 * longest)));
    const actions = { export: true, source: false, compiled: false, editor: false };
    return window
      .vegaEmbed(holder, structuredClone(spec), { config, actions, renderer: "svg", tooltip: { theme: "custom" } })
      .catch((error) => {
        holder.textContent = "The plot could not be drawn: " + error.message;
      });
  }

  /* One drawing at a time: a change of the colour scheme waits for the drawing under way. */
  let drawn = Promise.resolve([]);

  function drawAll() {
    drawn = drawn.then((views) => {
      for (const view of views) if (view) view.finalize();
      const plots = Array.from(document.querySelectorAll("script.plot-data"));
      return Promise.all(
        plots.map((data) => draw(document.getElementById(data.dataset.for), JSON.parse(data.textContent))),
      );
    });
  }

  /* ----------------------------------------------------------------------------------------------------------- */

  for (const section of document.querySelectorAll("section.task")) wire(section);
  window.addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#sheet-']");
    if (link && link.hash === location.hash) openTarget();
  });
  window.addEventListener("beforeprint", openForPrint);
  document.addEventListener("DOMContentLoaded", () => {
    openTarget();
    drawAll();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
