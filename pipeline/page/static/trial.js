// The page of a trial: the curve of each of its metrics.

import { Axis, shown } from "./axis.js";
import { fetched, first, follow } from "./live.js";
import { Picture, tell } from "./picture.js";

class Curve extends Picture {
  constructor(place, label) {
    super(place, `Line chart of ${label} by epoch.`, { right: 8, bottom: 34 });
    this.label = label;
    this.top.addEventListener("pointermove", event => this.look(event));
    this.top.addEventListener("pointerleave", () => { this.place = -1; this.point(); tell(null); });
  }

  // alike: values of all panels of its kind, whose scale it shares.
  show(epochs, values, alike) {
    Object.assign(this, { epochs, values, alike, place: -1 });
    this.paint();
  }

  draw(g) {
    [this.across, this.up] = [new Axis(this.epochs, null, false), new Axis(this.alike)];
    const area = this.frame(g, this.across, this.up, ["epoch", this.label]);
    this.clip(g, area);
    [g.strokeStyle, g.lineWidth] = [this.colours.accent, 2];
    g.beginPath();
    let open = false;
    this.values.forEach((value, at) => {
      const [x, y] = this.pixels(area, at);
      if (Number.isNaN(y)) { open = false; return; }
      if (open) g.lineTo(x, y); else g.moveTo(x, y);
      if (this.values.length === 1) g.arc(x, y, 2, 0, 2 * Math.PI);
      open = true;
    });
    g.stroke();
  }

  over(g, area) {
    if (!(this.place >= 0)) return;
    const [x, y] = this.pixels(area, this.place);
    g.fillStyle = this.colours.second;
    g.beginPath();
    g.arc(x, y, 4, 0, 2 * Math.PI);
    g.fill();
  }

  pixels(area, at) {
    return [area.left + this.across.place(this.epochs[at]) * area.width, area.top + (1 - this.up.place(this.values[at])) * area.height];
  }

  look(event) {
    if (!this.across) return;
    const [x] = this.at(event), area = this.area;
    const apart = this.values.map((value, at) => value === null ? Infinity : Math.abs(this.pixels(area, at)[0] - x));
    this.place = apart.indexOf(Math.min(...apart));
    this.point();
    tell([`${this.label} ${shown(this.values[this.place])}`, `epoch ${this.epochs[this.place]}`], event);
  }
}

const trial = document.getElementById("head").dataset.trial, pictures = new Map();

// A metric of the training data and the same of the validation data are of one kind.
const kind = name => name.replace(/^val_/, "");

async function show() {
  const { epochs, metrics } = await (await fetched(`${trial}/epochs`)).json();
  document.getElementById("curves-section").hidden = !epochs.length;
  for (const { name, label, values } of metrics) {
    if (!pictures.has(name)) {
      const place = Object.assign(document.createElement("div"), { className: "picture" });
      pictures.set(name, new Curve(document.getElementById("curves").appendChild(place), label));
    }
    pictures.get(name).show(epochs, values, metrics.filter(one => kind(one.name) === kind(name)).flatMap(one => one.values));
  }
}

await first(show);
document.documentElement.dataset.ready = "1";
follow(show);
