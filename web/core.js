/** The core, which every decoder runs, in JavaScript: all calls to its entry points are here, and nowhere else. */
import { TnrError, corrupt } from "./errors.js";
import { checkLimit, product } from "./limits.js";
import { layoutOf, levelsOf, weightsOf } from "./networks.js";

/** @typedef {import("./networks.js").Layout} Layout */
/** @typedef {import("./networks.js").Sines} Sines */
/** @typedef {import("./container.js").Header} Header */
/** @typedef {{layout: Layout, header: Header, words: Uint8Array, integers: Uint8Array | null, coded: number, fresh: CoreInstance | null, used: CoreInstance | null}} Wavelets bytes of int32, which `used` has where there are none */
/** @typedef {import("./limits.js").Limits} Limits */

/** @type {Record<number, () => TnrError>} */
const ANSWERS = {
  1: () => corrupt("the layout is none that the core knows: 1 to 4 axes, 1 to 255 colours, at most 2^28 integers"),
  2: () => new TnrError("limit_exceeded", "the memory is too small for this signal: close other pages, or take a smaller signal"),
  3: () => corrupt("the coded bytes end before the last integer"),
  4: () => corrupt("coded bytes are left over after the last integer"),
  5: () => corrupt("an integer is larger than 2^29"),
  7: () => new TnrError("limit_exceeded", "the work allowed is too little for this signal"),
  10: () => corrupt("the payload of the network is not what an encoder writes"),
  9: () => new TnrError("config_error", "the core takes at most 2^28 coordinates along an axis, and at least one"),
  8: () => new TnrError("unsupported", "the network is larger than the core evaluates: decode the file with the Python library"),
};

/** @param {number} answer */
const expectFine = (answer) => {
  if (answer !== 0) throw (ANSWERS[answer] ?? (() => new TnrError("unsupported", `the core answered ${answer}`)))();
};

/** The core, compiled once; what it makes of a network has an instance of its own, so that no call leaves anything behind. */
export class Core {
  /**
   * @param {WebAssembly.Module} module
   * @param {Limits} limits
   */
  constructor(module, limits) {
    this.module = module;
    this.limits = limits;
  }

  /**
   * A network of wavelets and its integers, of which those of missing levels are 0.
   * @param {Uint8Array} payload of its chunk, or the beginning that has the levels
   * @param {Header} header
   * @param {number} missing number of finest levels that are not read
   * @param {boolean} [isForOnce] whether its integers are hardly for more than the next rows
   * @returns {Wavelets}
   */
  wavelets(payload, header, missing, isForOnce) {
    const layout = layoutOf(payload, header, this.limits);
    const { scales, sizes } = layout;
    if (missing > scales) throw corrupt(`the beginning of the file lacks ${missing} of ${scales + 1} levels`);
    checkLimit(this.limits, "memory", memoryNeeded(layout, payload.length) + 16 * (sizes.reduce((all, size) => all + size, 0) + header.frequencies * 4));
    const instance = new CoreInstance(this.module, layout);
    const { core_wavelets, core_want_levels, core_decode } = instance.exports;
    instance.putChunk(header, payload, 0);
    expectFine(core_wavelets());
    core_want_levels(missing ? scales + 1 - missing : 0);
    expectFine(core_decode());
    const network = { layout, header, words: instance.words(), integers: null, coded: payload.length, fresh: instance, used: instance };
    if (!isForOnce) this.integers(network);
    return network;
  }

  /**
   * Integers of a network, kept from now on.
   * @param {Wavelets} network
   * @returns {Uint8Array}
   */
  integers(network) {
    network.integers ??= /** @type {CoreInstance} */ (network.used).integers();
    network.used = null;
    return network.integers;
  }

