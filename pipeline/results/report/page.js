"use strict";
// The script of reports and of the live page: the order of the leaderboard, what pictures say at the pointer, ranges
// that become a condition, pictures when they come into sight, and what has changed in a study.

const $ = id => document.getElementById(id);
const field = $("where"); // the condition of a study's live page

// The leaderboard of a report, sorted by the column whose head is clicked.
document.addEventListener("click", event => {
  const head = event.target.closest("#trials thead button")?.parentElement;
  if (!head) return;
  const place = head.cellIndex, body = $("trials").tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending", key = row => row.cells[place].dataset.key;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const compare = (a, b) => key(a) === "" || key(b) === "" ? (key(a) === "") - (key(b) === "")
    : (down ? -1 : 1) * (key(a) - key(b) || key(a).localeCompare(key(b)));
  body.append(...[...body.rows].sort(compare));
});

const unfold = () => { const one = $(location.hash.slice(1)); if (one?.tagName === "DETAILS") one.open = true; };
addEventListener("hashchange", unfold);
unfold();

// Pictures: what is at the pointer.

const tip = document.body.appendChild(Object.assign(document.createElement("div"), { className: "tip", hidden: true }));
const parsed = new WeakMap();

function marks(svg) {
  if (!parsed.has(svg)) parsed.set(svg, JSON.parse(svg.dataset.marks));
  return parsed.get(svg);
}

// The pointer in the picture's own units, and how many of them are a pixel.
function at(svg, event) {
  const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale, scale];
}

function nearest(svg, event) {
  const [x, y, scale] = at(svg, event);
  let found = null, least = (22 * scale) ** 2;
  for (const trial of marks(svg).trials) {
    const apart = (trial[1] - x) ** 2 + (trial[2] - y) ** 2;
    if (apart < least) [found, least] = [trial, apart];
  }
  return found;
}

function value(axis, place) {
  const [x0, y0, x1, y1] = axis.box, [from, to] = axis.along === "x" ? [x0, x1] : [y0, y1];
  const share = Math.min(1, Math.max(0, (place - from) / (to - from))), [low, high] = axis.span;
  return axis.log ? low * (high / low) ** share : low + (high - low) * share;
}

// A trial's row of the leaderboard; its name where the page does not show it.
function described(trial) {
  const row = document.querySelector(`#trials tr[data-trial="${CSS.escape(trial)}"]`);
  if (!row) return `trial ${trial}`;
  const heads = [...row.closest("table").tHead.rows[0].cells];
  const texts = heads.map((head, place) => `${head.textContent.trim()} ${row.cells[place].textContent.trim()}`);
  return texts.filter(text => !text.endsWith(" –")).slice(0, 24).join("\n");
}

function describe(svg, event) {
  const found = svg && nearest(svg, event);
  tip.hidden = !found;
  if (!found) return;
  tip.textContent = described(found[0]);
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
}

// Pictures: a range becomes the condition.

const pictured = event => event.target.closest?.("svg[data-marks]");
let drag = null;

document.addEventListener("pointerdown", event => {
  const svg = pictured(event);
  describe(svg, event);
  if (!svg || event.button || event.pointerType === "touch") return;
  const start = at(svg, event), inside = ([x0, y0, x1, y1]) => start[0] >= x0 && start[0] <= x1 && start[1] <= y0 + 8 && start[1] >= y1 - 8;
  drag = { svg, start, end: start, axes: field ? marks(svg).axes.filter(axis => inside(axis.box)) : [], shape: null };
  if (drag.axes.length) event.preventDefault();
});

