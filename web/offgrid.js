/** A wavelet network between its samples: values and exact derivatives anywhere, by the pages of the format. */
import { splineNodes } from "./fields.js";
import { product } from "./limits.js";

/** @typedef {import("./wavelets.js").Wavelets} Wavelets */
/** @typedef {{first: number, weights: number[]}} Tap four weights; nodes before the first one and beyond the last are moved */
/** @typedef {{window: [number, number], places: Int32Array, weights: Float64Array}} Taps of points: four places in a window for each */

/** Points of a line that go through the layers together. */
const BLOCK = 128;

export class OffGrid {
  /**
   * @param {Wavelets} network
   * @param {Int32Array} integers
   */
  constructor(network, integers) {
    this.network = network;
    this.nodes = splineNodes(network, integers);
    const { samples } = network;
    this.axes = samples.length;
    this.strides = samples.map((_, axis) => product(samples.slice(axis + 1)));
    const steps = (/** @type {number[]} */ ...signed) => samples.map((_, axis) => signed.reduce((sum, one) => sum + (Math.abs(one) === axis + 1 ? Math.sign(one) : 0), 0));
    /** Differences as the format lists them: factor and offset of each reading of the brightness. @type {[number, number[]][][]} */
    this.differences = [];
    for (let a = 1; a <= this.axes; a++) this.differences.push([[2, steps(a)], [-2, steps(-a)]]);
    for (let a = 1; a <= this.axes; a++) this.differences.push([[4, steps(a)], [-8, steps()], [4, steps(-a)]]);
    for (let a = 1; a <= this.axes; a++) {
      for (let b = a + 1; b <= this.axes; b++) {
        this.differences.push([[1, steps(a, b)], [1, steps(-a, -b)], [-1, steps(a, -b)], [-1, steps(-a, b)]]);
      }
    }
    this.layers = new Layers(network);
  }

  /**
   * Values on the product of coordinates along each axis.
   * @param {Float64Array[]} coordinates
   * @returns {Float32Array}
   */
  grid(coordinates) {
    const last = coordinates[this.axes - 1];
    const blocks = Array.from({ length: Math.ceil(last.length / BLOCK) }, (_, block) => new Block(this, last.subarray(block * BLOCK, (block + 1) * BLOCK)));
    const lines = product(coordinates.slice(0, -1).map((axis) => axis.length));
    const { channels } = this.network;
    const found = new Float32Array(lines * last.length * channels);
    const others = new Array(this.axes - 1);
    for (let line = 0; line < lines; line++) {
      for (let axis = this.axes - 2, rest = line; axis >= 0; axis--) {
        others[axis] = coordinates[axis][rest % coordinates[axis].length];
        rest = Math.floor(rest / coordinates[axis].length);
      }
      blocks.forEach((block, number) => this.line(others, block, found.subarray((line * last.length + number * BLOCK) * channels), null));
    }
    return found;
  }

  /**
   * @param {Float32Array} points coordinates, point after point
   * @returns {Float32Array} values, point after point
   */
  at(points) {
    const [count, channels] = [points.length / this.axes, this.network.channels];
    const found = new Float32Array(count * channels);
    this.each(points, (others, block, point) => this.line(others, block, found.subarray(point * channels), null));
    return found;
  }

  /**
   * @param {Float32Array} points
   * @returns {Float32Array} for each point, for each channel, along each axis, per unit of the coordinates
   */
  gradient(points) {
    const size = this.network.channels * this.axes;
    const found = new Float32Array((points.length / this.axes) * size);
    const values = new Float32Array(this.network.channels);
    this.each(points, (others, block, point) => this.line(others, block, values, found.subarray(point * size)));
    return found;
  }

  /**
   * @param {Float32Array} points
   * @param {(others: number[], block: Block, point: number) => void} take
   */
  each(points, take) {
    for (let point = 0; point * this.axes < points.length; point++) {
      const all = Array.from(points.subarray(point * this.axes, (point + 1) * this.axes));
      take(all.slice(0, -1), new Block(this, Float64Array.of(all[this.axes - 1])), point);
    }
  }

  /**
   * Values along a line of the last axis.
   * @param {number[]} others coordinates along the other axes
   * @param {Block} block
   * @param {Float32Array} out
   * @param {Float32Array | null} derivatives where those of the points go, if they are asked for
   */
  line(others, block, out, derivatives) {
    this.layers.begin(others, block);
    this.readings(others, block, -1);
    this.layers.values(block.count, out);
    for (let axis = 0; derivatives && axis < this.axes; axis++) {
      this.readings(others, block, axis);
      this.layers.derivatives(axis, block.count, derivatives, this.axes);
    }
  }