  /**
   * Values and derivatives of wavelets anywhere.
   * @param {Wavelets} network
   */
  between(network) {
    const { layout, header } = network;
    const { samples, scales, colours } = layout;
    const sums = 2 + Math.min(scales, 3) + colours + (colours > 1 ? header.channels : 0);
    const memory = memoryNeeded(layout, network.coded) + pixelMemory(network) + 4 * sums * (product(samples) + 64) + 32 * Math.max(...samples);
    checkLimit(this.limits, "memory", memory);
    return new CoreEvaluation(this.withNetwork(network), header, this.limits, memory, (4 + colours + header.channels + 19) * (samples[samples.length - 1] + 64));
  }

  /**
   * A network of sines, from the payload of its chunk.
   * @param {Sines} sines
   */
  sines({ chunk, payload, header }) {
    const most = Math.max(header.frequencies, header.channels, ...header.widths);
    const memory = 2 ** 22 + 24 * weightsOf(header) + 8 * payload.length + 32 * most;
    checkLimit(this.limits, "memory", memory);
    const instance = new CoreInstance(this.module, null);
    expectFine(instance.exports.core_prepare_sines(header.shape.length));
    instance.putChunk(header, payload, 1);
    expectFine(instance.exports.core_sines(chunk));
    return new CoreEvaluation(instance, header, this.limits, memory, 0);
  }

  /** @param {Wavelets} network */
  withNetwork(network) {
    const { layout, words, fresh } = network;
    network.fresh = null;
    if (fresh) return fresh;
    const instance = new CoreInstance(this.module, layout);
    const { core_integers, core_network_room } = instance.exports;
    instance.put(this.integers(network), core_integers());
    instance.put(words, core_network_room(words.length / 4));
    return instance;
  }

  /**
   * Values on the samples of the signal, some rows of the first axis at a time; the array is valid within the call.
   * @param {Wavelets} network
   * @param {(values: Float32Array, first: number, rows: number) => boolean} take returns whether to go on
   * @param {number} [every] so many samples along each axis have one value, that of the one in their middle
   */
  rows(network, take, every = 1) {
    checkLimit(this.limits, "memory", memoryNeeded(network.layout, network.coded) + pixelMemory(network));
    const instance = this.withNetwork(network);
    const { core_every, core_pixels, core_next, core_values } = instance.exports;
    core_every(every);
    expectFine(core_pixels());
    const samples = network.layout.samples.map((count) => everyCount(count, every));
    const row = network.header.channels * product(samples.slice(samples.length > 1 ? 1 : 0));
    for (let first = 0, rows = core_next(); rows; first += rows, rows = core_next()) {
      const values = new Float32Array(instance.memory.buffer, core_values() >>> 0, rows * row);
      if (!take(values, first, rows)) return;
    }
  }
}

/**
 * How many of the samples of an axis have a value where every so many have one.
 * @param {number} count
 * @param {number} every
 */
export const everyCount = (count, every) => Math.floor((count - 1 - Math.min(every >> 1, count - 1)) / every) + 1;

/**
 * Numbers of a network in the words of the core, as `core/network.h` has them: exactly those that the file stands for.
 * @param {Uint8Array} words
 * @param {Header} header
 * @param {number[]} sizes of what follows the frequencies
 */
export function numbersOf({ buffer, byteOffset }, { shape, frequencies: count, widths }, sizes) {
  const start = byteOffset + 4 * (6 + widths.length);
  const all = new Int32Array(buffer, start, count * shape.length);
  const frequencies = Array.from({ length: count }, (_, each) => Array.from(all.subarray(each * shape.length, (each + 1) * shape.length)));
  let at = start + all.byteLength;
  const weights = sizes.map((size) => new Float32Array(buffer, (at += 4 * size) - 4 * size, size).slice());
  return { frequencies, weights };
}

