/** What is read of the payloads of networks before the core reads the rest: sizes, held to limits before memory is taken. */
import { ByteReader } from "./bytes.js";
import { corrupt } from "./errors.js";
import { checkLimit, product } from "./limits.js";

/** @typedef {import("./container.js").Header} Header */
/** @typedef {import("./limits.js").Limits} Limits */

/**
 * @typedef {object} Layout of wavelets
 * @property {number[]} samples along each axis
 * @property {number} scales
 * @property {number} colours
 * @property {number[]} sizes of the tensors of weights, in the order of the file
 * @property {number} inputs of the first layer beside sines
 */

const MOST_SCALES = 16;
const MOST_FREQUENCIES = 4096;

/**
 * @param {Uint8Array} payload of chunk 07, of which the first bytes suffice
 * @param {Header} header
 * @param {Limits} limits
 * @returns {Layout}
 */
export function layoutOf(payload, { shape: samples, channels, widths, frequencies }, limits) {
  const reader = new ByteReader(payload);
  reader.varint("frequency seed");
  reader.varint("frequency reach");
  const [scales, colours] = [reader.byte("number of scales"), reader.byte("number of colours")];
  if (!(scales >= 1 && scales <= MOST_SCALES && colours >= 1)) {
    throw corrupt(`the network has ${scales} scales of ${colours} colours, expected 1 to ${MOST_SCALES} scales of at least one`);
  }
  const [axes, fields] = [samples.length, 1 + Math.min(scales, 3)];
  const inputs = fields + colours - 1 + (axes * (axes + 3)) / 2;
  const deeper = widths.slice(1).flatMap((width, layer) => [width * widths[layer], width]);
  const last = widths[widths.length - 1];
  const sizes = [widths[0] * 2 * frequencies, widths[0] * inputs, widths[0], ...deeper, channels * fields * colours, channels * last, channels];
  const layout = { samples, scales, colours, sizes, inputs };
  const latents = levelsOf(layout).reduce((sum, level) => sum + level.subbands * product(level.nodes), 0);
  checkLimit(limits, "weights", sizes.reduce((sum, size) => sum + size, latents));
  if (frequencies > MOST_FREQUENCIES) throw corrupt(`the network has ${frequencies} frequencies, expected at most ${MOST_FREQUENCIES}`);
  return layout;
}

/**
 * Nodes along each axis, and the number of subbands, level by level from coarse to fine.
 * @param {Layout} layout
 */
export function levelsOf({ samples, scales, colours }) {
  return Array.from({ length: scales + 1 }, (_, level) => {
    const spacing = 2 ** Math.min(scales, scales + 1 - level);
    return { nodes: samples.map((count) => Math.ceil(count / spacing)), subbands: colours * (level ? 2 ** samples.length - 1 : 1) };
  });
}

/**
 * @typedef {object} Sines
 * @property {number} chunk 1 or 3
 * @property {Uint8Array} payload of that chunk
 * @property {Header} header with the channels of all windows
 * @property {number} windows 1 where there are none
 * @property {number} window samples of each, as a part of the line
 */

/**
 * A network of sines, taken out of its windows if it has any.
 * @param {number} chunk
 * @param {Uint8Array} payload
 * @param {Header} header
 * @param {Limits} limits
 * @returns {Sines}
 */
export function sinesOf(chunk, payload, header, limits) {
  if (chunk !== 4) return { chunk, payload, header, windows: 1, window: header.shape[0] };
  const reader = new ByteReader(payload);
  const [windows, window, [samples]] = [reader.varint("number of windows"), reader.varint("samples of a window"), header.shape];
  if (header.shape.length !== 1 || !(windows >= 2 && windows <= samples && samples <= windows * window && window <= samples)) {
    throw corrupt(`the file has ${windows} windows of ${window} samples for a grid of ${header.shape}, expected windows that cover one axis`);
  }
  const inner = reader.byte("kind of network");
  if (inner !== 1 && inner !== 3) throw corrupt(`the windows are of a network of kind ${inner}, expected 1 or 3`);
  const all = { ...header, channels: windows * header.channels };
  checkLimit(limits, "weights", weightsOf(all));
  return { chunk: inner, payload: reader.take(reader.remaining, "network"), header: all, windows, window };
}

/**
 * Weights of a network of sines, with its frequencies.
 * @param {Header} header
 */
export function weightsOf({ shape, channels, frequencies, widths }) {
  let [weights, inputs] = [frequencies * (shape.length + 1), frequencies];
  for (const width of [...widths, channels]) [weights, inputs] = [weights + width * (inputs + 1), width];
  return weights;
}
