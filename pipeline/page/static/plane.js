// The objective over two hyperparameters: contours between the trials, or the trials in the colour of their ranks.

import { Scatter } from "./scatter.js";

const CELL = 3; // pixels of a part of the field
const BANDS = 8; // shades of contours and of ranks
const REACH = 0.07; // standard deviation of a trial's influence, as a part of an axis
const FAINT = 0.02; // of a trial's own weight: where no trial is near, nothing is said

export class Plane extends Scatter {
  constructor(place, trials, options) {
    super(place, trials, options);
    this.as = "contour";
  }

  show(across, up, as = this.as) {
    this.as = as;
    super.show(across, up);
    const kind = as === "ranks" ? "Points in the colour of their ranks" : "Contours of the objective";
    this.element.setAttribute("aria-label", `${kind} over ${this.columns.map(column => column.label).join(" and ")}; stronger colour is better.`);
  }

  // From 0 for the worst trial to 1 for the best; NaN where a trial does not count.
  quality(place) {
    const { valued, ranks } = this.trials;
    if (!this.trials.counts(place)) return NaN;
    return valued > 1 ? 1 - (ranks[place] - 1) / (valued - 1) : 1;
  }

  looks() {
    if (this.as !== "ranks") return super.looks();
    const { muted, grid, accent, bad } = this.colours;
    const shades = Array.from({ length: BANDS }, (_, band) => mixed(grid, accent, 0.15 + 0.85 * band / (BANDS - 1)));
    return [...shades, muted, bad];
  }

  kind(place) {
    if (this.as !== "ranks") return super.kind(place);
    if (this.trials.states[place] === "failed") return BANDS + 1;
    const quality = this.quality(place);
    return Number.isNaN(quality) ? BANDS : Math.min(BANDS - 1, Math.floor(quality * BANDS));
  }

  under(g, area, columns, axes) {
    if (this.as !== "contour") return;
    const [wide, high] = [size(columns[0], area.width), size(columns[1], area.height)];
    const field = this.field(columns, axes, wide, high), step = [area.width / wide, area.height / high];
    let low = Infinity, top = -Infinity;
    for (const value of field) if (!Number.isNaN(value)) [low, top] = [Math.min(low, value), Math.max(top, value)];
    g.fillStyle = this.colours.accent;
    for (let band = 0; band < BANDS; band++) {
      g.globalAlpha = 0.04 + 0.5 * band / (BANDS - 1);
      g.beginPath();
      for (let row = 0; row < high; row++)
        for (let from = 0, column = 0; column <= wide; column++) {
          // Adjacent cells of one band are one rectangle.
          const inside = column < wide && Math.min(BANDS - 1, Math.floor((field[row * wide + column] - low) / (top - low || 1) * BANDS)) === band;
          if (inside) continue;
          if (column > from) {
            const [x0, x1] = [from, column].map(at => Math.round(area.left + at * step[0]));
            const [y0, y1] = [row + 1, row].map(at => Math.round(area.top + area.height - at * step[1]));
            g.rect(x0, y0, x1 - x0, y1 - y0);
          }
          from = column + 1;
        }
      g.fill();
    }
    g.globalAlpha = 1;
  }

  // The mean quality of the chosen trials around each cell, weighted by their distance.
  field([across, up], axes, wide, high) {
    const sums = new Float64Array(wide * high), weights = new Float64Array(wide * high);
    this.trials.chosen.forEach((chosen, place) => {
      const quality = this.quality(place), x = axes[0].place(across.values[place]), y = axes[1].place(up.values[place]);
      if (!chosen || Number.isNaN(quality + x + y)) return;
      const at = Math.min(high - 1, Math.floor(y * high)) * wide + Math.min(wide - 1, Math.floor(x * wide));
      sums[at] += quality;
      weights[at] += 1;
    });
    for (const values of [sums, weights]) {
      if (!across.levels) blur(values, wide, high, 1, wide);
      if (!up.levels) blur(values, high, wide, wide, 1);
    }
    return sums.map((sum, at) => weights[at] > FAINT ? sum / weights[at] : NaN);
  }
}

// Of an axis that lists its values, each has one strip: nothing lies between them.
function size(column, pixels) {
  return column.levels ? column.levels.length : Math.max(1, Math.ceil(pixels / CELL));
}

// Spreads values along one direction: so many lines of a length, by the distances within a line and between lines.
function blur(values, length, lines, within, between) {
  const deviation = REACH * length, reach = Math.ceil(3 * deviation), line = new Float64Array(length);
  const kernel = Array.from({ length: reach + 1 }, (_, apart) => Math.exp(-0.5 * (apart / deviation) ** 2));
  for (let start = 0; start < lines; start++) {
    line.fill(0);
    for (let at = 0; at < length; at++) {
      const value = values[start * between + at * within];
      if (value) for (let to = Math.max(0, at - reach); to <= Math.min(length - 1, at + reach); to++) line[to] += value * kernel[Math.abs(to - at)];
    }
    for (let at = 0; at < length; at++) values[start * between + at * within] = line[at];
  }
}

function mixed(from, to, part) {
  const [a, b] = [from, to].map(colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)));
  return `rgb(${a.map((value, at) => Math.round(value + (b[at] - value) * part)).join(" ")})`;
}
