// The trials of a study as its pictures share them: columns, which are chosen, and which is pointed at.

import { Axis, shown } from "./axis.js";

export const MAX_LINES = 1000; // more lines make the same grey

export class Trials {
  constructor(data) {
    this.changed = new Set(); // called when other trials are chosen
    this.pointed = new Set(); // called when another trial is pointed at
    this.brushes = new Map(); // column → [low, high], in its values
    this.pointer = -1;
    this.take(data);
  }

  // places: of the trials that the written condition lets through; null for all.
  take(data, places = null) {
    Object.assign(this, data);
    this.count = data.trials.length;
    this.places = new Map(data.trials.map((trial, place) => [trial, place]));
    this.byName = new Map(data.columns.map(column => [column.name, column]));
    for (const column of data.columns) column.axis = new Axis(column.values, column.levels, column.log);
    this.order = Array.from(data.ranks.keys()).sort((a, b) => data.ranks[b] - data.ranks[a]); // the best last
    this.valued = data.trials.reduce((sum, _, place) => sum + this.counts(place), 0);
    this.ask(places);
  }

  // The hyperparameters in pictures of all of them: of hundreds, those with the most influence.
  get pictured() { return this.parameters.map(name => this.byName.get(name)); }

  ask(places) {
    this.asked = new Uint8Array(this.count).fill(places === null); // what the written condition lets through
    for (const place of places ?? []) this.asked[place] = 1;
    this.choose();
  }

  brush(name, range) {
    if (range) this.brushes.set(name, range); else this.brushes.delete(name);
    this.choose();
  }

  choose() {
    const chosen = Uint8Array.from(this.asked);
    for (const [name, [low, high]] of this.brushes) {
      const values = this.byName.get(name)?.values;
      if (!values) continue;
      for (let place = 0; place < chosen.length; place++)
        if (values[place] === null || values[place] < low || values[place] > high) chosen[place] = 0;
    }
    this.chosen = chosen;
    this.ordered = this.order.filter(place => chosen[place]);
    // Too many rows: evenly spaced ranks are shown, the best among them.
    const step = Math.max(1, this.ordered.length / MAX_LINES), last = this.ordered.length - 1;
    this.drawn = [];
    for (let at = last; at >= 0; at -= step) this.drawn.push(this.ordered[Math.round(at)]);
    this.drawn.reverse();
    for (const call of this.changed) call();
  }

  point(place) {
    if (place === this.pointer) return;
    this.pointer = place;
    for (const call of this.pointed) call();
  }

  // Whether a trial is ranked by its value: those that failed come after all others, whatever they reached.
  counts(place) { return this.byName.get("objective").values[place] !== null && this.states[place] !== "failed"; }

  // How good a trial is among those that count: 0 for the best quarter, 3 for the worst.
  quarter(place) { return this.counts(place) ? Math.floor(4 * (this.ranks[place] - 1) / this.valued) : 3; }

  describe(place, more = []) {
    const texts = this.columns.map(column => {
      const value = column.values[place];
      return value === null ? null : `${column.label} ${column.levels ? column.levels[value] : shown(value)}`;
    });
    return [`trial ${this.trials[place]}, ${this.states[place]}`, ...more, ...texts.filter(Boolean).slice(0, 16)];
  }

  // The brushes as a condition in SQL, by the names of the columns.
  condition() {
    return [...this.brushes].map(([name, [low, high]]) => {
      const column = this.byName.get(name);
      if (!column) return "";
      if (!column.levels) return `${name} between ${outward(low, Math.floor)} and ${outward(high, Math.ceil)}`;
      return `${name} in (${column.sql.filter((_, level) => level >= low && level <= high).join(", ")})`;
    }).filter(Boolean).join(" and ");
  }
}

// A number with few digits that lies no further inwards.
function outward(value, round) {
  if (value === 0) return "0";
  const power = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 3);
  return String(Number((round(value / power) * power).toPrecision(6)));
}
