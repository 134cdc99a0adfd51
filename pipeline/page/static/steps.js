// The best value so far, of one study or several, as steps.

import { Axis, shown } from "./axis.js";
import { Picture, tell } from "./picture.js";

const LABELS = { epochs: "epochs of all trials", trials: "trials started" };
const UNITS = [[2 * 86400, 86400, "days"], [2 * 3600, 3600, "hours"], [120, 60, "minutes"], [0, 1, "seconds"]];
const ORDER = ["accent", "second", "third", "bad"]; // the first four studies; the next four have them as dashes

export class Steps extends Picture {
  constructor(place, label) {
    super(place, label);
    Object.assign(this, { found: null, by: "seconds", log: null });
    this.top.addEventListener("pointermove", event => this.look(event));
    this.top.addEventListener("pointerleave", () => tell(null));
  }

  // found: for each study its name and columns, as the server sends them. log: as of curves.
  show(found, by, log = this.log) {
    Object.assign(this, { found, by, log });
    this.paint();
  }

  draw(g) {
    if (!this.found) return this.empty(g, "Loading …");
    const longest = this.found.reduce((most, one) => Math.max(most, one.seconds.at(-1) ?? 0), 0);
    [this.unit, this.units] = UNITS.find(([from]) => longest >= from).slice(1);
    if (this.by !== "seconds") this.unit = 1;
    const across = this.across = new Axis(this.found.flatMap(one => one[this.by]).map(value => value / this.unit), null, false);
    const up = this.up = new Axis(this.found.flatMap(one => one.best), null, this.log);
    this.scaled(up);
    if (up.empty) return this.empty(g, "No trial has a value yet.");
    const area = this.frame(g, across, up, [LABELS[this.by] ?? `time in ${this.units}`, this.found[0]?.metric ?? ""]);
    this.found.forEach((one, study) => {
      [g.strokeStyle, g.lineWidth] = [this.colours[ORDER[study % ORDER.length]], 2];
      g.setLineDash(study < ORDER.length ? [] : [6, 4]);
      g.beginPath();
      let before = NaN;
      one[this.by].forEach((value, at) => {
        const x = area.left + across.place(value / this.unit) * area.width, y = area.top + (1 - up.place(one.best[at])) * area.height;
        if (at) { g.lineTo(x, before); g.lineTo(x, y); } else g.moveTo(x, y);
        before = y;
      });
      // One value has no line.
      if (one.best.length === 1) g.arc(area.left + across.place(one[this.by][0] / this.unit) * area.width, before, 2, 0, 2 * Math.PI);
      g.stroke();
    });
    g.setLineDash([]);
  }

  look(event) {
    if (!this.across || this.up.empty) return;
    const area = this.area, [x] = this.at(event), here = this.across.value((x - area.left) / area.width) * this.unit;
    const texts = this.found.map(one => {
      const at = one[this.by].findLastIndex(value => value <= here);
      return at < 0 ? null : `${one.name ? `${one.name}: ` : ""}${shown(one.best[at])} after ${shown(one[this.by][at] / this.unit)} ${LABELS[this.by] ? this.by : this.units}`;
    }).filter(Boolean);
    tell(texts.length ? texts : null, event);
  }
}
