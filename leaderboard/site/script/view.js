"use strict";

/* What is shown, and its permalink: the fragment of the address holds all that differs from the first view. */

const BOARDS = JSON.parse(by("data").textContent).boards;
const REASONS = ["", ...Array.from(document.querySelectorAll(".notes li"), (line) => line.textContent)];
const MOST_SIDE_BY_SIDE = 4;
const TEXTS = ["q", "arch", "width", "band", "role", "status", "suite", "sort", "order", "x", "y"];

function firstView() {
  const texts = Object.fromEntries(TEXTS.map((name) => [name, ""]));
  return { ...texts, board: BOARDS[0].id, states: new Map(), pick: [] };
}

let view = firstView();

function board() {
  return BOARDS.find((one) => one.id === view.board);
}

function stateOf(group) {
  return view.states.get(group.id) || board().layout[group.id];
}

/* The leading group: the one whose ranks are shown. That of the sorted column, else the board's own. */
function leading() {
  const groups = board().groups;
  const sorted = groups.find((group) => view.sort.startsWith(group.id + "/"));
  return sorted || groups.find((group) => group.id === board().leading);
}

function encoded(text) {
  return encodeURIComponent(text).replace(/%2F/g, "/").replace(/%40/g, "@");
}

function permalink() {
  const parts = [];
  const put = (name, values) => {
    if (values.length) parts.push(`${name}=${values.map(encoded).join(",")}`);
  };
  if (view.board !== BOARDS[0].id) put("board", [view.board]);
  for (const name of TEXTS) if (view[name]) put(name, [view[name]]);
  for (const state of ["full", "brief", "none"]) {
    put(state, [...view.states].filter(([, value]) => value === state).map(([id]) => id).sort());
  }
  put("pick", view.pick);
  return parts.join("&");
}

/* Names that the page does not know are passed over, so that an old link shows what there still is. */
function viewOf(fragment) {
  const made = firstView();
  for (const part of fragment.split("&")) {
    const [name, ...rest] = part.split("=");
    let values;
    try {
      values = rest.join("=").split(",").map(decodeURIComponent);
    } catch {
      continue;
    }
    if (name === "board" && BOARDS.some((one) => one.id === values[0])) made.board = values[0];
    else if (name === "pick") made.pick = values;
    else if (TEXTS.includes(name)) made[name] = values[0];
    else if (["full", "brief", "none"].includes(name)) for (const id of values) made.states.set(id, name);
  }
  const own = BOARDS.find((one) => one.id === made.board);
  const pages = new Set(own.rows.page);
  made.pick = made.pick.filter((page) => pages.has(page)).slice(0, MOST_SIDE_BY_SIDE);
  for (const id of made.states.keys()) if (!own.groups.some((group) => group.id === id)) made.states.delete(id);
  return made;
}

/* The fragment of the first view once another one was shown: an empty one would scroll to the top. */
const FIRST = "view";

function isView(fragment) {
  return fragment === "" || fragment === FIRST || fragment.includes("=");
}

/* `replace` writes no history entry and, unlike the history interface, is allowed for every page that lies on disk.
   A fragment that leads to a place of the page stays until there is a view to tell. */
function keepPermalink() {
  const now = location.hash.slice(1);
  const wanted = permalink() || (now.includes("=") ? FIRST : now);
  if (now !== wanted) location.replace("#" + wanted);
}
