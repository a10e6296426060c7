"use strict";

/* Wiring. One way only: a change of the view, then everything that follows from it is drawn. */

let plotted = "";
let waiting = 0;

/* Plots follow a moment later, so that typing into the search field stays quick. */
function schedulePlots() {
  const wanted = JSON.stringify([view.board, view.x, view.y, leading().id, [...order].sort(inNumbers)]);
  if (wanted === plotted) return;
  plotted = wanted;
  clearTimeout(waiting);
  waiting = setTimeout(drawPlots, 150);
}

function show() {
  drawTable();
  drawSide();
  keepPermalink();
  schedulePlots();
}

/* The rows stay as they are, and with them the place of the keyboard. */
function showPicked() {
  markPicked();
  drawSide();
  keepPermalink();
}

function follow() {
  const fragment = location.hash.slice(1);
  if (!isView(fragment) || (fragment === FIRST ? "" : fragment) === permalink()) return;
  view = viewOf(fragment);
  drawTools();
  show();
}

function redrawPlots() {
  plotted = "";
  schedulePlots();
}

form.addEventListener("submit", (event) => event.preventDefault());
form.elements.q.addEventListener("input", (event) => choose(event.target));
form.addEventListener("change", (event) => choose(event.target));
form.addEventListener("reset", (event) => {
  event.preventDefault();
  view = { ...firstView(), board: view.board };
  drawTools();
  show();
});

table.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const note = event.target.closest("a.why");
  if (button && button.dataset.key) sortBy(button.dataset.key);
  if (button && button.dataset.group) chooseState(button.dataset.group, button.getAttribute("aria-expanded") === "true" ? "brief" : "full");
  if (note) {
    event.preventDefault();
    by(note.hash.slice(1)).focus();
  }
});
table.addEventListener("change", (event) => {
  if (event.target.matches("input.pick")) pick(event.target);
});

by("columns").addEventListener("change", (event) => chooseState(event.target.value, event.target.checked ? "brief" : "none"));
by("more").addEventListener("click", () => drawMore(false));
new IntersectionObserver((seen) => {
  if (seen.some((one) => one.isIntersecting)) drawMore(false);
}).observe(by("more"));

by("save-csv").addEventListener("click", () => save(csvOf(shownRecords()), "text/csv", "csv"));
by("save-json").addEventListener("click", () => save(JSON.stringify(shownRecords(), null, 1), "application/json", "json"));
by("to-side").addEventListener("click", () => by("side").focus());
by("side").addEventListener("click", (event) => {
  if (event.target.id !== "clear-side") return;
  view.pick = [];
  showPicked();
});

for (const name of ["x", "y"]) {
  by(`axis-${name}`).addEventListener("change", (event) => {
    view[name] = event.target.value;
    show();
  });
}
document.querySelector(".plots").addEventListener("toggle", redrawPlots);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawPlots);
window.addEventListener("hashchange", follow);
window.addEventListener("beforeprint", () => drawMore(true));

view = viewOf(isView(location.hash.slice(1)) ? location.hash.slice(1) : "");
drawTools();
show();
