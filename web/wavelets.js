/** Chunk 07: the small network in numbers, and where the coded latents are; the core does the rest. */
import { ByteReader } from "./bytes.js";
import { GeometricTable, RangeDecoder } from "./entropy.js";
import { corrupt } from "./errors.js";
import { checkLimit, product } from "./limits.js";

/**
 * @typedef {object} Wavelets
 * @property {number[]} samples along each axis
 * @property {number} scales
 * @property {number} colours
 * @property {number} channels
 * @property {number} period
 * @property {number[]} widths
 * @property {number[][]} frequencies
 * @property {number[]} exponents
 * @property {Int32Array[]} integers of the weights, tensor by tensor
 * @property {Float32Array[]} tensors integers times steps
 * @property {Uint8Array} latents as they are coded
 */

const MOST_SCALES = 16;
const MOST_FREQUENCIES = 4096;
const LARGEST_REACH = 2 ** 20;
const LARGEST_EXPONENT = 32;

/**
 * @param {Uint8Array} payload its beginning suffices for the first levels of latents
 * @param {import("./container.js").Header} header
 * @param {import("./limits.js").Limits} limits
 * @returns {Wavelets}
 */
export function readWavelets(payload, header, limits) {
  const reader = new ByteReader(payload);
  const { shape: samples, channels, period, widths, frequencies: count } = header;
  const [seed, reach] = [reader.varint("frequency seed"), reader.varint("frequency reach")];
  const [scales, colours] = [reader.byte("number of scales"), reader.byte("number of colours")];
  if (!(scales >= 1 && scales <= MOST_SCALES && colours >= 1)) {
    throw corrupt(`the network has ${scales} scales of ${colours} colours, expected 1 to ${MOST_SCALES} scales of at least one`);
  }
  const [axes, fields] = [samples.length, 1 + Math.min(scales, 3)];
  const inputs = fields + colours - 1 + (axes * (axes + 3)) / 2;
  const last = widths[widths.length - 1];
  const deeper = widths.slice(1).flatMap((width, layer) => [width * widths[layer], width]);
  const sizes = [widths[0] * 2 * count, widths[0] * inputs, widths[0], ...deeper, channels * fields * colours, channels * last, channels];
  const weights = sizes.reduce((sum, size) => sum + size, latentCount(samples, scales, colours));
  checkLimit(limits, "weights", weights);
  if (count > MOST_FREQUENCIES || !(reach >= 1 && reach <= LARGEST_REACH) || 4 * count > (reach + 1) ** axes + 3) {
    throw corrupt(`the network has ${count} frequencies within ${reach}, expected at most ${MOST_FREQUENCIES} within 1 to ${LARGEST_REACH}, and a quarter of those`);
  }
  const exponents = Array.from({ length: inputs }, (_, input) => {
    const exponent = reader.signed(`exponent of input ${input}`);
    if (Math.abs(exponent) > LARGEST_EXPONENT) throw corrupt(`an exponent is ${exponent}, expected at most ${LARGEST_EXPONENT} either way`);
    return exponent;
  });
  const heads = sizes.map((_, tensor) => {
    const step = reader.float(`step of tensor ${tensor}`);
    if (!(step > 0 && step <= 2 ** 32)) throw corrupt(`a step is ${step}, expected more than 0, at most 2^32`);
    return { step, table: new GeometricTable(reader, `table of tensor ${tensor}`) };
  });
  const words = 4 * reader.varint("number of words of the weights");
  const coder = new RangeDecoder(reader.take(words, "coded weights"));
  const integers = sizes.map((size, tensor) => coder.take(size, heads[tensor].table));
  coder.finish();
  const tensors = integers.map((tensor, number) => Float32Array.from(tensor, (integer) => integer * heads[number].step));
  const frequencies = seededFrequencies(count, axes, reach, seed);
  const latents = reader.take(reader.remaining, "coded latents");
  return { samples, scales, colours, channels, period, widths, frequencies, exponents, integers, tensors, latents };
}

/**
 * Nodes along each axis, and the number of subbands, level by level from coarse to fine.
 * @param {number[]} samples
 * @param {number} scales
 * @param {number} colours
 */
export function levelsOf(samples, scales, colours) {
  return Array.from({ length: scales + 1 }, (_, level) => {
    const spacing = 2 ** Math.min(scales, scales + 1 - level);
    return { nodes: samples.map((count) => Math.ceil(count / spacing)), subbands: colours * (level ? 2 ** samples.length - 1 : 1) };
  });
}

/**
 * @param {number[]} samples
 * @param {number} scales
 * @param {number} colours
 */
const latentCount = (samples, scales, colours) =>
  levelsOf(samples, scales, colours).reduce((sum, level) => sum + level.subbands * product(level.nodes), 0);

/**
 * Integer frequencies that a seed stands for, by SplitMix64.
 * @param {number} count
 * @param {number} axes
 * @param {number} reach
 * @param {number} seed
 */
function seededFrequencies(count, axes, reach, seed) {
  const mask = (1n << 64n) - 1n;
  let state = BigInt(seed);
  const draw = (/** @type {bigint} */ size) => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return Number((z ^ (z >> 31n)) % size);
  };
  const size = BigInt(reach + 1);
  const [chosen, seen] = [/** @type {number[][]} */ ([]), new Set([Array(axes).fill(0).join()])];
  while (chosen.length < count) {
    const vector = Array.from({ length: axes }, (_, axis) => {
      const least = Math.min(draw(size), draw(size), draw(size));
      return draw(2n) && axis > 0 && least ? -least : least;
    });
    if (seen.has(vector.join())) continue;
    seen.add(vector.join()).add(vector.map((component) => (component ? -component : 0)).join());
    chosen.push(vector);
  }
  return chosen;
}