/** One instance of the core with a layout, ready to be called. */
class CoreInstance {
  /**
   * @param {WebAssembly.Module} module
   * @param {Layout | null} layout that is prepared, if there is one
   */
  constructor(module, layout) {
    this.exports = /** @type {any} */ (new WebAssembly.Instance(module).exports);
    this.memory = /** @type {WebAssembly.Memory} */ (this.exports.memory);
    if (!layout) return;
    const { samples, scales, colours } = layout;
    const description = Uint32Array.of(1, samples.length, colours, scales, ...samples, ...Array(4 - samples.length).fill(1));
    this.put(new Uint8Array(description.buffer), this.exports.core_description());
    expectFine(this.exports.core_prepare());
  }

  /**
   * @param {number} address
   * @param {number} size
   */
  bytes(address, size) {
    return new Uint8Array(this.memory.buffer, address >>> 0, size);
  }

  /**
   * @param {Uint8Array} data
   * @param {number} address
   */
  put(data, address) {
    if (!address) expectFine(2);
    this.bytes(address, data.length).set(data);
  }

  /**
   * The first words of a network, and the payload that has the others.
   * @param {Header} header
   * @param {Uint8Array} payload
   * @param {0 | 1} isSines
   */
  putChunk({ frequencies, channels, period, widths }, payload, isSines) {
    const head = new DataView(new ArrayBuffer(4 * (6 + widths.length)));
    [frequencies, channels, widths.length, isSines].forEach((word, at) => head.setUint32(4 * at, word, true));
    head.setFloat64(16, period, true);
    widths.forEach((width, layer) => head.setUint32(24 + 4 * layer, width, true));
    this.put(new Uint8Array(head.buffer), this.exports.core_network_room(6 + widths.length));
    this.put(payload, this.exports.core_coded_room(payload.length));
  }

  /** A copy of the integers of its network. */
  integers() {
    return this.bytes(this.exports.core_integers(), 4 * this.exports.core_integer_count()).slice();
  }

  /** A copy of the words of its network. */
  words() {
    return this.bytes(this.exports.core_network(), 4 * this.exports.core_network_words()).slice();
  }
}

/** Points that are asked for at once. */
const MOST_POINTS_AT_ONCE = 2 ** 16;

/** A network in an instance of the core, with its splines made, to be asked again and again. */
export class CoreEvaluation {
  /**
   * @param {CoreInstance} instance with a network in place
   * @param {Header} header
   * @param {Limits} limits
   * @param {number} memory bytes that there are so far, at most
   * @param {number} lines numbers that a grid takes for lines of nodes
   */
  constructor(instance, header, limits, memory, lines) {
    this.instance = instance;
    this.header = header;
    this.axes = header.shape.length;
    this.all = this.channels = header.channels;
    this.limits = limits;
    this.memory = memory;
    this.lines = lines;
    expectFine(instance.exports.core_evaluate());
  }

  /**
   * Take only some of the values of a network of sines from now on.
   * @param {number} first
   * @param {number} count
   */
  only(first, count) {
    this.channels = count;
    this.instance.exports.core_outputs(first, count);
  }

  /**
   * Whether memory suffices for what follows; figures as in `tuner/core/evaluation.py`.
   * @param {number} numbers that are made beside the network
   * @param {number} slopes axes along which derivatives are
   */
  checkMemory(numbers, slopes) {
    const { frequencies, widths } = this.header;
    const [inputs, most] = [2 * frequencies + 64, Math.max(...widths, this.channels) + 64];
    const rooms = (inputs + 3 * most + slopes * (inputs + 2 * most)) * 272;
    const weights = 20 * (weightsOf(this.header) + inputs * widths[0]) + 128 * (inputs + 8) + 4 * most * (widths.length + 1);
    checkLimit(this.limits, "memory", this.memory + 2 ** 23 + 4 * (weights + rooms + numbers));
  }

