/** Maps of a picture that are shown when they are asked for: steepness, spectrum, bits; and the weights of any file. */
import { bitsByCell, heatPixels, histogramOf, spectrumOf } from "./analysis.js";
import { inGroups, onceShown, paintPixels } from "./parts.js";

/** Points of the map of steepness along its longer side at most: each is a derivative along two axes. */
const MOST_POINTS = 256;
/** Samples of the spectrum along an axis at most. */
const MOST_SPECTRUM = 256;
const DECIBELS = 80;
const PARTS = 81;

/** @typedef {import("../tnr.js").TnrFile} TnrFile */

/**
 * A button for each map that the file has, and what they show.
 * @param {TnrFile} file
 * @param {string} name
 * @returns {{buttons: HTMLElement[], figures: HTMLElement[]}}
 */
export function mapsOf(file, name) {
  const { shape, network, tiles } = file.info;
  const isPicture = shape.length === 2;
  // Each tile is a network of its own, and all of them would be decoded; how many bytes each has is known at once.
  if (tiles) {
    const bits = onceShown("Where the bits are", `Bits of each tile of the picture in ${name}`, (canvas) => paintTiles(canvas, file.info));
    return isPicture ? { buttons: [bits.button], figures: [bits.figure] } : { buttons: [], figures: [] };
  }
  const maps = [
    ...(isPicture ? [onceShown("How steep it is", `How steep the picture in ${name} is`, (canvas) => paintSteepness(canvas, file))] : []),
    ...(isPicture ? [onceShown("Spectrum", `Spectrum of the picture in ${name}, with the frequencies of its network`, (canvas) => paintSpectrum(canvas, file))] : []),
    ...(isPicture && network === "wavelets" ? [onceShown("Where the bits are", `Bits of each region of the picture in ${name}`, (canvas) => paintBits(canvas, file))] : []),
    onceShown("Weights", `How often weights of each size are in ${name}`, (canvas) => paintWeights(canvas, file)),
  ];
  return { buttons: maps.map(({ button }) => button), figures: maps.map(({ figure }) => figure) };
}

/**
 * Length of the gradient in samples, largest of all channels, at the middles of so many cells; white is the steepest.
 * @param {HTMLCanvasElement} canvas
 * @param {TnrFile} file
 */
