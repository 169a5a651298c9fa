/** The core, which every decoder runs, in JavaScript: all calls to its entry points are here, and nowhere else. */
import { TnrError, corrupt } from "./errors.js";
import { checkLimit, product } from "./limits.js";
import { levelsOf } from "./wavelets.js";

/** @typedef {import("./wavelets.js").Wavelets} Wavelets */
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

/** The core, compiled once; every call has an instance of its own, so that no call leaves anything behind. */
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
   * Integers of all subbands, in the order of the file; those of missing levels are 0.
   * @param {Wavelets} network
   * @param {number} missing number of finest levels that are not read
   */
  integers(network, missing) {
    const { latents, scales } = network;
    if (missing > scales) throw corrupt(`the beginning of the file lacks ${missing} of ${scales + 1} levels`);
    checkLimit(this.limits, "memory", memoryNeeded(network, latents.length));
    const instance = new CoreInstance(this.module, network);
    instance.put(latents, instance.exports.core_coded_room(latents.length));
    instance.exports.core_want_levels(missing ? scales + 1 - missing : 0);
    expectFine(instance.exports.core_decode());
    const { core_integers, core_integer_count } = instance.exports;
    return new Int32Array(instance.bytes(core_integers(), 4 * core_integer_count()).slice().buffer);
  }

  /**
   * Values and derivatives anywhere, where this core has entry points for them.
   * @param {Wavelets} network
   * @param {Int32Array} integers
   * @returns {CoreEvaluation | null}
   */
  evaluation(network, integers) {
    if (!this.has("core_grid")) return null;
    const instance = new CoreInstance(this.module, network);
    const { core_integers, core_network_room } = instance.exports;
    instance.put(new Uint8Array(integers.buffer, integers.byteOffset, integers.byteLength), core_integers());
    const words = networkWords(network);
    instance.put(words, core_network_room(words.length / 4));
    return new CoreEvaluation(instance, network.samples.length, network.channels);
  }

  /**
   * A network of sines, from the payload of its chunk.
   * @param {number} chunk
   * @param {Uint8Array} payload
   * @param {import("./container.js").Header} header
   */
  sines(chunk, payload, { shape, channels, frequencies, period, widths }) {
    if (!this.has("core_sines") || (chunk !== 1 && chunk !== 3)) {
      throw new TnrError(
        "unsupported",
        `the file is a network of sines in chunk ${chunk}, which the core of this decoder does not evaluate: decode it with the Python library`,
      );
    }
    const instance = new CoreInstance(this.module, null);
    const { core_prepare_sines, core_network_room, core_coded_room, core_sines } = instance.exports;
    expectFine(core_prepare_sines(shape.length));
    const head = new DataView(new ArrayBuffer(4 * (6 + widths.length)));
    [frequencies, channels, widths.length, 1].forEach((word, at) => head.setUint32(4 * at, word, true));
    head.setFloat64(16, period, true);
    widths.forEach((width, layer) => head.setUint32(24 + 4 * layer, width, true));
    instance.put(new Uint8Array(head.buffer), core_network_room(6 + widths.length));
    instance.put(payload, core_coded_room(payload.length));
    expectFine(core_sines(chunk));
    return new CoreEvaluation(instance, shape.length, channels);
  }

  /** @param {string} entry name of an entry point */
  has(entry) {
    return WebAssembly.Module.exports(this.module).some(({ name }) => name === entry);
  }

  /**
   * Values on the samples of the signal, some rows of the first axis at a time; the array is valid within the call.
   * @param {Wavelets} network
   * @param {Int32Array} integers
   * @param {(values: Float32Array, first: number, rows: number) => boolean} take returns whether to go on
   */
  rows(network, integers, take) {
    const { samples, channels } = network;
    checkLimit(this.limits, "memory", memoryNeeded(network, 0) + pixelMemory(network));
    const instance = new CoreInstance(this.module, network);
    const { core_integers, core_network_room, core_pixels, core_next, core_values } = instance.exports;
    instance.put(new Uint8Array(integers.buffer, integers.byteOffset, integers.byteLength), core_integers());
    const words = networkWords(network);
    instance.put(words, core_network_room(words.length / 4));
    expectFine(core_pixels());
    const row = channels * product(samples.slice(samples.length > 1 ? 1 : 0));
    for (let first = 0, rows = core_next(); rows; first += rows, rows = core_next()) {
      const values = new Float32Array(instance.memory.buffer, core_values() >>> 0, rows * row);
      if (!take(values, first, rows)) return;
    }
  }
}

