// The best value so far, of one study or several, as steps.

import { Axis, shown } from "./axis.js";
import { Picture, tell } from "./picture.js";

const LABELS = { seconds: "seconds of a driver", epochs: "epochs of all trials", trials: "trials begun" };
const ORDER = ["accent", "second", "third", "bad", "ink", "muted"];

export class Steps extends Picture {
  constructor(place, label) {
    super(place, label);
    this.found = [];
    this.by = "seconds";
    this.top.addEventListener("pointermove", event => this.look(event));
    this.top.addEventListener("pointerleave", () => tell(null));
  }

  // found: for each study its name and columns, as the server sends them.
  show(found, by) {
    Object.assign(this, { found, by });
    this.paint();
  }

  draw(g) {
    const across = this.across = new Axis(this.found.flatMap(one => one[this.by]), null, false);
    const up = this.up = new Axis(this.found.flatMap(one => one.best));
    const area = this.frame(g, across, up, [LABELS[this.by], this.found[0]?.metric ?? ""]);
    this.found.forEach((one, study) => {
      [g.strokeStyle, g.lineWidth] = [this.colours[ORDER[study % ORDER.length]], 2];
      g.beginPath();
      let before = NaN;
      one[this.by].forEach((value, at) => {
        const x = area.left + across.place(value) * area.width, y = area.top + (1 - up.place(one.best[at])) * area.height;
        if (at) { g.lineTo(x, before); g.lineTo(x, y); } else g.moveTo(x, y);
        before = y;
      });
      g.stroke();
    });
  }

  look(event) {
    if (!this.across || !this.found.length) return;
    const area = this.area, [x] = this.at(event), here = this.across.value((x - area.left) / area.width);
    const texts = this.found.map(one => {
      const at = one[this.by].findLastIndex(value => value <= here);
      return at < 0 ? null : `${one.name ? `${one.name}: ` : ""}${shown(one.best[at])} after ${shown(one[this.by][at])} ${this.by}`;
    }).filter(Boolean);
    tell(texts.length ? texts : null, event);
  }
}