  /**
   * Put what the layers read beside the waves in its place, or its derivative along an axis.
   * @param {number[]} others
   * @param {Block} block
   * @param {number} derived axis, or -1
   */
  readings(others, block, derived) {
    const { samples, exponents } = this.network;
    const { first, others: sums, skips, brightness } = this.nodes;
    const { inputs, skipped } = this.layers;
    const end = this.axes - 1;
    /** @type {(steps: number[] | null) => Tap[]} */
    const tapsAt = (steps) => others.map((coordinate, axis) => tapOf(coordinate, samples[axis], steps ? steps[axis] : 0, !!steps, axis === derived));
    const [along, stepped] = derived === end ? block.derived() : block.plain();
    const free = tapsAt(null);
    const put = (/** @type {Float32Array} */ nodes, /** @type {number} */ factor, /** @type {Float64Array} */ out) =>
      readRow(this.contracted(nodes, free, along.window), along, factor, out.fill(0), block.count);
    first.forEach((nodes, input) => put(nodes, 2 ** exponents[input], inputs[input]));
    sums.forEach((nodes, sum) => put(nodes, 2 ** exponents[first.length + sum], inputs[first.length + sum]));
    skips.forEach((nodes, channel) => put(nodes, 1, skipped[channel]));
    /** @type {Map<string, Float64Array>} */
    const rows = new Map();
    this.differences.forEach((readings, number) => {
      const input = first.length + sums.length + number;
      inputs[input].fill(0);
      for (const [factor, steps] of readings) {
        const key = steps.slice(0, -1).join();
        if (!rows.has(key)) rows.set(key, this.contracted(brightness, tapsAt(steps), stepped[0].window));
        readRow(/** @type {Float64Array} */ (rows.get(key)), stepped[steps[end] + 1], factor * 2 ** exponents[input], inputs[input], block.count);
      }
    });
  }

  /**
   * Nodes of a window of the last axis, all other axes summed with their weights.
   * @param {Float32Array} nodes
   * @param {Tap[]} taps of the other axes
   * @param {[number, number]} window
   */
  contracted(nodes, taps, [from, to]) {
    const row = new Float64Array(to - from);
    const { samples } = this.network;
    const visit = (/** @type {number} */ axis, /** @type {number} */ offset, /** @type {number} */ weight) => {
      if (axis === taps.length) {
        for (let at = from; at < to; at++) row[at - from] += weight * nodes[offset + at];
        return;
      }
      for (let node = 0; node < 4; node++) {
        const place = Math.min(samples[axis] - 1, Math.max(0, taps[axis].first + node));
        if (taps[axis].weights[node]) visit(axis + 1, offset + place * this.strides[axis], weight * taps[axis].weights[node]);
      }
    };
    visit(0, 0, 1);
    return row;
  }
}

/**
 * @param {number} coordinate
 * @param {number} count samples along the axis
 * @param {number} step samples to be added
 * @param {boolean} isLimited whether places beyond the outermost samples are moved to these
 * @param {boolean} isDerived whether the weights are those of the derivative by the coordinate
 * @returns {Tap}
 */
function tapOf(coordinate, count, step, isLimited, isDerived) {
  // Moved to the outermost samples, then by a step, then moved again.
  const free = ((coordinate + 1) * count) / 2 - 0.5;
  const limited = (/** @type {number} */ place) => Math.min(count - 1, Math.max(0, place));
  const place = isLimited ? limited(limited(free) + step) : Math.min(count + 2, Math.max(-3, free));
  const first = Math.floor(place);
  const r = place - first;
  if (!isDerived) {
    const weights = [(1 - r) ** 3, 4 - 6 * r * r + 3 * r ** 3, 1 + 3 * r + 3 * r * r - 3 * r ** 3, r ** 3];
    return { first: first - 1, weights: weights.map((weight) => weight / 6) };
  }
  const isInside = (/** @type {number} */ at) => at >= -1e-9 * count && at <= count - 1 + 1e-9 * count;
  const isMoving = !isLimited || (isInside(free) && isInside(free + step));
  const weights = [-3 * (1 - r) ** 2, -12 * r + 9 * r * r, 3 + 6 * r - 9 * r * r, 3 * r * r];
  return { first: first - 1, weights: weights.map((weight) => (isMoving ? (weight * count) / 12 : 0)) };
}

