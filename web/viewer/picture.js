/** A picture: zoomed without end, and beside the original if somebody has it. */
import { comparison } from "./original.js";
import { element } from "./parts.js";

/** Samples that a picture in tiles may have to be decoded as a whole. */
const MOST_COMPARED = 2 ** 24;

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
  const help = element("p", { className: "help" }, "Double click, pinch, Ctrl and wheel, or + and − zoom; drag or arrow keys move; 0 shows all of it.");
  const { shape, tiles } = file.info;
  const compared = tiles && shape[0] * shape[1] > MOST_COMPARED ? [] : [comparison(stage, file, name)];
  stage.replaceChildren(picture, element("div", { className: "tools", role: "group", "aria-label": "View" }, ...buttons, scale), help, ...compared);
  await new Promise((resolve) => {
    picture.addEventListener("load", resolve, { once: true });
    picture.addEventListener("error", resolve, { once: true });
  });
}
