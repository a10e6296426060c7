"use strict";

/* Which board, and which of its rows. */

const form = document.querySelector("form.tools");

function titleOf(one) {
  return [one.model, one.site].filter(Boolean).join(", ") + `: ${one.subjects}`;
}

function matches(row) {
  const rows = board().rows;
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${rows.name[row]} ${rows.architecture[row]}`.toLowerCase();
  return (
    words.every((word) => text.includes(word)) &&
    (!view.arch || rows.architecture[row] === view.arch) &&
    (!view.width || String(rows.latents[row]) === view.width) &&
    (!view.band || String(rows.band[row]) === view.band) &&
    (!view.role || rows.kind[row] === view.role) &&
    (!view.status || (rows.status[row] || "scored here") === view.status) &&
    (!view.suite || board().groups.some((group) => group.suite === view.suite && scored(group, row)))
  );
}

function fill(select, values, chosen, all) {
  const known = [...new Set(values)];
  const options = known.map((value) => element("option", { value }, value));
  if (all) options.unshift(element("option", { value: "" }, all));
  select.replaceChildren(...options);
  select.value = known.includes(chosen) || !all ? chosen : "";
  select.closest("label").hidden = known.length < 2;
  return select.value;
}

const inNumbers = (a, b) => Number(a) - Number(b);

/* The choices that the present board offers. A filter that could not change anything is not shown. */
function drawTools() {
  const now = board();
  const rows = now.rows;
  const known = (values) => values.filter((value) => value !== null).map(String);
  by("board-title").textContent = titleOf(now);
  fill(form.elements.model, BOARDS.map((one) => one.model), now.model);
  fill(form.elements.site, BOARDS.filter((one) => one.model === now.model).map((one) => one.site), now.site);
  const here = BOARDS.filter((one) => one.model === now.model && one.site === now.site);
  fill(form.elements.subjects, here.map((one) => one.subjects), now.subjects);
  view.arch = fill(form.elements.arch, [...rows.architecture].sort(), view.arch, "all");
  view.width = fill(form.elements.width, known(rows.latents).sort(inNumbers), view.width, "all");
  view.band = fill(form.elements.band, known(rows.band).sort(inNumbers), view.band, "all");
  view.role = fill(form.elements.role, ["trained", "baseline", "control"].filter((kind) => rows.kind.includes(kind)), view.role, "all");
  const statuses = rows.status.map((status) => status || "scored here");
  view.status = fill(form.elements.status, statuses.sort(), view.status, "all");
  view.suite = fill(form.elements.suite, now.groups.map((group) => group.suite), view.suite, "all");
  if (form.elements.q.value !== view.q) form.elements.q.value = view.q;
  drawColumnList();
}

/* Another model, site or kind of subject is another board: the one that keeps most of the present choice. */
function boardFor(changed) {
  const wanted = { model: form.elements.model.value, site: form.elements.site.value, subjects: form.elements.subjects.value };
  const found = BOARDS.filter((one) => one[changed] === wanted[changed] && (changed === "model" || one.model === wanted.model));
  const alike = (one) => Object.keys(wanted).filter((name) => one[name] === wanted[name]).length;
  return found.sort((a, b) => alike(b) - alike(a))[0];
}

function choose(control) {
  if (["model", "site", "subjects"].includes(control.name)) {
    view = { ...firstView(), board: boardFor(control.name).id };
    drawTools();
  } else {
    view[control.name] = control.value;
  }
  show();
}

function drawColumnList() {
  const lines = board().groups.map((group) => {
    const box = element("input", { type: "checkbox", value: group.id });
    box.checked = stateOf(group) !== "none";
    return element("li", null, element("label", null, box, ` ${group.suite}: ${group.task} ${group.setting}`));
  });
  by("columns").replaceChildren(...lines);
  by("columns").closest("details").hidden = lines.length < 2;
}

function chooseState(id, state) {
  if (board().layout[id] === state) view.states.delete(id);
  else view.states.set(id, state);
  drawColumnList();
  show();
}
