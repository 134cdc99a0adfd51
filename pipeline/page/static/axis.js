// Axes: from values to places between 0 and 1 and back, and where their ticks are.

const MAX_TICKS = 20; // ticks that are tried
const NARROW = 8; // a logarithmic axis whose ends are closer than this factor has even steps
const DECADES = Number(document.documentElement.dataset.decades); // values that span more are shown by their logarithm

const LARGEST = 1e9, SMALLEST = 0.999e-4; // numbers beyond are written with an exponent; 10 ** -4 is less than 1e-4

export function shown(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < LARGEST) return value.toLocaleString("en-US");
  if (size !== 0 && (size < SMALLEST || size >= 1e5)) return exponential(value, 2);
  return String(Number(value.toPrecision(4)));
}

// A number next to an axis, with the digits that distinguish it from its neighbours.
function label(value, step, size) {
  const places = Math.floor(Math.log10(step) + 1e-9);
  if (size >= LARGEST || size < SMALLEST) return exponential(value, Math.max(0, Math.floor(Math.log10(size)) - places));
  const digits = Math.max(0, -places);
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function exponential(value, digits) {
  if (value === 0) return "0";
  return value.toExponential(digits).replace(/(\.\d*?)0+e/, "$1e").replace(".e", "e").replace("e+", "e");
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
    this.positive = !this.empty && !levels && low > 0; // it can be logarithmic
    this.log = this.positive && (log ?? high > low * 10 ** DECADES);
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
    const found = [], [from, to] = [this.low, this.high].map(end => this.log ? 10 ** end : end);
    let text = shown;
    if (this.log && to > NARROW * from) {
      const decades = this.high - this.low, step = Math.max(1, Math.ceil(decades / count));
      const parts = decades < count / 2 ? [1, 2, 5] : [1];
      for (let power = Math.floor(this.low); power <= this.high; power += step)
        for (const part of parts) found.push(part * 10 ** power);
    } else {
      const rough = (to - from) / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(rough));
      const least = power * [1, 2, 5, 10].find(factor => factor * power >= rough), step = this.whole ? Math.max(1, least) : least;
      for (let at = Math.ceil(from / step); at * step <= to; at++) found.push(at * step || 0); // never -0
      text = value => label(value, step, Math.max(Math.abs(from), Math.abs(to)));
    }
    const inside = found.filter(value => this.place(value) >= 0 && this.place(value) <= 1);
    // One number says nothing of a scale.
    if (inside.length < 2 && count < MAX_TICKS && !(this.whole && this.most - this.least < 1)) return this.ticks(2 * count);
    return inside.map(value => ({ value, label: text(value) }));
  }
}