document.addEventListener("pointermove", event => {
  if (!drag?.axes.length) return describe(pictured(event), event);
  const { svg, start, axes } = drag, [x0, y0, x1, y1] = axes[0].box;
  drag.end = at(svg, event);
  tip.hidden = true;
  drag.shape ??= svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
  const along = way => axes.some(axis => axis.along === way), middle = (x0 + x1) / 2, ends = axes[0].at === undefined ? [x0, x1] : [middle - 7, middle + 7];
  const [left, right] = along("x") ? [start[0], drag.end[0]].sort((a, b) => a - b) : ends;
  const [top, bottom] = along("y") ? [start[1], drag.end[1]].sort((a, b) => a - b) : [y1, y0];
  const shape = { class: "brush", x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, given] of Object.entries(shape)) drag.shape.setAttribute(name, given);
});

document.addEventListener("pointerup", event => {
  if (!drag) return;
  const { svg, start, end, axes, shape } = drag, trial = nearest(svg, event);
  drag = null;
  shape?.remove();
  const moved = Math.hypot(end[0] - start[0], end[1] - start[1]) > 4;
  if (!moved && trial) show(trial[0]);
  else if (axes.length) select(axes, moved ? axis => range(axis, start, end) : () => "");
});

function show(trial) {
  const base = document.querySelector("[data-trials]")?.dataset.trials;
  if (base) location.href = base + encodeURIComponent(trial);
  else if ($(`trial-${trial}`)) location.hash = `trial-${trial}`;
}

const named = column => /^[a-z_][a-z0-9_]*$/.test(column) ? column : `"${column.replaceAll('"', '""')}"`;

// A number with few digits that lies no further inwards.
function outward(number, round) {
  const power = number ? 10 ** (Math.floor(Math.log10(Math.abs(number))) - 3) : 1;
  return String(Number((round(number / power) * power).toPrecision(6)));
}

function range(axis, start, end) {
  const place = axis.along === "x" ? 0 : 1, [low, high] = [value(axis, start[place]), value(axis, end[place])].sort((a, b) => a - b);
  if (!axis.values) return `${named(axis.column)} between ${outward(low, Math.floor)} and ${outward(high, Math.ceil)}`;
  // Points of one value are spread around it.
  const chosen = axis.values.filter((_, level) => level >= low - 0.2 && level <= high + 0.2);
  return chosen.length ? `${named(axis.column)} in (${chosen.join(", ")})` : "";
}

function select(axes, ranged) {
  let rest = field.value.trim();
  for (const { column } of axes) {
    const name = named(column).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    rest = rest.replace(new RegExp(`(^| and )${name} (between \\S+ and \\S+|in \\((?:'(?:[^']|'')*'|[^()'])*\\))(?= and |$)`, "g"), "").replace(/^ and /, "");
  }
  if (/\bor\b/i.test(rest) && !/^\([^()]*\)$/.test(rest)) rest = `(${rest})`;
  field.value = [rest, ...axes.map(ranged)].filter(Boolean).join(" and ");
  field.form.requestSubmit();
}

// Parts of a live page that are fetched when they come into sight.

const RETRY = 3000, SILENT = 45000; // milliseconds until what failed is tried again, and until a silent server is given up

// The server has not sent what was asked for; without a text, it has not answered.
class Refused extends Error {}

async function fetched(address) {
  const missing = () => { throw new Refused(); };
  const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(SILENT) }).catch(missing);
  const page = new DOMParser().parseFromString(await answer.text().catch(missing), "text/html");
  if (!answer.ok) throw new Refused((page.querySelector("main section") ?? page.body).textContent.trim());
  return page;
}

async function load(part) {
  const address = part.dataset.part;
  if (part.dataset.loaded === address) return;
  part.dataset.loaded = address;
  try {
    const page = await fetched(address);
    if (part.dataset.loaded === address) part.replaceChildren(...page.body.childNodes);
    part.dataset.shown = address;
  } catch (error) {
    if (error.message) part.textContent = error.message;
    else setTimeout(() => { delete part.dataset.loaded; if (part.isConnected) load(part); }, RETRY);
  }
}

const sight = new IntersectionObserver(async all => {
  await Promise.all(all.filter(one => one.isIntersecting).map(one => load(one.target)));
  document.documentElement.dataset.ready = "1";
}, { rootMargin: "200px" });
const watch = () => document.querySelectorAll("[data-part]").forEach(part => sight.observe(part));
sight.observe(document.body); // a page without pictures is ready, too
watch();