async function paintSteepness(canvas, file) {
  const { shape, channels } = file.info;
  const factor = Math.min(1, MOST_POINTS / Math.max(...shape));
  const [lines, columns] = shape.map((count) => Math.max(1, Math.round(count * factor)));
  const points = new Float32Array(2 * lines * columns);
  for (let at = 0; at < lines * columns; at++) {
    points[2 * at] = (2 * (Math.floor(at / columns) + 0.5)) / lines - 1;
    points[2 * at + 1] = (2 * ((at % columns) + 0.5)) / columns - 1;
  }
  const gradients = await file.gradient(points);
  const sizes = Float32Array.from({ length: lines * columns }, (_, at) => {
    let most = 0;
    for (let channel = 0; channel < channels; channel++) {
      const from = 2 * (at * channels + channel);
      most = Math.max(most, Math.hypot((gradients[from] * 2) / shape[0], (gradients[from + 1] * 2) / shape[1]));
    }
    return most;
  });
  const largest = sizes.reduce((most, size) => Math.max(most, size), 1e-30);
  const pixels = new Uint8ClampedArray(4 * sizes.length).fill(255);
  sizes.forEach((size, at) => pixels.fill(255 * Math.sqrt(size / largest), 4 * at, 4 * at + 3));
  paintPixels(canvas, pixels, columns, lines);
  return "Length of the exact gradient: white is the steepest.";
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {TnrFile} file
 */
async function paintSpectrum(canvas, file) {
  const { shape, channels, period } = file.info;
  const sizes = shape.map((count) => Math.min(MOST_SPECTRUM, 2 ** Math.floor(Math.log2(Math.max(2, count)))));
  const [lines, columns] = sizes;
  const [{ data }, { frequencies }] = await Promise.all([file.pixels({ shape: sizes }), file.network()]);
  const colours = channels >= 3 ? 3 : 1;
  const brightness = Float32Array.from({ length: lines * columns }, (_, at) => {
    let sum = 0;
    for (let colour = 0; colour < colours; colour++) sum += data[at * channels + colour];
    return sum / colours;
  });
  const zoom = Math.max(1, Math.round((2 * MOST_SPECTRUM) / Math.max(lines, columns)));
  const small = new OffscreenCanvas(columns, lines);
  const shares = spectrumOf(brightness, lines, columns).map((one) => 1 + one / DECIBELS);
  small.getContext("2d")?.putImageData(new ImageData(heatPixels(shares), columns, lines), 0, 0);
  [canvas.width, canvas.height] = [columns * zoom, lines * zoom];
  const context = canvas.getContext("2d");
  if (!context) return "";
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.strokeStyle = "#4fe3ff";
  context.lineWidth = 1.25;
  let beyond = 0;
  for (const [down, across] of frequencies) {
    // Cycles within the picture, of which the period may be longer.
    const [y, x] = [(2 * down) / period, (2 * across) / period];
    if (Math.abs(y) > lines / 2 || Math.abs(x) > columns / 2) beyond++;
    for (const sign of [-1, 1]) {
      context.beginPath();
      context.arc((columns / 2 + sign * x + 0.5) * zoom, (lines / 2 + sign * y + 0.5) * zoom, 2.5, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  const more = beyond ? `, of which ${beyond} lie beyond` : "";
  return `Up to ${columns / 2} cycles across and ${lines / 2} down, ${DECIBELS} dB from black to white. Rings: ${frequencies.length} input frequencies${more}.`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {TnrFile} file
 */
async function paintBits(canvas, file) {
  const { shape, bytes } = file.info;
  const cell = Math.max(2, 2 ** Math.round(Math.log2(Math.max(...shape) / 96)));
  const { lines, columns, bits } = bitsByCell(await file.network(), shape, 8 * bytes, cell);
  const most = bits.reduce((largest, one) => Math.max(largest, one), 1e-30);
  paintPixels(canvas, heatPixels(bits.map((one) => one / most)), columns, lines);
  return `Estimated from the latents: up to ${(most / cell ** 2).toPrecision(2)} bits per sample (pale), in cells of ${cell} × ${cell} samples.`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("../tnr.js").Info} info
 */
async function paintTiles(canvas, { shape, tiles }) {
  const { lengths, counts, strides, overlaps } = /** @type {import("../tnr.js").TilesOfFile} */ (tiles);
  const [lines, columns] = counts;
  const samples = (/** @type {number} */ axis, /** @type {number} */ index) =>
    Math.min(shape[axis], (index + 1) * strides[axis] + overlaps[axis]) - index * strides[axis];
  const rates = Float32Array.from(lengths, (length, at) => (8 * length) / (samples(0, Math.floor(at / columns)) * samples(1, at % columns)));
  const most = rates.reduce((largest, one) => Math.max(largest, one), 1e-30);
  paintPixels(canvas, heatPixels(rates.map((one) => one / most)), columns, lines);
  return `Bytes of each of ${lengths.length} tiles: up to ${most.toPrecision(2)} bits per sample (pale), in tiles of ${strides[0]} × ${strides[1]} samples.`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {TnrFile} file
 */
async function paintWeights(canvas, file) {
  const { weights, latents } = await file.network();
  const all = new Float32Array(weights.reduce((sum, one) => sum + one.length, 0));
  weights.reduce((at, one) => (all.set(one, at), at + one.length), 0);
  const { reach, counts } = histogramOf(all, PARTS);
  const [width, height, bar] = [10 * PARTS, 240, 10];
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  if (!context) return "";
  context.fillStyle = getComputedStyle(canvas).color;
  const largest = Math.log1p(Math.max(...counts));
  counts.forEach((count, part) => {
    const size = (Math.log1p(count) / largest) * (height - 8);
    context.fillRect(part * bar + 1, height - size, bar - 2, size);
  });
  const zeros = latents.reduce((sum, one) => sum + Number(one === 0), 0);
  const others = latents.length ? ` Of ${inGroups(latents.length)} latents ${((100 * zeros) / latents.length).toFixed(1)} % are 0.` : "";
  return `${inGroups(all.length)} weights from ${(-reach).toPrecision(2)} to ${reach.toPrecision(2)}; heights are logarithms of counts.${others}`;
}
