// The page of a study: its pictures, its filter and its table show the same trials.

import { shown } from "./axis.js";
import { logarithmic, offer } from "./choices.js";
import { Curves, decoded } from "./curves.js";
import { fetched, first, follow, swap } from "./live.js";
import { Parallel } from "./parallel.js";
import { Plane } from "./plane.js";
import { Scatter } from "./scatter.js";
import { Steps } from "./steps.js";
import { Trials } from "./trials.js";

const $ = id => document.getElementById(id);
const study = $("head").dataset.study;
const json = async address => (await fetched(address)).json();
const open = place => { location.href = `${study}/trials/${encodeURIComponent(trials.trials[place])}`; };
const query = () => new URLSearchParams(location.search);

const data = await first(() => json(`${study}/columns`));
let written = query().get("where") ?? ""; // the condition without what the brushes add to it
const trials = new Trials(data);
let timer = 0, before = new AbortController();

$("pictures").hidden = false;
const curves = new Curves($("curves"), trials, open);
const best = new Steps($("best"), "Step chart of the best value so far.");
new Parallel($("parallel"), trials, brushed);
const scatter = new Scatter($("scatter"), trials, { brushed, open }), plane = new Plane($("plane"), trials, { brushed, open });
const slices = new Map(); // the picture of each hyperparameter
logarithmic(curves, [$("curves-log")], [$("metric")], log => curves.show(curves.curves, curves.label, log[0]));
logarithmic(best, [$("best-log")], [], log => best.show(best.found, $("by").value, log[0]));
logarithmic(scatter, [$("across-log"), $("up-log")], [$("across"), $("up")], log => { scatter.logs = log; scatter.paint(); });
[$("across"), $("up")].forEach(field => field.addEventListener("change", showScatter));
[$("plane-across"), $("plane-up"), $("plane-as")].forEach(field => field.addEventListener("change", showPlane));
$("metric").addEventListener("change", showCurves);
$("by").addEventListener("change", () => best.show(best.found, $("by").value));
trials.changed.add(count);
arranged();
ranges();
await first(() => Promise.all([showCurves(), showBest(), written ? ask() : null]));
document.documentElement.dataset.ready = "1";

