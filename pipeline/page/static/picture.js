// A picture on a canvas: its size, its colours, its frame, and the note at the pointer.

const COLOURS = ["ink", "quiet", "muted", "grid", "paper", "accent", "second", "third", "bad"];
const MAX_LABEL_WIDTH = 72; // pixels of a number or a text next to an axis
const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";

const FRAME = 25; // milliseconds of painting after which the rest waits for the next frame

let tip = null;
const waiting = new Set();

function queue(picture) {
  if (!waiting.size) requestAnimationFrame(work);
  waiting.add(picture);
}

function work() {
  const begun = performance.now();
  for (const picture of waiting) {
    waiting.delete(picture);
    picture.now();
    if (waiting.size && performance.now() - begun > FRAME) {
      requestAnimationFrame(work);
      return;
    }
  }
}

export function tell(lines, event) {
  tip ??= Object.assign(document.body.appendChild(document.createElement("div")), { className: "tip", hidden: true });
  tip.hidden = !lines;
  if (!lines) return;
  tip.textContent = lines.join("\n");
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
}

export class Picture {
  // draw(g, area) paints the picture, over(g, area) what changes with the pointer.
  constructor(place, label, { left = 40, right = 12, top = 24, bottom = 38 } = {}) {
    this.element = place;
    this.margins = { left, right, top, bottom };
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", label);
    [this.ground, this.top] = ["", "over"].map(name => {
      const canvas = document.createElement("canvas");
      canvas.className = name;
      return place.appendChild(canvas);
    });
    this.due = new Set(); // which of both canvases is to be painted
    this.seen = false;
    new IntersectionObserver(entries => { this.seen = entries.at(-1).isIntersecting; this.later(); }, { rootMargin: "100px" }).observe(place);
    new ResizeObserver(() => this.paint()).observe(place);
    addEventListener("beforeprint", () => { this.due.add("draw").add("over"); this.now(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  get area() {
    const { left, right, top, bottom } = this.margins, box = this.element.getBoundingClientRect();
    return { left, top, width: Math.max(box.width - left - right, 10), height: Math.max(box.height - top - bottom, 10) };
  }

  // What is out of sight is painted when it comes into sight.
  paint() { this.due.add("draw").add("over"); this.later(); }
  point() { this.due.add("over"); this.later(); }
  later() { if (this.seen && this.due.size) queue(this); }

  now() {
    const box = this.element.getBoundingClientRect(), scale = devicePixelRatio || 1;
    if (!box.width || !box.height) return;
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(COLOURS.map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
    for (const [what, canvas] of [["draw", this.ground], ["over", this.top]]) {
      if (!this.due.delete(what)) continue;
      [canvas.width, canvas.height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
      const g = canvas.getContext("2d");
      g.setTransform(scale, 0, 0, scale, 0, 0);
      g.font = FONT;
      g.lineJoin = "round";
      this[what]?.(g, this.area);
    }
  }

  // Called with an axis that the reader may make logarithmic, whenever it is drawn.
  scaled() {}

  // A sentence in place of a picture that has nothing to show.
  empty(g, text) {
    const { width, height } = this.element.getBoundingClientRect();
    g.fillStyle = this.colours.quiet;
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.fillText(cut(g, text, width - 16), width / 2, height / 2);
  }

  // Draws both axes, and returns the area that the numbers next to them leave.
  frame(g, across, up, labels) {
    const { grid, ink, quiet, muted } = this.colours;
    const widths = up.ticks(this.area.height / 45).map(tick => Math.min(g.measureText(tick.label).width, MAX_LABEL_WIDTH));
    this.margins.left = Math.max(24, ...widths) + 12;
    const area = this.area;
    g.lineWidth = 1;
    g.fillStyle = ink;
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const { value, label } of up.ticks(area.height / 45)) {
      const y = Math.round(area.top + (1 - up.place(value)) * area.height) + 0.5;
      line(g, grid, area.left, y, area.left + area.width, y);
      g.fillText(cut(g, label, MAX_LABEL_WIDTH), area.left - 6, y);
    }
    g.textAlign = "center";
    g.textBaseline = "top";
    let free = -Infinity;
    for (const { value, label } of across.ticks(area.width / (area.width < 250 ? 45 : 60))) {
      const x = Math.round(area.left + across.place(value) * area.width) + 0.5, text = cut(g, label, 90);
      line(g, grid, x, area.top, x, area.top + area.height);
      const half = g.measureText(text).width / 2, middle = Math.min(x, area.left + area.width + this.margins.right - half);
      if (middle - half < free) continue;
      g.fillText(text, middle, area.top + area.height + 5);
      free = middle + half + 8;
    }
    line(g, muted, area.left, area.top + area.height + 0.5, area.left + area.width, area.top + area.height + 0.5);
    g.fillStyle = quiet;
    g.textAlign = "right";
    g.textBaseline = "bottom";
    g.fillText(cut(g, labels[0], area.width), area.left + area.width, area.top + area.height + this.margins.bottom - 2);
    if (labels[1]) {
      g.textAlign = "left";
      g.textBaseline = "top";
      g.fillText(cut(g, labels[1], area.width + area.left - 4), 2, 2);
    }
    return area;
  }

  clip(g, area) {
    g.beginPath();
    g.rect(area.left - 3, area.top - 3, area.width + 6, area.height + 6);
    g.clip();
  }

  // The pointer within the picture, in its own pixels.
  at(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

export function line(g, colour, x0, y0, x1, y1) {
  g.strokeStyle = colour;
  g.beginPath();
  g.moveTo(x0, y0);
  g.lineTo(x1, y1);
  g.stroke();
}

// A text without its middle where it is too wide: names often differ at their ends only.
export function cut(g, text, width) {
  const shorter = length => `${text.slice(0, Math.ceil(length / 2))}…${text.slice(text.length - Math.floor(length / 2))}`;
  if (g.measureText(text).width <= width) return text;
  let length = Math.max(1, Math.floor(text.length * width / g.measureText(text).width) - 1);
  while (length > 1 && g.measureText(shorter(length)).width > width) length--;
  return shorter(length);
}
