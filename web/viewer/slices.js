/** A solid: three slices through one place, with a slider for each axis, and what is black and white; of four axes, one slider more. */
import { storageOf } from "../samples.js";
import { element, labelledSlider, latestOnly, paintPixels } from "./parts.js";

const AXES_OF = { volume: ["First axis", "Second axis", "Third axis", "Time"], sdf: ["x", "y", "z"] };

const WINDOW_STEPS = 200;
/** Samples along an axis in which the least and the largest value are looked for at most. */
const MOST_LOOKED_AT = 48;

/**
 * @param {HTMLElement} stage
 * @param {import("../tnr.js").TnrFile} file
 * @param {string} name
 */
export async function showSlices(stage, file, name) {
  const { shape, kind } = file.info;
  const names = /** @type {Record<string, string[]>} */ (AXES_OF)[kind] ?? shape.map((_, axis) => `Axis ${axis + 1}`);
  const place = shape.map((count) => count >> 1);
  const canvases = [0, 1, 2].map((axis) => {
    const canvas = element("canvas", { className: "slice", role: "img" });
    canvas.setAttribute("aria-label", `Slice of ${name} across ${names[axis]}`);
    return canvas;
  });
  const { range, unit } = await windowOf(file);
  const ends = { black: 0, white: WINDOW_STEPS };
  const draw = latestOnly(async () => {
    const [low, high] = [ends.black, Math.max(ends.white, ends.black + 1)].map((step) => range[0] + (step / WINDOW_STEPS) * (range[1] - range[0]));
    for (const [axis, canvas] of canvases.entries()) {
      const region = shape.map((count, other) => /** @type {[number, number]} */ (other === axis || other > 2 ? [place[other], place[other] + 1] : [0, count]));
      const { data } = await file.pixels({ region });
      const [height, width] = [0, 1, 2].filter((other) => other !== axis).map((other) => shape[other]);
      paintPixels(canvas, windowed(data, file.info.channels, low, high), width, height);
    }
  });
  const sliders = shape.map((count, axis) => {
    const { row } = labelledSlider(names[axis] ?? `Axis ${axis + 1}`, count, place[axis], (position) => {
      place[axis] = position;
      draw(undefined);
    });
    return row;
  });
  const windows = /** @type {const} */ (["black", "white"]).map((end) => {
    const said = (/** @type {number} */ step) => unit(range[0] + (step / WINDOW_STEPS) * (range[1] - range[0]));
    const moved = (/** @type {number} */ step) => {
      ends[end] = step;
      draw(undefined);
    };
    return labelledSlider(end === "black" ? "Black" : "White", WINDOW_STEPS + 1, ends[end], moved, said).row;
  });
  const pictures = canvases.map((canvas, axis) => element("figure", {}, canvas, element("figcaption", {}, `Across ${names[axis]}`)));
  stage.replaceChildren(element("div", { className: "slices" }, ...pictures), ...sliders, ...windows);
  await draw(undefined);
}

/**
 * What may be black and white: all that samples of the format can be, or all that the values come to.
 * @param {import("../tnr.js").TnrFile} file
 */
async function windowOf(file) {
  const { sampleFormat, scaling, shape } = file.info;
  const { isInteger, range, scale, offset } = storageOf(sampleFormat, scaling);
  const unit = (/** @type {number} */ value) => String(Number((value * scale + offset).toPrecision(4)));
  if (isInteger && !scaling) return { range, unit };
  const { data } = await file.pixels({ shape: shape.map((count) => Math.min(count, MOST_LOOKED_AT)) });
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return { range: [low, high > low ? high : low + 1], unit };
}

/**
 * Pixels of values: grey or colours, and opacity, which is as it is.
 * @param {Float32Array} values
 * @param {number} channels
 * @param {number} low is black
 * @param {number} high is white
 */
function windowed(values, channels, low, high) {
  const pixels = new Uint8ClampedArray((4 * values.length) / channels).fill(255);
  const isColour = channels === 3 || channels === 4;
  for (let at = 0, pixel = 0; at < values.length; at += channels, pixel += 4) {
    for (let colour = 0; colour < 3; colour++) pixels[pixel + colour] = (255 * (values[at + (isColour ? colour : 0)] - low)) / (high - low);
    if (channels === 4 || channels === 2) pixels[pixel + 3] = 255 * values[at + channels - 1];
  }
  return pixels;
}
