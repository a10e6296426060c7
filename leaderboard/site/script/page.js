"use strict";

/* Elements and numbers. Names come from strangers: text nodes only, never markup. */

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function hidden(text) {
  return element("span", { class: "vh" }, text);
}

function by(id) {
  return document.getElementById(id);
}

const DASH = "\u2013";
const FORMATS = new Map();

/* A fixed number of decimals, thousands separated, a true minus sign, no negative zero; 1e7 and more with an exponent. */
function fixed(value, places) {
  if (Math.abs(value) >= 1e7) {
    return value.toExponential(2).replace("-", "\u2212").replace(/e\+(\d)$/, "e+0$1");
  }
  if (!FORMATS.has(places)) {
    FORMATS.set(places, new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }));
  }
  const text = FORMATS.get(places).format(value);
  return /[1-9]/.test(text) ? text.replace("-", "\u2212") : text.replace("-", "");
}

function interval(low, high, places) {
  return `[${fixed(low, places)}, ${fixed(high, places)}]`;
}

function span(best, worst) {
  return best === worst ? String(best) : `${best}${DASH}${worst}`;
}

function plural(count, one) {
  return `${count.toLocaleString("en-US")} ${one}${count === 1 ? "" : "s"}`;
}
