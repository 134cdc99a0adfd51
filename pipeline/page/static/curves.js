// Learning curves: of the chosen trials, the best quarter in colour, the best one thick.

import { Axis, shown } from "./axis.js";
import { Picture, tell } from "./picture.js";

export function decoded(buffer) {
  const count = new Uint32Array(buffer, 0, 1)[0], lengths = new Uint32Array(buffer, 4, count);
  const starts = new Uint32Array(count + 1);
  for (let at = 0; at < count; at++) starts[at + 1] = starts[at] + lengths[at];
  const total = starts[count], from = 4 + 4 * count;
  return { starts, x: new Float32Array(buffer, from, total), y: new Float32Array(buffer, from + 4 * total, total) };
}

export class Curves extends Picture {
  constructor(place, trials, open) {
    super(place, "Curves of the trials by epoch; arrow keys select a trial, Enter opens it.");
    Object.assign(this, { trials, open, label: "", log: null });
    place.tabIndex = 0;
    trials.changed.add(() => this.paint());
    trials.pointed.add(() => this.point());
    this.top.addEventListener("pointermove", event => this.look(event));
    this.top.addEventListener("pointerleave", () => { tell(null); trials.point(-1); });
    this.top.addEventListener("click", () => trials.pointer >= 0 && open(trials.pointer));
    place.addEventListener("keydown", event => this.key(event));
  }

  // log: whether the axis is logarithmic; null where its values decide.
  show(curves, label, log = this.log) {
    Object.assign(this, { curves, label, log });
    this.paint();
  }

  *lines() {
    const { starts } = this.curves;
    for (const place of this.trials.drawn)
      if (place + 1 < starts.length && starts[place] < starts[place + 1]) yield [place, starts[place], starts[place + 1]];
  }

  draw(g) {
    if (!this.curves) return this.empty(g, this.trials.metrics.length ? "Loading …" : "No trial has a value yet.");
    const { x, y } = this.curves, seen = [], epochs = [];
    for (const [, from, to] of this.lines()) {
      for (let at = from; at < to; at++) seen.push(y[at]);
      epochs.push(x[from], x[to - 1]);
    }
    [this.across, this.up] = [new Axis(epochs, null, false), new Axis(seen, null, this.log)];
    this.scaled(this.up);
    if (this.up.empty) return this.empty(g, `None of these trials has a value of ${this.label}.`);
    const area = this.frame(g, this.across, this.up, ["epoch", this.label]);
    g.save();
    this.clip(g, area);
    const { muted, accent } = this.colours, few = this.trials.drawn.length;
    for (const quarter of [3, 2, 1, 0]) {
      g.strokeStyle = quarter ? muted : accent;
      g.globalAlpha = Math.max(0.12, Math.min(0.85, 60 / few)) * (quarter ? 0.8 : 1);
      g.lineWidth = 1;
      for (const [place, from, to] of this.lines()) if (this.trials.quarter(place) === quarter) this.trace(g, area, from, to);
    }
    const best = this.trials.drawn.at(-1);
    if (best !== undefined) this.thick(g, area, best, accent);
    g.restore();
  }

  over(g, area) {
    const place = this.trials.pointer;
    if (!this.curves || !this.up || this.up.empty || place < 0) return;
    this.clip(g, area);
    this.thick(g, area, place, this.colours.second);
  }

  thick(g, area, place, colour) {
    const { starts } = this.curves;
    if (place + 1 >= starts.length || starts[place] === starts[place + 1]) return;
    g.globalAlpha = 1;
    g.strokeStyle = colour;
    g.lineWidth = 2.2;
    this.trace(g, area, starts[place], starts[place + 1]);
  }

  trace(g, area, from, to) {
    g.beginPath();
    let open = false;
    for (let at = from; at < to; at++) {
      const [px, py] = this.pixels(area, at);
      if (Number.isNaN(py)) { open = false; continue; }
      if (open) g.lineTo(px, py); else g.moveTo(px, py);
      if (to - from === 1) g.arc(px, py, 1.5, 0, 2 * Math.PI);
      open = true;
    }
    g.stroke();
  }

  pixels(area, at) {
    return [
      area.left + this.across.place(this.curves.x[at]) * area.width,
      area.top + (1 - this.up.place(this.curves.y[at])) * area.height,
    ];
  }

  look(event) {
    if (!this.curves || !this.up || this.up.empty) return;
    const [x, y] = this.at(event), area = this.area;
    let found = -1, nearest = 24 ** 2, row = 0;
    for (const [place, from, to] of this.lines())
      for (let at = from; at < to; at++) {
        const [px, py] = this.pixels(area, at), apart = (px - x) ** 2 + (py - y) ** 2;
        if (apart < nearest) [found, nearest, row] = [place, apart, at];
      }
    this.trials.point(found);
    const here = found < 0 ? null : `${this.label} ${shown(this.curves.y[row])} at epoch ${this.curves.x[row]}`;
    tell(found < 0 ? null : this.trials.describe(found, [here]), event);
  }

  key(event) {
    const { drawn, pointer } = this.trials, step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Enter" && pointer >= 0) this.open(pointer);
    if (event.key === "Escape") { tell(null); this.trials.point(-1); }
    if (!step || !drawn.length) return;
    event.preventDefault();
    const at = drawn.indexOf(pointer), next = drawn[at < 0 ? drawn.length - 1 : Math.max(0, Math.min(drawn.length - 1, at + step))];
    this.trials.point(next);
    const box = this.element.getBoundingClientRect(), lines = this.trials.describe(next);
    tell(lines, { clientX: box.left + 60, clientY: box.top + 10 });
    this.element.setAttribute("aria-label", lines.join(", "));
  }
}