$("filter").addEventListener("submit", event => {
  event.preventDefault();
  if ($("where").value.trim() !== whole()) {
    written = $("where").value.trim();
    trials.brushes.clear();
  }
  filtered();
});
$("all").addEventListener("click", event => {
  event.preventDefault();
  written = "";
  trials.brushes.clear();
  filtered();
});
document.addEventListener("click", async event => {
  const link = event.target.closest("a[data-table]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(null, "", link.href);
  await table();
});
document.addEventListener("pointerover", event => {
  const row = event.target.closest?.("tr[data-trial]");
  if (row) trials.point(trials.places.get(row.dataset.trial) ?? -1);
});
follow(async () => {
  const [columns, places] = await Promise.all([json(`${study}/columns`), matching()]);
  trials.take(columns, places);
  arranged();
  await Promise.all([showCurves(), showBest()]);
});

// Offers what there is to choose, and draws what is chosen. In a running study columns and metrics appear.
function arranged() {
  const drawn = trials.columns.filter(column => column.name.startsWith("config_"));
  offer($("metric"), trials.metrics.map(([name, label]) => ({ name, label })), null);
  // Of several objectives the second one, of one a hyperparameter.
  offer($("across"), trials.columns, trials.columns[1].mode ? trials.columns[1].name : trials.parameters[0] ?? "epochs");
  offer($("up"), trials.columns, "objective");
  offer($("plane-across"), drawn, trials.parameters[0]);
  offer($("plane-up"), drawn, trials.parameters[1]);
  $("parallel-section").hidden = $("slices-section").hidden = !drawn.length;
  $("plane-section").hidden = drawn.length < 2;
  for (const { name } of trials.pictured) if (!slices.has(name)) {
    const place = Object.assign(document.createElement("div"), { className: "picture" });
    slices.set(name, new Scatter($("slices").appendChild(place), trials, { brushed, open, small: true }));
    slices.get(name).show(name, "objective");
  }
  // In a running study, others may have more influence by now.
  for (const [name, picture] of slices) picture.element.hidden = !trials.parameters.includes(name);
  document.querySelectorAll(".some").forEach(note => { note.textContent = trials.some; });
  showScatter();
  if (drawn.length >= 2) showPlane();
  count();
}

function count() {
  const { drawn, ordered } = trials;
  $("curves-note").textContent = drawn.length < ordered.length ? `${shown(drawn.length)} of ${shown(ordered.length)} trials are drawn, evenly spread over the ranks.` : "";
}

function showScatter() { scatter.show($("across").value, $("up").value); }
function showPlane() { plane.show($("plane-across").value, $("plane-up").value, $("plane-as").value); }

async function showCurves() {
  const select = $("metric");
  if (!select.value) return curves.paint();
  const content = await (await fetched(`${study}/curves?metric=${encodeURIComponent(select.value)}`)).arrayBuffer();
  curves.show(decoded(content), select.selectedOptions[0].text);
}

async function showBest() {
  best.show([await json(`${study}/best`)], $("by").value);
}

function whole() {
  const condition = trials.condition();
  return !condition ? written : written ? `(${written}) and ${condition}` : condition;
}

// A brush has changed: the pictures show it immediately, the table when it rests.
function brushed() {
  clearTimeout(timer);
  timer = setTimeout(() => address(table), 60);
}

// The table shows what matches before the pictures are painted, which takes longer.
async function filtered() {
  ranges();
  await address(async () => {
    const condition = written, [places] = await Promise.all([matching(), table()]);
    await new Promise(requestAnimationFrame);
    if (condition === written) trials.ask(places);
  });
}

async function address(then) {
  const given = query(), condition = whole();
  $("where").value = condition;
  given.delete("page");
  if (condition) given.set("where", condition); else given.delete("where");
  history.replaceState(null, "", `${location.pathname}${given.size ? `?${given}` : ""}`);
  await then();
}

async function ask() {
  trials.ask(await matching());
}

async function matching() {
  if (!written) return null;
  // The table says what is wrong with a condition that cannot be read; a server that does not answer is asked again.
  const none = error => { if (!error.message) throw error; return { places: [] }; };
  return (await json(`${study}/matching?where=${encodeURIComponent(written)}`).catch(none)).places;
}

// What was asked before is no longer of interest, whenever it is answered.
async function table() {
  before.abort();
  before = new AbortController();
  const { signal } = before;
  await swap(`${study}/table${location.search}`, { signal }).catch(error => { if (!signal.aborted) throw error; });
}

// The brushes as fields, for those who have no pointer.
function ranges() {
  const chosen = trials.columns.filter(({ name }) => trials.brushes.has(name) && !trials.parameters.includes(name));
  const offered = [...new Set([...trials.columns.filter(column => column.mode), ...trials.pictured, ...chosen])];
  $("ranges").replaceChildren(...offered.map(column => {
    const set = document.createElement("fieldset"), [low, high] = trials.brushes.get(column.name) ?? [null, null];
    set.appendChild(document.createElement("legend")).textContent = column.label;
    const fields = column.levels ? [level(column, low, "from"), level(column, high, "to")] : [number(low, "from"), number(high, "to")];
    fields.forEach(field => {
      set.append(field);
      field.setAttribute("aria-label", `${column.label} ${field.dataset.end}`);
      field.addEventListener("change", () => {
        const [from, to] = fields.map(one => one.value.trim() === "" ? null : Number(one.value));
        const { least, most } = trials.byName.get(column.name).axis;
        const range = from === null && to === null ? null : [from ?? least, to ?? most];
        if (range?.some(Number.isNaN)) return;
        trials.brush(column.name, range);
        brushed();
      });
    });
    return set;
  }));
}

function number(value, end) {
  const field = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal", placeholder: end, value: value ?? "" });
  field.dataset.end = end;
  return field;
}

function level(column, value, end) {
  const field = document.createElement("select");
  field.add(new Option(end, ""));
  column.levels.forEach((label, place) => field.add(new Option(label, place, place === value, place === value)));
  field.dataset.end = end;
  return field;
}
