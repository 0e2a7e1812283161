"use strict";
// Charts are drawn when they come into view, as wide as their place, in the colours of the theme.
const charts = JSON.parse(document.getElementById("charts").textContent);
const root = document.documentElement;
const drawn = new Map();

function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function config() {
  const ink = colour("ink"), faint = colour("faint"), line = colour("line");
  return {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { labelColor: ink, titleColor: faint, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12 },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12 },
    header: { labelColor: ink, labelFontSize: 13 },
    rule: { color: ink },
    title: { color: ink },
  };
}

async function draw(place) {
  const width = Math.floor(place.clientWidth);
  if (!width) return;
  drawn.get(place)?.finalize();
  const spec = structuredClone(charts[Number(place.dataset.chart)]);
  let full;
  if (spec.$vega) {
    delete spec.$vega;
    full = { ...spec, width, padding: 0, autosize: { type: "fit-x", contains: "padding" }, config: config() };
  } else {
    // A facet's width is that of its plots, without the names beside them.
    if (spec.spec) spec.spec.width = Math.max(90, width - 190);
    else spec.width = width;
    const autosize = spec.spec ? undefined : { type: "fit-x", contains: "padding" };
    full = vegaLite.compile({ ...spec, autosize, config: config() }).spec;
  }
  const view = new vega.View(vega.parse(full), { renderer: "svg", container: place, hover: true });
  drawn.set(place, view);
  await view.runAsync();
}

function redraw() {
  for (const place of drawn.keys()) draw(place);
}

const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
  }
}, { rootMargin: "300px" });
for (const place of document.querySelectorAll("[data-chart]")) inView.observe(place);

let lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== lastWidth) {
    lastWidth = innerWidth;
    redraw();
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.getElementById("theme").addEventListener("click", () => {
  const dark = getComputedStyle(root).colorScheme === "dark"
    || (getComputedStyle(root).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.style.colorScheme = dark ? "light" : "dark";
  redraw();
});

function sortBy(header) {
  const table = header.closest("table"), body = table.tBodies[0];
  const column = [...header.parentNode.children].indexOf(header);
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentNode.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const key = (row) => row.children[column].dataset.sort ?? row.children[column].textContent;
  const rows = [...body.rows].sort((a, b) => {
    const x = key(a), y = key(b);
    if (x === "" || y === "") return (x === "") - (y === ""); // what has no figure stays below
    const both = Number(x) - Number(y);
    const order = Number.isNaN(both) ? x.localeCompare(y) : both;
    return ascending ? order : -order;
  });
  body.append(...rows);
}
for (const header of document.querySelectorAll("table.sortable th")) {
  header.querySelector("button").addEventListener("click", () => sortBy(header));
}

// A link to a model opens it.
function open() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", open);
open();
