/** A picture beside JPEG, WebP and AVIF of as many bytes, written by this browser, all of them seen through one view. */
import { listen } from "/page/web/gestures.js";
import { View } from "/page/web/view.js";
import { request } from "./api.js";
import { bytes, decibels, element } from "./parts.js";

const FORMATS = { JPEG: "image/jpeg", WebP: "image/webp", AVIF: "image/avif" };
/** Halvings of the span of qualities. */
const HALVINGS = 8;
/** Pixels of a picture that is encoded on a page at most. */
const MOST_PIXELS = 2 ** 24;

/** One view of several pictures of the same size: where one goes, all go. */
export class SharedView {
  constructor() {
    this.view = new View();
    /** @type {Set<() => void>} */
    this.paints = new Set();
    this.ending = new AbortController();
  }

  changed() {
    for (const paint of this.paints) paint();
  }

  /** @param {import("/page/web/element.js").TnrImage} picture that is not in the page yet */
  add(picture) {
    const paint = picture.changed.bind(picture);
    picture.view = this.view;
    picture.changed = () => this.changed();
    this.paints.add(paint);
  }

  /**
   * @param {ImageBitmap} bitmap
   * @param {string} label
   * @returns {HTMLElement}
   */
  canvasOf(bitmap, label) {
    const { view } = this;
    const canvas = element("canvas", { role: "img", "aria-label": label, tabIndex: 0 });
    const paint = () => {
      [canvas.width, canvas.height] = [view.screenWidth, view.screenHeight];
      const context = canvas.getContext("2d");
      // From near, what the format says of a pixel, and nothing between two of them, of which it says nothing.
      context.imageSmoothingEnabled = view.scale < 1;
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmap, ...view.place({ left: 0, top: 0, right: bitmap.width, bottom: bitmap.height }));
    };
    this.paints.add(paint);
    const end = listen(canvas, view, () => this.changed());
    this.ending.signal.addEventListener("abort", end);
    paint();
    return canvas;
  }

  stop() {
    this.ending.abort();
    this.paints.clear();
  }
}

/**
 * The largest file of a format within a size; if even the smallest is larger, that one.
 * @param {OffscreenCanvas} canvas
 * @param {string} type
 * @param {number} most bytes
 * @returns {Promise<Blob | null>} null if the browser does not write the format
 */
export async function encoded(canvas, type, most) {
  let best = await canvas.convertToBlob({ type, quality: 0 });
  if (best.type !== type) return null; // browsers answer with a PNG instead
  let [low, high] = [0, 1];
  for (let halving = 0; halving < HALVINGS && best.size <= most; halving++) {
    const quality = (low + high) / 2;
    const blob = await canvas.convertToBlob({ type, quality });
    if (blob.size > most) high = quality;
    else [low, best] = [quality, blob];
  }
  return best;
}

/**
 * @param {Uint8ClampedArray} one RGBA, as the other
 * @param {Uint8ClampedArray} other
 */
export function psnrOf(one, other) {
  let squares = 0;
  for (let at = 0; at < one.length; at++) if (at % 4 < 3) squares += (one[at] - other[at]) ** 2;
  return 10 * Math.log10((255 * 255 * 0.75 * one.length) / squares);
}

/** @param {ImageBitmap} bitmap */
function drawnOff(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0);
  return { canvas, data: context.getImageData(0, 0, bitmap.width, bitmap.height).data };
}

/**
 * @param {string} signal whose picture is encoded
 * @param {import("/page/web/tnr.js").TnrFile} file of it
 * @param {SharedView} shared
 * @returns {Promise<HTMLElement>}
 */
export async function rivalsOf(signal, file, shared) {
  const { bytes: most, shape, channels } = file.info;
  const [height, width] = shape;
  if (channels % 2 === 0) return element("p", {}, "Transparent pictures are not encoded here: JPEG has no transparency.");
  if (width * height > MOST_PIXELS) return element("p", {}, `${width} × ${height} pixels are too many to be encoded in a page.`);
  const sent = await (await request(`/signals/${signal}/content`)).blob();
  /** @type {ImageBitmap} */
  let original;
  try {
    original = await createImageBitmap(sent);
  } catch {
    return element("p", {}, "This browser does not read the file that was sent, so that it cannot encode it anew: send a PNG, JPEG, WebP or AVIF file to compare them.");
  }
  if (original.width !== width || original.height !== height) {
    return element("p", {}, `This browser reads ${original.width} × ${original.height} pixels from the file that was sent, and the fit has ${width} × ${height}: they cannot be compared.`);
  }
  const { canvas, data } = drawnOff(original);
  const { data: ours } = await file.pixels({ as: "rgba" });
  /** @type {HTMLElement[]} */
  const figures = [figure(shared.canvasOf(original, "What was sent"), "Sent", sent.size, null)];
  const missing = [];
  for (const [name, type] of Object.entries(FORMATS)) {
    const blob = await encoded(canvas, type, most);
    if (!blob) {
      missing.push(name);
      continue;
    }
    const bitmap = await createImageBitmap(blob);
    figures.push(figure(shared.canvasOf(bitmap, `${name} of ${bytes(blob.size)}`), name, blob.size, psnrOf(data, drawnOff(bitmap).data), most));
  }
  return element(
    "div",
    { id: "rivals" },
    element("p", {}, `The fit: ${bytes(most)}, ${decibels(psnrOf(data, ours))}. Each other format has the best quality within that size, as this browser writes it; encoders that take longer do better. Quality is PSNR of 8-bit colours.`),
    missing.length ? element("p", { id: "unwritten" }, `${missing.join(" and ")}: this browser reads it and does not write it, so that there is none to see.`) : null,
    element("div", { className: "panes" }, ...figures),
  );
}

/**
 * @param {HTMLElement} canvas
 * @param {string} name
 * @param {number} size
 * @param {number | null} psnr
 * @param {number} [most]
 */
function figure(canvas, name, size, psnr, most = Infinity) {
  const words = [`${name}: ${bytes(size)}`, psnr === null ? "" : decibels(psnr), size > most ? "its smallest, and larger than the fit" : ""];
  const made = element("figure", {}, canvas, element("figcaption", {}, words.filter(Boolean).join(", ")));
  made.dataset.format = name;
  made.dataset.bytes = String(size);
  return made;
}