/** Some points of the last axis: what is the same of them in every line. */
class Block {
  /**
   * @param {OffGrid} offGrid
   * @param {Float64Array} last coordinates
   */
  constructor({ network: { samples, frequencies, period }, axes }, last) {
    this.last = last;
    this.count = last.length;
    this.samples = samples[axes - 1];
    const turns = frequencies.map((frequency) => (2 * Math.PI * frequency[axes - 1]) / period);
    this.sines = turns.map((turn) => last.map((coordinate) => Math.sin(turn * coordinate)));
    this.cosines = turns.map((turn) => last.map((coordinate) => Math.cos(turn * coordinate)));
    /** @type {[Taps, Taps[]] | null} */
    this.kept = null;
  }

  /** Taps at the points, and one sample before, at, and after them. @returns {[Taps, Taps[]]} */
  plain() {
    return (this.kept ??= this.both(false));
  }

  /** @returns {[Taps, Taps[]]} */
  derived() {
    return this.both(true);
  }

  /**
   * @param {boolean} isDerived
   * @returns {[Taps, Taps[]]}
   */
  both(isDerived) {
    const listed = (/** @type {number} */ step, /** @type {boolean} */ isLimited) =>
      Array.from(this.last, (coordinate) => tapOf(coordinate, this.samples, step, isLimited, isDerived));
    const [free, stepped] = [listed(0, false), [-1, 0, 1].map((step) => listed(step, true))];
    const wide = windowOf(stepped.flat(), this.samples);
    return [packed(free, windowOf(free, this.samples)), stepped.map((taps) => packed(taps, wide))];
  }
}

/**
 * @param {Tap[]} taps
 * @param {[number, number]} window
 * @returns {Taps}
 */
function packed(taps, window) {
  const most = window[1] - window[0] - 1;
  const places = Int32Array.from({ length: 4 * taps.length }, (_, at) => Math.min(most, Math.max(0, taps[at >> 2].first + (at & 3) - window[0])));
  return { window, places, weights: Float64Array.from({ length: 4 * taps.length }, (_, at) => taps[at >> 2].weights[at & 3]) };
}

/**
 * @param {Tap[]} taps
 * @param {number} count
 * @returns {[number, number]}
 */
function windowOf(taps, count) {
  let [from, to] = [count - 1, 0];
  for (const { first } of taps) [from, to] = [Math.min(from, first), Math.max(to, first + 4)];
  from = Math.max(0, from);
  return [from, Math.max(from + 1, Math.min(count, to))];
}

/**
 * Add what points read of a row.
 * @param {Float64Array} row
 * @param {Taps} taps
 * @param {number} factor
 * @param {Float64Array} out
 * @param {number} count
 */
function readRow(row, { places, weights }, factor, out, count) {
  for (let point = 0, tap = 0; point < count; point++, tap += 4) {
    out[point] +=
      factor *
      (weights[tap] * row[places[tap]] +
        weights[tap + 1] * row[places[tap + 1]] +
        weights[tap + 2] * row[places[tap + 2]] +
        weights[tap + 3] * row[places[tap + 3]]);
  }
}

/** The sine layers and the output, for some points of a line together. */
class Layers {
  /** @param {Wavelets} network */
  constructor(network) {
    this.network = network;
    const { tensors, widths, frequencies, exponents, channels, colours, scales } = network;
    const rows = (/** @type {number} */ count) => Array.from({ length: count }, () => new Float64Array(BLOCK));
    this.sineWeight = tensors[0];
    this.inputWeight = tensors[1];
    this.bias = tensors[2];
    this.deeper = widths.slice(1).map((_, layer) => ({ weight: tensors[3 + 2 * layer], bias: tensors[4 + 2 * layer] }));
    this.skip = tensors[tensors.length - 3];
    this.readout = tensors[tensors.length - 2];
    this.outBias = tensors[tensors.length - 1];
    this.fields = 1 + Math.min(scales, 3);
    this.inputs = rows(exponents.length);
    this.waves = rows(2 * frequencies.length);
    this.skipped = rows(colours > 1 ? channels : 0);
    this.hidden = widths.map(rows);
    this.slopes = widths.map(rows);
    this.tangent = widths.map(rows);
    this.out = rows(channels);
  }

