/** How a signal is cut into tiles that overlap, how much each tile counts at a place, and which ones a question needs. */

/** Of a picture that is looked at from afar no more tiles are read than so many, spread evenly; the others stay empty. */
export const MOST_TILES_SEEN = 400;
/** Less than half the distance of two pixels of the largest magnification, in samples. */
const NEAR = 2 ** -20;

const clamp = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) => Math.min(high, Math.max(low, value));
/** @param {number} r in 0 ... 1 */
const fade = (r) => r * r * r * (10 - 15 * r + 6 * (r * r));
/** @param {number} r in 0 ... 1 */
const fadeSlope = (r) => 30 * (r * (1 - r)) ** 2;

/** The page on tiles of the format has what this says in formulas. */
export class TileGrid {
  /**
   * @param {number[]} shape samples along each axis
   * @param {number[]} strides samples from the beginning of a tile to that of the next one
   * @param {number[]} overlaps samples that neighbours share
   */
  constructor(shape, strides, overlaps) {
    this.shape = shape;
    this.strides = strides;
    this.overlaps = overlaps;
    this.counts = shape.map((count, axis) => Math.max(1, Math.ceil((count - overlaps[axis]) / strides[axis])));
  }

  /**
   * First sample along an axis, and the one behind the last, of tiles with an index.
   * @param {number} axis
   * @param {number} index
   * @returns {[number, number]}
   */
  span(axis, index) {
    const start = index * this.strides[axis];
    return [start, Math.min(this.shape[axis], start + this.strides[axis] + this.overlaps[axis])];
  }

  /**
   * The samples of a tile along each axis.
   * @param {number} number
   */
  box(number) {
    return this.place(number).map((index, axis) => this.span(axis, index));
  }

  /**
   * Indices of a tile along the axes; tiles are numbered row by row, the last axis fastest.
   * @param {number} number
   */
  place(number) {
    const place = this.counts.slice();
    for (let axis = place.length - 1; axis >= 0; axis--) {
      place[axis] = number % this.counts[axis];
      number = Math.floor(number / this.counts[axis]);
    }
    return place;
  }

  /** @param {number[]} place */
  number(place) {
    return place.reduce((number, index, axis) => number * this.counts[axis] + index, 0);
  }

  /**
   * First and last index of the tiles that count between two places of an axis, which are in samples, i being at i + 1/2.
   * @param {number} axis
   * @param {number} low
   * @param {number} high
   * @returns {[number, number]}
   */
  met(axis, low, high) {
    const last = this.counts[axis] - 1;
    return [clamp(Math.floor((low - this.overlaps[axis]) / this.strides[axis]), 0, last), clamp(Math.floor(high / this.strides[axis]), 0, last)];
  }

  /**
   * How much tiles with an index count at a place of an axis, and the derivative of that by the coordinate.
   * @param {number} axis
   * @param {number} index
   * @param {number} t
   * @returns {[number, number]}
   */
  weight(axis, index, t) {
    const [stride, overlap] = [this.strides[axis], this.overlaps[axis]];
    const age = (/** @type {number} */ since) => (overlap ? clamp(since / overlap, 0, 1) : Number(since >= 0));
    const rise = index === 0 ? 1 : age(t - stride * index);
    const fall = index === this.counts[axis] - 1 ? 0 : age(t - stride * index - stride);
    return [fade(rise) * (1 - fade(fall)), ((fadeSlope(rise) - fadeSlope(fall)) * this.shape[axis]) / 2 / Math.max(1, overlap)];
  }

  /**
   * Numbers of the tiles whose indices along each axis are within an interval, in ascending order.
   * @param {[number, number][]} intervals first and last
   * @param {number[]} [steps] one of so many along each axis
   */
  numbers(intervals, steps = intervals.map(() => 1)) {
    let found = [0];
    intervals.forEach(([first, last], axis) => {
      /** @type {number[]} */
      const along = [];
      for (let index = first; index <= last; index++) if (index % steps[axis] === 0 || first === last) along.push(index);
      found = found.flatMap((number) => along.map((index) => number * this.counts[axis] + index));
    });
    return found;
  }

  /**
   * Numbers of the tiles that a question to a file needs.
   * @param {string} question
   * @param {any[]} given
   * @returns {number[]}
   */
  needed(question, [given]) {
    if (question === "network") return Number.isInteger(given) && given >= 0 && given < this.counts.reduce((all, one) => all * one, 1) ? [given] : [];
    if (question === "pixels") {
      const intervals = this.shape.map((count, axis) => {
        const [from, to] = given?.region?.[axis] ?? [0, count];
        return this.met(axis, from, to - NEAR);
      });
      const all = intervals.reduce((product, [first, last]) => product * (last + 1 - first), 1);
      const step = given?.quick ? Math.ceil((all / MOST_TILES_SEEN) ** (1 / intervals.length)) : 1;
      return this.numbers(intervals, intervals.map(() => step));
    }
    /** @type {Set<number>} */
    const found = new Set();
    const axes = this.shape.length;
    for (let at = 0; at < (given?.length ?? 0); at += axes) {
      const intervals = this.shape.map((count, axis) => {
        const t = ((given[at + axis] + 1) * count) / 2;
        return this.met(axis, t, t);
      });
      for (const number of this.numbers(intervals)) found.add(number);
    }
    return [...found].sort((one, other) => one - other);
  }
}