/** One instance of the core with a layout, ready to be called. */
class CoreInstance {
  /**
   * @param {WebAssembly.Module} module
   * @param {Wavelets | null} network whose layout is prepared, if it has one
   */
  constructor(module, network) {
    this.exports = /** @type {any} */ (new WebAssembly.Instance(module).exports);
    this.memory = /** @type {WebAssembly.Memory} */ (this.exports.memory);
    if (!network) return;
    const { samples, scales, colours } = network;
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
}

/** Points that are asked for at once. */
const MOST_POINTS_AT_ONCE = 2 ** 16;

/** A network in an instance of the core, with its splines made, to be asked again and again. */
class CoreEvaluation {
  /**
   * @param {CoreInstance} instance with a network in place
   * @param {number} axes
   * @param {number} channels
   */
  constructor(instance, axes, channels) {
    this.instance = instance;
    this.axes = axes;
    this.channels = channels;
    expectFine(instance.exports.core_evaluate());
  }

  /**
   * Values on the product of coordinates along each axis.
   * @param {Float64Array[]} coordinates
   */
  grid(coordinates) {
    const { core_grid_room, core_grid } = this.instance.exports;
    const counts = coordinates.map((axis) => axis.length);
    const all = Float64Array.from(coordinates.flatMap((axis) => Array.from(axis)));
    this.instance.put(new Uint8Array(all.buffer), core_grid_room(...counts, ...Array(4 - counts.length).fill(1)));
    expectFine(core_grid());
    const row = product(counts.slice(this.axes > 1 ? 1 : 0)) * this.channels;
    return this.collected(product(counts) * this.channels, row);
  }

  /** @param {Float32Array} points */
  at(points) {
    return this.of(points, 0, this.channels);
  }

  /** @param {Float32Array} points */
  gradient(points) {
    return this.of(points, 1, this.channels * this.axes);
  }

  /**
   * @param {Float32Array} points
   * @param {0 | 1} derivatives
   * @param {number} size numbers of a point
   */
  of(points, derivatives, size) {
    const { core_points_room, core_points } = this.instance.exports;
    const found = new Float32Array((points.length / this.axes) * size);
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
 * The network as the core reads it; `core/network.h` says in which words.
 * @param {Wavelets} network
 */
function networkWords({ frequencies, channels, widths, period, exponents, tensors }) {
  const flat = frequencies.flat();
  const size = tensors.reduce((sum, tensor) => sum + tensor.length, 0);
  const buffer = new ArrayBuffer(4 * (6 + widths.length + flat.length + exponents.length + size));
  new Uint32Array(buffer).set([frequencies.length, channels, widths.length]);
  new DataView(buffer).setFloat64(16, period, true);
  new Uint32Array(buffer).set(widths, 6);
  new Int32Array(buffer).set(flat, 6 + widths.length);
  const floats = new Float32Array(buffer);
  let at = 6 + widths.length + flat.length;
  floats.set(exponents.map((exponent) => 2 ** exponent), at);
  at += exponents.length;
  for (const tensor of tensors) {
    floats.set(tensor, at);
    at += tensor.length;
  }
  return new Uint8Array(buffer);
}

/**
 * Bytes that an honest signal needs at most for its integers; figures as in `tuner/core/host.py`.
 * @param {Wavelets} network
 * @param {number} coded
 */
function memoryNeeded({ samples, scales, colours }, coded) {
  return levelsOf(samples, scales, colours).reduce(
    (memory, { nodes, subbands }) =>
      memory + subbands * (512 + 4 * product(nodes) + 2 * product(nodes.map((count) => count + 2))),
    2 ** 23 + 2 * coded,
  );
}

/**
 * Bytes that values take beside the integers, at most; figures as in `tuner/core/synthesis.py`.
 * @param {Wavelets} network
 */
function pixelMemory({ samples, scales, colours, channels, frequencies, widths, tensors }) {
  const fields = 1 + Math.min(scales, 3);
  const [first, ...others] = samples.length > 1 ? samples : [1, ...samples];
  const [plane, last] = [product(others), others[others.length - 1]];
  const rows = Math.min(first, Math.max(2, Math.floor(8192 / plane))) + 8;
  const sums = fields + colours - 1 + (colours > 1 ? channels : 0);
  const coarse = product(samples.map((count) => Math.ceil(count / 2))) + 16;
  let floats = tensors.reduce((sum, tensor) => sum + tensor.length, 0) * 32 + 8 * (frequencies.length * samples.length + 64);
  floats += ((fields - 1) * colours + 1) * coarse;
  floats += rows * ((sums + channels) * plane + (plane / last) * (last + 32)) + sums * (4 * fields * colours + 64);
  floats += (2 * frequencies.length + 4 * (Math.max(...widths) + channels) + 64) * 272;
  return 4 * floats;
}