  /**
   * Values on the product of coordinates along each axis.
   * @param {Float64Array[]} coordinates
   */
  grid(coordinates) {
    const { core_grid_room, core_grid } = this.instance.exports;
    const counts = coordinates.map((axis) => axis.length);
    const plane = product(counts.slice(this.axes > 1 ? 1 : 0));
    const all = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
    this.checkMemory(Math.max(plane, 8192) * this.channels + 2 ** 23 + this.lines + 50 * all.length, 0);
    coordinates.reduce((at, axis) => (all.set(axis, at), at + axis.length), 0);
    this.instance.put(new Uint8Array(all.buffer), core_grid_room(...counts, ...Array(4 - counts.length).fill(1)));
    expectFine(core_grid());
    return this.collected(product(counts) * this.channels, plane * this.channels);
  }

  /** @param {Float32Array | Float64Array} points */
  at(points) {
    return this.of(points, 0, this.channels);
  }

  /** @param {Float32Array | Float64Array} points */
  gradient(points) {
    return this.of(points, 1, this.channels * this.axes);
  }

  /**
   * @param {Float32Array | Float64Array} points
   * @param {0 | 1} derivatives
   * @param {number} size numbers of a point
   */
  of(points, derivatives, size) {
    const { core_points_room, core_points } = this.instance.exports;
    const found = new Float32Array((points.length / this.axes) * size);
    this.checkMemory(1088 * this.channels + 2 ** 21 + 8 * Math.min(points.length, MOST_POINTS_AT_ONCE * this.axes), derivatives * this.axes);
    for (let first = 0; first * this.axes < points.length; first += MOST_POINTS_AT_ONCE) {
      const some = Float64Array.from(points.subarray(first * this.axes, (first + MOST_POINTS_AT_ONCE) * this.axes));
      const count = some.length / this.axes;
      this.instance.put(new Uint8Array(some.buffer), core_points_room(count));
      expectFine(core_points(derivatives));
      found.set(this.collected(count * size, size), first * size);
    }
    return found;
  }

  /**
   * @param {number} count
   * @param {number} row numbers that the core counts as one
   */
  collected(count, row) {
    const { core_next, core_values } = this.instance.exports;
    const found = new Float32Array(count);
    for (let at = 0, rows = core_next(); rows; rows = core_next()) {
      found.set(new Float32Array(this.instance.memory.buffer, core_values() >>> 0, rows * row), at);
      at += rows * row;
    }
    return found;
  }
}

/**
 * Bytes that an honest signal needs at most for its integers; figures as in `tuner/core/host.py`.
 * @param {Layout} layout
 * @param {number} coded
 */
function memoryNeeded(layout, coded) {
  const levels = levelsOf(layout);
  const plane = (/** @type {number[]} */ nodes) => 2 * product(nodes.map((count) => count + 2));
  const finest = levels[levels.length - 1].nodes;
  return levels.reduce(
    (memory, { nodes, subbands }) => memory + subbands * (512 + 4 * product(nodes) + plane(nodes)),
    2 ** 23 + 2 * coded + 22 * finest[finest.length - 1] + plane(finest),
  );
}

/**
 * Bytes that values take beside the integers, at most; figures as in `tuner/core/synthesis.py`.
 * @param {Wavelets} network
 */
function pixelMemory({ layout: { samples, scales, colours }, header: { channels, frequencies, widths }, words }) {
  const fields = 1 + Math.min(scales, 3);
  const [first, ...others] = samples.length > 1 ? samples : [1, ...samples];
  const [plane, last] = [product(others), others[others.length - 1]];
  const rows = Math.min(first, Math.max(2, Math.floor(8192 / plane))) + 8;
  const sums = fields + colours - 1 + (colours > 1 ? channels : 0);
  const coarse = product(samples.map((count) => Math.ceil(count / 2))) + 16;
  let floats = 8 * words.length + ((fields - 1) * colours + 1) * coarse;
  floats += rows * (plane / last) * ((sums + channels) * (last + 2) + last + 32) + sums * (4 * fields * colours + 64);
  floats += (2 * frequencies + 4 * (Math.max(...widths) + channels) + 64) * 272;
  return 4 * floats;
}