  /**
   * Be at some points of a line.
   * @param {number[]} others
   * @param {Block} block
   */
  begin(others, block) {
    const { frequencies, period } = this.network;
    const unit = (2 * Math.PI) / period;
    frequencies.forEach((frequency, number) => {
      const angle = unit * others.reduce((sum, coordinate, axis) => sum + coordinate * frequency[axis], 0);
      const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
      const [sines, cosines] = [this.waves[number], this.waves[frequencies.length + number]];
      const [ownSines, ownCosines] = [block.sines[number], block.cosines[number]];
      for (let point = 0; point < block.count; point++) {
        sines[point] = sine * ownCosines[point] + cosine * ownSines[point];
        cosines[point] = cosine * ownCosines[point] - sine * ownSines[point];
      }
    });
  }

  /**
   * @param {number} points
   * @param {Float32Array} out channels of a point one after the other
   */
  values(points, out) {
    const { widths, channels } = this.network;
    let below = this.waves;
    widths.forEach((width, layer) => {
      const { weight, bias } = layer ? this.deeper[layer - 1] : { weight: this.sineWeight, bias: this.bias };
      const [rows, slopes] = [this.hidden[layer], this.slopes[layer]];
      for (let neuron = 0; neuron < width; neuron++) {
        const row = rows[neuron].fill(bias[neuron]);
        addRows(row, below, weight, neuron * below.length, points);
        if (!layer) addRows(row, this.inputs, this.inputWeight, neuron * this.inputs.length, points);
        const slope = slopes[neuron];
        for (let point = 0; point < points; point++) {
          const angle = row[point];
          slope[point] = angle;
          row[point] = Math.sin(angle);
        }
      }
      below = rows;
    });
    this.read(below, points, true);
    for (let channel = 0; channel < channels; channel++) {
      const row = this.out[channel];
      for (let point = 0; point < points; point++) out[point * channels + channel] = row[point];
    }
  }

  /**
   * After `values` at the same points, with derivatives of the inputs in their place.
   * @param {number} axis
   * @param {number} points
   * @param {Float32Array} out
   * @param {number} axes
   */
  derivatives(axis, points, out, axes) {
    const { widths, channels, frequencies, period } = this.network;
    const count = frequencies.length;
    const turning = frequencies.map((frequency) => (2 * Math.PI * frequency[axis]) / period);
    /** @type {Float64Array[]} */
    let below = Array.from({ length: 2 * count }, (_, wave) => {
      const [other, factor] = wave < count ? [this.waves[wave + count], turning[wave]] : [this.waves[wave - count], -turning[wave - count]];
      return other.map((value) => factor * value);
    });
    widths.forEach((width, layer) => {
      const weight = layer ? this.deeper[layer - 1].weight : this.sineWeight;
      for (let neuron = 0; neuron < width; neuron++) {
        const row = this.tangent[layer][neuron].fill(0);
        addRows(row, below, weight, neuron * below.length, points);
        if (!layer) addRows(row, this.inputs, this.inputWeight, neuron * this.inputs.length, points);
        const angles = this.slopes[layer][neuron];
        for (let point = 0; point < points; point++) row[point] *= Math.cos(angles[point]);
      }
      below = this.tangent[layer];
    });
    this.read(below, points, false);
    for (let channel = 0; channel < channels; channel++) {
      for (let point = 0; point < points; point++) out[(point * channels + channel) * axes + axis] = this.out[channel][point];
    }
  }

  /**
   * @param {Float64Array[]} below
   * @param {number} points
   * @param {boolean} hasBias
   */
  read(below, points, hasBias) {
    const { channels, colours, exponents } = this.network;
    for (let channel = 0; channel < channels; channel++) {
      const row = this.out[channel].fill(hasBias ? this.outBias[channel] : 0);
      addRows(row, below, this.readout, channel * below.length, points);
      for (let field = 0; field < this.fields; field++) {
        const weight = this.skip[(channel * this.fields + field) * colours] / 2 ** exponents[field];
        const input = this.inputs[field];
        for (let point = 0; point < points; point++) row[point] += weight * input[point];
      }
      const skipped = this.skipped[channel];
      for (let point = 0; skipped && point < points; point++) row[point] += skipped[point];
    }
  }
}

/**
 * @param {Float64Array} row
 * @param {Float64Array[]} below
 * @param {Float32Array} weight
 * @param {number} first
 * @param {number} points
 */
function addRows(row, below, weight, first, points) {
  for (let input = 0; input < below.length; input++) {
    const factor = weight[first + input];
    if (!factor) continue;
    const source = below[input];
    for (let point = 0; point < points; point++) row[point] += factor * source[point];
  }
}