// Updates: the marked parts of the page are replaced by their present form.

async function update() {
  const page = await fetched(location.href);
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = $(fresh.id);
    if (old && old.outerHTML !== fresh.outerHTML) replace(old, fresh);
  }
  watch();
}

const SCROLLED = ".scroll, pre", ended = one => one.scrollTop > 0 && one.scrollTop + one.clientHeight >= one.scrollHeight - 2;

// What the reader has done to a part outlives its replacement, and pictures stay until they are drawn again.
function replace(old, fresh) {
  const all = part => [...part.querySelectorAll("a, button, input, select, [tabindex]")], focus = all(old).indexOf(document.activeElement);
  const scrolled = [...old.querySelectorAll(SCROLLED)].map(one => [one.scrollLeft, one.scrollTop, ended(one)]);
  const details = [...old.querySelectorAll("details")].map(one => one.open);
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const before = old.querySelector(`[id="${CSS.escape(part.id)}"]`);
    if (before?.dataset.part === part.dataset.part) part.replaceWith(before);
    else if (before) part.replaceChildren(...before.childNodes);
  }
  old.replaceWith(fresh);
  fresh.querySelectorAll(SCROLLED).forEach((one, place) => {
    const [left, top, end] = scrolled[place] ?? [0, 0, false];
    // Who has scrolled a log to its end reads what is added.
    [one.scrollLeft, one.scrollTop] = [left, end ? one.scrollHeight : top];
  });
  fresh.querySelectorAll("details").forEach((one, place) => { if (details[place] !== undefined) one.open = details[place]; });
  if (focus >= 0) all(fresh)[focus]?.focus({ preventScroll: true });
}

let busy = false, more = false, answered = new Date();
async function refresh() {
  if (busy) { more = true; return; }
  busy = true;
  let fault = "";
  try {
    do { more = false; await update(); } while (more);
    answered = new Date();
  } catch (error) {
    fault = error.message ? `This page cannot be updated, and shows an earlier state: ${error.message}`
      : `The server has not answered since ${answered.toLocaleTimeString()}. The page shows the state of that time, and updates when the server answers again.`;
    lost(); // there may be no further event
  }
  busy = false;
  $("old").hidden = !fault;
  if ($("old").textContent !== fault) $("old").textContent = fault;
}

field?.form.addEventListener("submit", event => {
  event.preventDefault();
  const given = new URLSearchParams([...new FormData(field.form)].filter(([, text]) => text.trim()));
  history.replaceState(null, "", `${location.pathname}${given.size ? `?${given}` : ""}`);
  refresh();
});
field?.form.addEventListener("change", event => { if (event.target !== field) field.form.requestSubmit(); });
document.addEventListener("click", event => {
  const link = event.target.closest("a[data-table]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.id === "all") field.value = "";
  history.replaceState(null, "", link.href);
  refresh();
});

// The server sends the mark of what the page shows when it has changed, and an empty message from time to time.

const shown = () => document.querySelector("[data-changes]")?.dataset;
let source = null, timer = 0;
const wait = (next, time) => { clearTimeout(timer); timer = setTimeout(next, time); };

function listen() {
  source?.close();
  clearTimeout(timer);
  if (document.hidden) return; // until it is seen: a browser has at most six connections to a server for all its tabs
  source = Object.assign(new EventSource(shown().changes), { onmessage: heard, onerror: lost });
  wait(lost, SILENT);
}

function heard({ data }) {
  answered = new Date();
  wait(lost, SILENT);
  if (data && data !== shown().mark) refresh();
}

// The update finds out whether the server answers, and what it refuses, such as the page of a deleted study.
const resume = () => { listen(); if (!document.hidden) refresh(); };
const lost = () => { source?.close(); wait(resume, RETRY); };

if (shown()) listen();
if (shown()) document.addEventListener("visibilitychange", resume);
