/** A picture beside the one that it was made from, which a file does not hold: somebody drops or chooses it. */
import { heatPixels } from "./analysis.js";
import { element, paintPixels } from "./parts.js";

/** Of 255: this much of an error is as bright as the map of errors gets. */
const WHITE_ERROR = 32;

/**
 * @param {HTMLElement} stage which takes what is dropped
 * @param {import("../tnr.js").TnrFile} file
 * @param {string} name
 * @returns {HTMLElement}
 */
export function comparison(stage, file, name) {
  const [height, width] = file.info.shape;
  const chooser = element("input", { type: "file", accept: "image/*", id: "tnr-original" });
  const message = element("p", { "aria-live": "polite", className: "help" }, "It stays on this machine. A picture may also be dropped on this page.");
  const body = element("div", { className: "pair", hidden: true });
  const show = async (/** @type {File} */ given) => {
    try {
      const bitmap = await createImageBitmap(given);
      if (bitmap.width !== width || bitmap.height !== height) {
        throw new Error(`${given.name} has ${bitmap.width} × ${bitmap.height} pixels, expected ${width} × ${height}: choose the picture that the file was made from`);
      }
      const canvas = new OffscreenCanvas(width, height);
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
      context.drawImage(bitmap, 0, 0);
      const original = context.getImageData(0, 0, width, height).data;
      const { data } = await file.pixels({ as: "rgba" });
      const { psnr, shares } = errorsOf(original, data);
      body.replaceChildren(pairOf(original, data, width, height, name), errorFigure(shares, width, height, name));
      body.hidden = false;
      message.textContent = `${given.name}: ${psnr === Infinity ? "the same in every pixel" : `PSNR ${psnr.toFixed(2)} dB`} in 8 bits.`;
    } catch (error) {
      body.hidden = true;
      const said = error instanceof DOMException ? `${given.name} is no picture that this browser reads: choose a PNG, JPEG, WebP or AVIF file` : String(/** @type {Error} */ (error).message);
      message.textContent = said;
    }
  };
  chooser.addEventListener("change", () => chooser.files[0] && show(chooser.files[0]));
  stage.addEventListener("dragover", (event) => event.preventDefault());
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    const given = event.dataTransfer?.files[0];
    if (given) show(given);
  });
  return element("section", { className: "compare" }, element("label", { htmlFor: "tnr-original" }, "Compare with the original: "), chooser, message, body);
}

/**
 * @param {Uint8ClampedArray} original
 * @param {Uint8ClampedArray} found
 */
function errorsOf(original, found) {
  let squares = 0;
  const shares = new Float32Array(original.length / 4);
  for (let pixel = 0; pixel < shares.length; pixel++) {
    let largest = 0;
    for (let colour = 0; colour < 3; colour++) {
      const error = original[4 * pixel + colour] - found[4 * pixel + colour];
      squares += error * error;
      largest = Math.max(largest, Math.abs(error));
    }
    shares[pixel] = largest / WHITE_ERROR;
  }
  return { psnr: 10 * Math.log10((255 * 255 * 3 * shares.length) / squares), shares };
}

/**
 * Original to the left of a line, the file to its right; a slider moves the line.
 * @param {Uint8ClampedArray<ArrayBuffer>} original
 * @param {Uint8ClampedArray<ArrayBuffer>} found
 * @param {number} width
 * @param {number} height
 * @param {string} name
 */
function pairOf(original, found, width, height, name) {
  const left = element("canvas", { className: "frame over", role: "img", "aria-label": "Original, to the left of the line" });
  const right = element("canvas", { className: "frame", role: "img", "aria-label": `${name}, to the right of the line` });
  paintPixels(left, original, width, height);
  paintPixels(right, found, width, height);
  const slider = element("input", { type: "range", id: "tnr-divide", min: "0", max: "100", step: "0.5" });
  const holder = element("div", { className: "divided" }, right, left, element("span", { className: "divider" }));
  const move = () => holder.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", move);
  holder.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (!event.buttons) return;
    const { left: start, width: size } = holder.getBoundingClientRect();
    slider.value = String((100 * (event.clientX - start)) / size);
    move();
  });
  slider.value = "50";
  move();
  const row = element("div", { className: "slider" }, element("label", { htmlFor: "tnr-divide" }, "Original | file"), slider);
  return element("figure", {}, holder, row);
}

/**
 * @param {Float32Array} shares
 * @param {number} width
 * @param {number} height
 * @param {string} name
 */
function errorFigure(shares, width, height, name) {
  const canvas = element("canvas", { className: "frame error", role: "img", "aria-label": `Errors of ${name}` });
  paintPixels(canvas, heatPixels(shares), width, height);
  return element("figure", {}, canvas, element("figcaption", {}, `Errors: black is none, pale ${WHITE_ERROR} of 255 or more.`));
}
