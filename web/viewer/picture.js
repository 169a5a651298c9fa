/** A picture: zoomed without end, and how steep it is, by the exact derivatives of the network. */
import { element, latestOnly, paintPixels } from "./parts.js";

/** Points of the map of steepness along its longer side at most: each is a derivative along two axes. */
const MOST_POINTS = 256;

/**
 * @param {HTMLElement} stage
 * @param {import("../tnr.js").TnrFile} file
 * @param {string} name
 */
export async function showPicture(stage, file, name) {
  const [height, width] = file.info.shape;
  const picture = document.createElement("tnr-image");
  Object.assign(picture, { given: file, alt: `Picture in ${name}` });
  picture.setAttribute("loading", "eager");
  const steps = { "Zoom in": "+", "Zoom out": "-", "All of it": "0" };
  const buttons = Object.entries(steps).map(([text, key]) => {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => picture.dispatchEvent(new KeyboardEvent("keydown", { key })));
    return button;
  });
  const scale = element("output", { className: "scale" }, "all of it");
  picture.addEventListener("view", (event) => {
    const detail = /** @type {CustomEvent} */ (event).detail;
    scale.textContent = /** @type {any} */ (picture).view.isHome ? "all of it" : `${detail.scale.toPrecision(3)} pixels a sample`;
  });
  const steep = element("canvas", { className: "map", role: "img", hidden: true });
  steep.setAttribute("aria-label", `How steep the picture in ${name} is`);
  const toggle = element("button", { type: "button" }, "How steep it is");
  toggle.setAttribute("aria-pressed", "false");
  const draw = latestOnly(async () => {
    const factor = Math.min(1, MOST_POINTS / Math.max(width, height));
    await paintSteepness(steep, file, Math.max(1, Math.round(height * factor)), Math.max(1, Math.round(width * factor)));
  });
  toggle.addEventListener("click", async () => {
    const isShown = steep.hidden;
    toggle.setAttribute("aria-pressed", String(isShown));
    steep.hidden = !isShown;
    if (isShown) await draw(undefined);
  });
  const help = element("p", { className: "help" }, "Double click, pinch, Ctrl and wheel, or + and − zoom; drag or arrow keys move; 0 shows all of it.");
  stage.replaceChildren(picture, element("div", { className: "tools", role: "group", "aria-label": "View" }, ...buttons, scale, toggle), help, steep);
  await new Promise((resolve) => {
    picture.addEventListener("load", resolve, { once: true });
    picture.addEventListener("error", resolve, { once: true });
  });
}

/**
 * Length of the gradient in samples, largest of all channels, at the middles of so many cells; white is the steepest.
 * @param {HTMLCanvasElement} canvas
 * @param {import("../tnr.js").TnrFile} file
 * @param {number} lines
 * @param {number} columns
 */
async function paintSteepness(canvas, file, lines, columns) {
  const { shape, channels } = file.info;
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
}
