// Parallel coordinates: a line for each chosen trial; a drag along an axis chooses those that pass there.

import { cut, line, Picture, tell } from "./picture.js";

const REACH = 18; // pixels next to an axis that still belong to it
const CLICK = 4; // a shorter drag is a click
const MIN_DISTANCE = 70; // pixels between axes; more of them than there is room for are scrolled
const NARROW = 90; // pixels between axes, in which numbers of one nearly reach the next

export class Parallel extends Picture {
  constructor(place, trials, brushed) {
    super(place, "Parallel coordinates of the hyperparameters and the objectives.", { left: 36, right: 36, top: 26, bottom: 22 });
    Object.assign(this, { trials, brushed });
    trials.changed.add(() => { this.widen(); this.paint(); });
    this.widen();
    trials.pointed.add(() => this.point());
    this.top.addEventListener("pointerdown", event => this.begin(event));
    this.top.addEventListener("pointermove", event => this.move(event));
    this.top.addEventListener("pointerup", event => this.end(event));
    this.top.addEventListener("pointercancel", () => { this.drag = null; });
    this.top.addEventListener("pointerleave", () => { if (!this.drag) { tell(null); trials.point(-1); } });
  }

  widen() { this.element.style.minWidth = `${MIN_DISTANCE * this.columns.length}px`; }

  get columns() {
    return [...this.trials.pictured, ...this.trials.columns.filter(column => column.mode)];
  }

  x(area, at) {
    return area.left + (this.columns.length > 1 ? at / (this.columns.length - 1) : 0.5) * area.width;
  }

  // The good end of an objective is above.
  y(area, column, value) {
    const place = column.axis.place(value);
    return area.top + (column.mode === "min" ? place : 1 - place) * area.height;
  }

  value(area, column, y) {
    const place = Math.max(0, Math.min(1, (y - area.top) / area.height));
    return column.axis.value(column.mode === "min" ? place : 1 - place);
  }

  draw(g, area) {
    if (!this.trials.count) return this.empty(g, "No trial has started yet.");
    const { muted, accent, ink, quiet } = this.colours, columns = this.columns, few = this.trials.drawn.length;
    const room = columns.length > 1 ? area.width / (columns.length - 1) - 6 : area.width;
    for (const quarter of [3, 2, 1, 0]) {
      g.strokeStyle = quarter ? muted : accent;
      g.globalAlpha = Math.max(0.1, Math.min(0.8, 60 / few)) * (quarter ? 0.7 : 1);
      g.lineWidth = 1;
      for (const place of this.trials.drawn) if (this.trials.quarter(place) === quarter) this.trace(g, area, columns, place);
    }
    g.globalAlpha = 1;
    const best = this.trials.drawn.at(-1);
    if (best !== undefined) {
      [g.strokeStyle, g.lineWidth] = [accent, 2.2];
      this.trace(g, area, columns, best);
    }
    g.lineWidth = 1;
    columns.forEach((column, at) => {
      const x = Math.round(this.x(area, at)) + 0.5;
      line(g, muted, x, area.top, x, area.top + area.height);
      g.textBaseline = "middle";
      g.textAlign = at === columns.length - 1 && columns.length > 1 ? "right" : "left";
      const side = g.textAlign === "right" ? -5 : 5;
      for (const { value, label } of column.axis.ticks(area.height / (room < NARROW ? 3 : 1) / 50)) {
        const y = this.y(area, column, value), text = cut(g, label, Math.max(room - 10, 30)), width = g.measureText(text).width;
        g.globalAlpha = 0.75;
        g.fillStyle = this.colours.paper;
        g.fillRect(side < 0 ? x + side - width - 1 : x + side - 1, y - 7, width + 2, 14);
        g.globalAlpha = 1;
        g.fillStyle = quiet;
        g.fillText(text, x + side, y);
        line(g, muted, x, y, x + Math.sign(side) * 3, y);
      }
      g.fillStyle = ink;
      g.textAlign = at === 0 && columns.length > 1 ? "left" : at === columns.length - 1 && columns.length > 1 ? "right" : "center";
      g.textBaseline = "top";
      g.fillText(cut(g, column.label, g.textAlign === "center" ? room : room / 2 + 34), at === 0 ? x - 30 : at === columns.length - 1 ? x + 30 : x, 4);
      const brush = this.trials.brushes.get(column.name);
      if (!brush) return;
      const [from, to] = brush.map(value => this.y(area, column, value)).sort((a, b) => a - b);
      g.fillStyle = accent;
      g.globalAlpha = 0.25;
      g.fillRect(x - 7, from, 14, Math.max(to - from, 2));
      g.globalAlpha = 1;
      g.strokeStyle = accent;
      g.strokeRect(x - 7, from, 14, Math.max(to - from, 2));
    });
  }

  over(g, area) {
    if (this.trials.pointer < 0) return;
    [g.strokeStyle, g.lineWidth] = [this.colours.second, 2.2];
    this.trace(g, area, this.columns, this.trials.pointer);
  }

  trace(g, area, columns, place) {
    g.beginPath();
    let open = false;
    columns.forEach((column, at) => {
      const value = column.values[place];
      // A parameter that the trial does not have is passed over.
      if (value === null) return;
      const y = this.y(area, column, value);
      if (open) g.lineTo(this.x(area, at), y); else g.moveTo(this.x(area, at), y);
      open = true;
    });
    g.stroke();
  }

  nearest(x) {
    const area = this.area, apart = this.columns.map((_, at) => Math.abs(this.x(area, at) - x));
    const at = apart.indexOf(Math.min(...apart));
    return apart[at] <= REACH ? at : -1;
  }

  begin(event) {
    const [x, y] = this.at(event), at = this.nearest(x);
    if (at < 0 || event.button) return;
    this.top.setPointerCapture(event.pointerId);
    this.drag = { column: this.columns[at], from: y };
    tell(null);
    event.preventDefault();
  }

  move(event) {
    const [x, y] = this.at(event);
    if (this.drag) {
      if (Math.abs(y - this.drag.from) >= CLICK) this.trials.brush(this.drag.column.name, this.range(y));
      return;
    }
    this.top.style.cursor = this.nearest(x) >= 0 ? "row-resize" : "default";
    this.look(event, x, y);
  }

  range(y) {
    const { column, from } = this.drag, ends = [from, y].map(end => this.value(this.area, column, end)).sort((a, b) => a - b);
    // Of an axis that lists its values, every one that the drag has touched.
    return column.levels ? [Math.max(0, Math.round(ends[0])), Math.min(column.levels.length - 1, Math.round(ends[1]))] : ends;
  }

  end(event) {
    if (!this.drag) return;
    const [, y] = this.at(event);
    if (Math.abs(y - this.drag.from) < CLICK) this.trials.brush(this.drag.column.name, null);
    this.drag = null;
    this.brushed();
  }

  look(event, x, y) {
    const area = this.area, columns = this.columns, width = columns.length > 1 ? area.width / (columns.length - 1) : 1;
    const at = Math.floor((x - area.left) / width), part = (x - area.left) / width - at;
    let found = -1, nearest = 8;
    if (at >= 0 && at + 1 < columns.length)
      for (const place of this.trials.drawn) {
        const [here, next] = [columns[at], columns[at + 1]].map(column => this.y(area, column, column.values[place]));
        const apart = Math.abs(here + (next - here) * part - y);
        if (apart < nearest) [found, nearest] = [place, apart];
      }
    this.trials.point(found);
    tell(found < 0 ? null : this.trials.describe(found), event);
  }
}
