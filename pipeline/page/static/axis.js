// Axes: from values to places between 0 and 1 and back, and where their ticks are.

const MOST = 20; // ticks that are tried
const DECADES = Number(document.documentElement.dataset.decades); // values that span more are shown by their logarithm

export function shown(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e5)) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

export class Axis {
  // values: numbers; what is not finite does not count. levels: texts of an axis that lists its values.
  // log: whether it is logarithmic; by default it is where its values span more than DECADES.
  constructor(values, levels = null, log = null) {
    this.levels = levels;
    this.whole = true; // only whole numbers: no ticks between them
    let low = Infinity, high = -Infinity;
    if (levels) [low, high] = [-0.5, levels.length - 0.5];
    else for (const value of values) if (value !== null && Number.isFinite(value)) {
      if (value < low) low = value;
      if (value > high) high = value;
      if (this.whole && !Number.isInteger(value)) this.whole = false;
    }
    this.empty = low > high;
    if (this.empty) [low, high] = [0, 1];
    this.log = !levels && low > 0 && (log ?? high > low * 10 ** DECADES);
    [this.least, this.most] = [low, high];
    if (this.log) [low, high] = [Math.log10(low), Math.log10(high)];
    const margin = levels ? 0 : (high - low) * 0.04 || Math.abs(high) * 0.05 || 0.5;
    [this.low, this.high] = [low - margin, high + margin];
  }

  place(value) {
    if (value === null || !Number.isFinite(value) || (this.log && value <= 0)) return NaN;
    return ((this.log ? Math.log10(value) : value) - this.low) / (this.high - this.low);
  }

  value(place) {
    const at = this.low + place * (this.high - this.low);
    return this.log ? 10 ** at : at;
  }

  ticks(count) {
    if (this.levels) {
      const step = Math.ceil(this.levels.length / Math.max(count, 1));
      return this.levels.map((label, value) => ({ value, label })).filter(tick => tick.value % step === 0);
    }
    const found = [];
    if (this.log) {
      const decades = this.high - this.low, step = Math.max(1, Math.ceil(decades / count));
      const parts = decades < count / 2 ? [1, 2, 5] : [1];
      for (let power = Math.floor(this.low); power <= this.high; power += step)
        for (const part of parts) found.push(part * 10 ** power);
    } else {
      const rough = (this.high - this.low) / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(rough));
      const least = power * [1, 2, 5, 10].find(factor => factor * power >= rough), step = this.whole ? Math.max(1, least) : least;
      for (let at = Math.ceil(this.low / step); at * step <= this.high; at++) found.push(at * step);
    }
    const inside = found.filter(value => this.place(value) >= 0 && this.place(value) <= 1);
    // One number says nothing of a scale.
    if (inside.length < 2 && count < MOST && !(this.whole && this.most - this.least < 1)) return this.ticks(2 * count);
    return inside.map(value => ({ value, label: shown(value) }));
  }
}
