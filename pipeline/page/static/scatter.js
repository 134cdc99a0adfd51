// A point for each trial over two columns; a drag chooses those within a rectangle.

import { Axis } from "./axis.js";
import { Picture, tell } from "./picture.js";

const CLICK = 4;

export class Scatter extends Picture {
  constructor(place, trials, { brushed, open, small = false }) {
    super(place, "A point for each trial.", small ? { right: 8, top: 8, bottom: 34 } : {});
    Object.assign(this, { trials, brushed, open, small, logs: [null, null] });
    trials.changed.add(() => this.paint());
    trials.pointed.add(() => this.point());
    this.top.addEventListener("pointerdown", event => {
      if (event.button) return;
      this.top.setPointerCapture(event.pointerId);
      this.drag = { from: this.at(event), to: this.at(event) };
      event.preventDefault();
    });
    this.top.addEventListener("pointermove", event => this.move(event));
    this.top.addEventListener("pointerup", () => this.end());
    this.top.addEventListener("pointercancel", () => { this.drag = null; this.point(); });
    this.top.addEventListener("pointerleave", () => { if (!this.drag) { tell(null); trials.point(-1); } });
  }

  show(across, up) {
    Object.assign(this, { across, up });
    this.element.setAttribute("aria-label", `Scatter chart of ${this.trials.byName.get(up).label} against ${this.trials.byName.get(across).label}.`);
    this.paint();
  }

  get columns() { return [this.across, this.up].map(name => this.trials.byName.get(name)); }

  // The axes of both columns: their own, or as the reader has chosen.
  get axes() {
    return this.columns.map((column, side) => this.logs[side] === null ? column.axis : new Axis(column.values, column.levels, this.logs[side]));
  }

  draw(g) {
    const [across, up] = this.columns;
    if (!across || !up) return;
    const { accent, paper } = this.colours, { chosen, order, count } = this.trials;
    const axes = this.drawn = this.axes;
    axes.forEach((axis, side) => this.scaled(axis, side));
    this.points = null;
    if (axes.some(axis => axis.empty)) return this.empty(g, "No trial has values of both yet.");
    const area = this.frame(g, ...axes, [across.label, this.small ? "" : up.label]);
    this.under(g, area, [across, up], axes);
    this.points = new Float32Array(2 * count).fill(NaN);
    const dense = count > 2000, radius = this.small || dense ? 2 : 3;
    const colours = this.looks(), looks = [0.12, 1].flatMap(alpha => colours.map(colour => ({ alpha, colour, points: [] })));
    for (const place of order) {
      const x = area.left + axes[0].place(jitter(across, place)) * area.width;
      const y = area.top + (1 - axes[1].place(jitter(up, place))) * area.height;
      if (Number.isNaN(x) || Number.isNaN(y)) continue;
      looks[this.kind(place) + (chosen[place] ? colours.length : 0)].points.push(x, y);
      if (chosen[place]) [this.points[2 * place], this.points[2 * place + 1]] = [x, y];
    }
    for (const { alpha, colour, points } of looks) {
      g.globalAlpha = alpha * (dense ? 0.6 : 0.85);
      g.fillStyle = colour;
      for (let at = 0; at < points.length; at += 2)
        if (dense) g.fillRect(points[at] - 1, points[at + 1] - 1, 2, 2); else disc(g, points[at], points[at + 1], radius);
    }
    g.globalAlpha = 1;
    if (this.columns.every(column => column.mode)) this.rings(g, radius + 3);
    const best = this.trials.ordered.at(-1);
    if (best === undefined || Number.isNaN(this.points[2 * best])) return;
    g.fillStyle = accent;
    disc(g, this.points[2 * best], this.points[2 * best + 1], radius + 2);
    [g.strokeStyle, g.lineWidth] = [paper, 1.5];
    g.stroke();
  }

  // Of two objectives, around each trial that no other one beats in all objectives.
  rings(g, radius) {
    [g.strokeStyle, g.lineWidth] = [this.colours.second, 1.5];
    for (const place of this.trials.front) if (!Number.isNaN(this.points[2 * place])) {
      g.beginPath();
      g.arc(this.points[2 * place], this.points[2 * place + 1], radius, 0, 2 * Math.PI);
      g.stroke();
    }
  }

  // What lies behind the points.
  under() {}

  // The colours of the points, and which of them a trial has.
  looks() { return [this.colours.muted, this.colours.accent, this.colours.bad]; }
  kind(place) { return this.trials.states[place] === "failed" ? 2 : this.trials.quarter(place) ? 0 : 1; }

  over(g) {
    const place = this.trials.pointer;
    if (!this.points) return;
    if (place >= 0 && !Number.isNaN(this.points[2 * place])) {
      g.fillStyle = this.colours.second;
      disc(g, this.points[2 * place], this.points[2 * place + 1], 5);
    }
    if (!this.drag) return;
    const [[x0, y0], [x1, y1]] = [this.drag.from, this.drag.to];
    g.fillStyle = g.strokeStyle = this.colours.accent;
    g.globalAlpha = 0.15;
    g.fillRect(x0, y0, x1 - x0, y1 - y0);
    g.globalAlpha = 1;
    g.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }

  move(event) {
    if (this.drag) {
      this.drag.to = this.at(event);
      this.point();
      return;
    }
    if (!this.points) return;
    const [x, y] = this.at(event);
    let found = -1, nearest = 20 ** 2;
    for (let place = 0; place < this.trials.count; place++) {
      const apart = (this.points[2 * place] - x) ** 2 + (this.points[2 * place + 1] - y) ** 2;
      if (apart < nearest) [found, nearest] = [place, apart];
    }
    this.trials.point(found);
    tell(found < 0 ? null : this.trials.describe(found), event);
  }

  end() {
    if (!this.drag) return;
    const { from, to } = this.drag, area = this.area;
    this.drag = null;
    this.point();
    if (!this.points) return;
    if (Math.hypot(to[0] - from[0], to[1] - from[1]) < CLICK) {
      if (this.trials.pointer >= 0) this.open(this.trials.pointer);
      return;
    }
    this.columns.forEach((column, side) => {
      const places = [from, to].map(([x, y]) => side ? 1 - (y - area.top) / area.height : (x - area.left) / area.width);
      let ends = places.map(place => this.drawn[side].value(Math.max(0, Math.min(1, place)))).sort((a, b) => a - b);
      if (column.levels) ends = [Math.max(0, Math.ceil(ends[0] - 0.2)), Math.min(column.levels.length - 1, Math.floor(ends[1] + 0.2))];
      this.trials.brush(column.name, ends);
    });
    this.brushed();
  }
}

// Trials with the same listed value stand side by side, in a fixed pattern.
function jitter(column, place) {
  const value = column.values[place];
  return value === null || !column.levels ? value : value + 0.36 * ((place * 0.618034) % 1 - 0.5);
}

function disc(g, x, y, radius) {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fill();
}
