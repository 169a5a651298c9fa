/** Values of a network as samples of a format, or as pixels of a canvas. */

/**
 * A canvas off the screen with the answer to a question for "rgba", height before width.
 * @param {import("./tnr.js").Pixels<Uint8ClampedArray<ArrayBuffer>>} pixels
 */
export function canvasOf({ data, shape: [height, width] }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

const SAMPLE_TYPES = {
  ...{ u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, s8: Int8Array, s16: Int16Array, s24: Int32Array, s32: Int32Array },
  ...{ u64: Float64Array, s64: Float64Array, f16: Float32Array, f32: Float32Array, f64: Float64Array },
};

/**
 * How values of a format are stored: sample = value x scale + offset, limited to low ... high.
 * @param {string} format
 * @param {{scale: number, offset: number} | null} scaling
 */
export function storageOf(format, scaling) {
  const bits = Number(format.slice(1));
  const isInteger = format[0] !== "f";
  const exact = 2 ** 53;
  const low = format[0] === "u" ? 0 : Math.max(-(2 ** (bits - 1)), -exact);
  const high = Math.min(2 ** (bits - (format[0] === "s" ? 1 : 0)) - 1, exact);
  const natural = { scale: isInteger ? (low ? -low : high) : 1, offset: 0 };
  const { scale, offset } = scaling ?? natural;
  const range = isInteger ? (scaling ? [0, 1] : [low / scale, high / scale]) : [-Infinity, Infinity];
  return { isInteger, low, high, scale, offset, range };
}

/**
 * @param {Float32Array} values
 * @param {string} as "values": within what the format holds; "samples": as a file of the kind has them; "rgba"
 * @param {string} format
 * @param {{scale: number, offset: number} | null} scaling
 * @param {number} channels
 * @param {() => [number, number]} spanned least and largest of all values, asked for where nothing else says what is black
 */
export function toSamples(values, as, format, scaling, channels, spanned) {
  const { isInteger, low, high, scale, offset, range } = storageOf(format, scaling);
  if (as === "rgba") return toRgba(values, channels, isInteger ? (range[0] < 0 ? range : [0, 1]) : scaling ? [0, 1] : spanned());
  if (as !== "samples") return values.map((value) => Math.min(range[1], Math.max(range[0], value)));
  const Samples = /** @type {Float64ArrayConstructor} */ (SAMPLE_TYPES[/** @type {keyof typeof SAMPLE_TYPES} */ (format)]);
  return Samples.from(values, (value) => {
    const sample = Math.min(range[1], Math.max(range[0], value)) * scale + offset;
    return isInteger ? Math.min(high, Math.max(low, halfEven(sample))) : sample;
  });
}

/** @param {number} value rounded to the nearest integer, halves to the even one, as numpy does */
function halfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

/**
 * Pixels of a canvas: grey, grey and alpha, colours, or colours and alpha.
 * @param {Float32Array} values
 * @param {number} channels
 * @param {number[]} range what is black and what is white
 */
function toRgba(values, channels, [low, high]) {
  const factor = 255 / (high - low);
  const count = values.length / channels;
  // Clamped arrays round halves to even, as numpy does.
  const pixels = new Uint8ClampedArray(4 * count).fill(255);
  const isColour = channels === 3 || channels === 4;
  for (let pixel = 0; pixel < count; pixel++) {
    const from = pixel * channels;
    for (let colour = 0; colour < 3; colour++) pixels[4 * pixel + colour] = (values[from + (isColour ? colour : 0)] - low) * factor;
    if (channels === 4 || channels === 2) pixels[4 * pixel + 3] = (values[from + channels - 1] - low) * factor;
  }
  return pixels;
}
