/** Fields of a wavelet network as nodes of cubic splines: inverse wavelets, then the prefilter, in plain JavaScript. */
import { product } from "./limits.js";
import { levelsOf } from "./wavelets.js";

const LOW_GAIN = 1.149604398860241;
/** Lifting, the last step of the analysis first: which samples are changed (0: even ones), and by how much. */
const LIFTING = [
  [0, -0.443506852043971],
  [1, -0.882911075530934],
  [0, 0.052980118572961],
  [1, 1.586134342059924],
];

/**
 * @typedef {object} Nodes of the sums that the network reads, each float32 and as many as the signal has samples
 * @property {Float32Array[]} first fields of the first colour
 * @property {Float32Array[]} others sums over all fields of each other colour
 * @property {Float32Array[]} skips for each channel, what the skip makes of the other colours; none of a single colour
 * @property {Float32Array} brightness sum of the fields of the first colour
 */

/**
 * @param {import("./wavelets.js").Wavelets} network
 * @param {Int32Array} integers
 * @returns {Nodes}
 */
export function splineNodes(network, integers) {
  const { samples, scales, colours, channels, tensors } = network;
  const fields = 1 + Math.min(scales, 3);
  const skip = tensors[tensors.length - 3];
  const bands = subbandsOf(network, integers);
  const sum = (/** @type {(field: number, colour: number) => number} */ weight) =>
    throughSamples(inverse(samples, scales, bands, fields, colours, weight), samples);
  const first = Array.from({ length: fields }, (_, own) => sum((field, colour) => (field === own && colour === 0 ? 1 : 0)));
  const others = Array.from({ length: colours - 1 }, (_, other) => sum((_field, colour) => (colour === other + 1 ? 1 : 0)));
  const skips = Array.from({ length: colours > 1 ? channels : 0 }, (_, channel) =>
    sum((field, colour) => (colour ? skip[(channel * fields + field) * colours + colour] : 0)),
  );
  const brightness = first[0].slice();
  for (const field of first.slice(1)) for (let at = 0; at < brightness.length; at++) brightness[at] += field[at];
  return { first, others, skips, brightness };
}

/**
 * Integers of each level, by colour and orientation.
 * @param {import("./wavelets.js").Wavelets} network
 * @param {Int32Array} integers
 */
function subbandsOf({ samples, scales, colours }, integers) {
  let at = 0;
  return levelsOf(samples, scales, colours).map(({ nodes, subbands }) => {
    const size = product(nodes);
    return Array.from({ length: subbands }, () => integers.subarray(at, (at += size)));
  });
}

/**
 * A weighted sum of wavelets on the samples.
 * @param {number[]} samples
 * @param {number} scales
 * @param {Int32Array[][]} bands
 * @param {number} fields
 * @param {number} colours
 * @param {(field: number, colour: number) => number} weight
 */
function inverse(samples, scales, bands, fields, colours, weight) {
  const kinds = 2 ** samples.length - 1;
  /** @type {Float32Array | null} */
  let low = null;
  for (let power = scales; power > 0; power--) {
    const level = scales + 1 - power;
    const field = Math.max(0, fields - power);
    const coarse = samples.map((count) => Math.ceil(count / 2 ** power));
    const size = product(coarse);
    if (level === 1) low = weighted(bands[0], 1, 0, size, (colour) => weight(0, colour), colours);
    const all = [low];
    for (let kind = 0; kind < kinds; kind++) all.push(weighted(bands[level], kinds, kind, size, (colour) => weight(field, colour), colours));
    low = oneStep(all, coarse, samples.map((count) => Math.ceil(count / 2 ** (power - 1))));
  }
  return low ?? new Float32Array(product(samples));
}

/**
 * @param {Int32Array[]} bands
 * @param {number} kinds
 * @param {number} kind
 * @param {number} size
 * @param {(colour: number) => number} weight
 * @param {number} colours
 */
function weighted(bands, kinds, kind, size, weight, colours) {
  /** @type {Float32Array | null} */
  let found = null;
  for (let colour = 0; colour < colours; colour++) {
    const factor = weight(colour);
    const band = bands[colour * kinds + kind];
    if (!factor || band.every((integer) => integer === 0)) continue;
    found ??= new Float32Array(size);
    for (let at = 0; at < size; at++) found[at] += factor * band[at];
  }
  return found;
}

/**
 * Low-pass and high-pass halves along all axes become one array; what is absent is 0.
 * @param {(Float32Array | null)[]} bands by orientation
 * @param {number[]} coarse
 * @param {number[]} fine
 */
function oneStep(bands, coarse, fine) {
  const sizes = coarse.slice();
  let current = bands;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    const merged = [];
    for (let pair = 0; pair < current.length; pair += 2) merged.push(lifted(current[pair], current[pair + 1], sizes, axis, fine[axis]));
    current = merged;
    sizes[axis] = fine[axis];
  }
  return current[0];
}

/**
 * @param {Float32Array | null} low
 * @param {Float32Array | null} high
 * @param {number[]} sizes of both
 * @param {number} axis
 * @param {number} count samples along the axis that they become
 */
function lifted(low, high, sizes, axis, count) {
  if (!low && !high) return null;
  const [before, half, after] = [product(sizes.slice(0, axis)), sizes[axis], product(sizes.slice(axis + 1))];
  const found = new Float32Array(before * count * after);
  for (let outer = 0; outer < before; outer++) {
    const to = outer * count * after;
    for (let parity = 0; parity < 2; parity++) {
      const source = parity ? high : low;
      if (!source) continue;
      const gain = count === 1 ? 1 : parity ? LOW_GAIN : 1 / LOW_GAIN;
      for (let at = parity, from = outer * half * after; at < count; at += 2, from += after) {
        for (let inner = 0, here = to + at * after; inner < after; inner++) found[here + inner] = gain * source[from + inner];
      }
    }
  }
  if (count === 1) return found;
  for (const [parity, factor] of LIFTING) {
    for (let outer = 0; outer < before; outer++) {
      const to = outer * count * after;
      for (let at = parity; at < count; at += 2) {
        const here = to + at * after;
        const left = to + (at ? at - 1 : 1) * after;
        const right = to + (at < count - 1 ? at + 1 : count - 2) * after;
        for (let inner = 0; inner < after; inner++) found[here + inner] += factor * (found[left + inner] + found[right + inner]);
      }
    }
  }
  return found;
}

/**
 * Nodes with which a cubic spline goes through samples, along all axes; the nodes beyond the ends are the outermost ones.
 * @param {Float32Array} values changed in place
 * @param {number[]} samples
 */
function throughSamples(values, samples) {
  samples.forEach((count, axis) => {
    if (count === 1) return;
    const [before, after] = [product(samples.slice(0, axis)), product(samples.slice(axis + 1))];
    // Rows of the system are 1 4 1 over 6, with 5 at both ends: elimination has the same factors in every line.
    const factors = new Float64Array(count);
    for (let at = 0; at < count; at++) factors[at] = 1 / ((at && at < count - 1 ? 4 : 5) - (at ? factors[at - 1] : 0));
    for (let outer = 0; outer < before; outer++) {
      const start = outer * count * after;
      for (let at = 0; at < count; at++) {
        const here = start + at * after;
        for (let inner = here; inner < here + after; inner++) values[inner] = (6 * values[inner] - (at ? values[inner - after] : 0)) * factors[at];
      }
      for (let at = count - 2; at >= 0; at--) {
        const here = start + at * after;
        for (let inner = here; inner < here + after; inner++) values[inner] -= factors[at] * values[inner + after];
      }
    }
  });
  return values;
}
