/** Small parts that all views are made of: elements, canvases, sliders. */

/** @type {Record<string, string>} */
export const TEXT_OF_KIND = { image: "image", audio: "sound", volume: "volume", video: "video", sdf: "distance field", array: "array" };

/**
 * @param {string} name
 * @param {Record<string, unknown>} attributes properties where the element has them, otherwise attributes
 * @param {...(Node | string)} children text is text, never markup
 * @returns {any}
 */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && key !== "role" && key !== "list") /** @type {any} */ (made)[key] = value;
    else made.setAttribute(key, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * A whole number as text, 1,234,567; without `toLocaleString`, whose first call takes 25 ms.
 * @param {number} count
 */
export const inGroups = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8ClampedArray<ArrayBuffer>} pixels
 * @param {number} width
 * @param {number} height
 */
export function paintPixels(canvas, pixels, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
}

let labelNumber = 0;

/**
 * A slider with its label and the number that it stands at.
 * @param {string} text
 * @param {number} count of positions
 * @param {number} start
 * @param {(position: number) => void} moved
 * @param {(position: number) => string} [said] what is written of a position
 * @returns {{row: HTMLElement, slider: HTMLInputElement, set: (position: number) => void}}
 */
export function labelledSlider(text, count, start, moved, said = (position) => `${position + 1} of ${count}`) {
  const id = `tnr-slider-${++labelNumber}`;
  const slider = element("input", { type: "range", id, min: "0", max: String(count - 1), step: "1" });
  slider.value = String(start);
  const shown = element("output", {}, said(start));
  shown.htmlFor = id;
  slider.addEventListener("input", () => {
    shown.textContent = said(Number(slider.value));
    moved(Number(slider.value));
  });
  const set = (/** @type {number} */ position) => {
    slider.value = String(position);
    slider.dispatchEvent(new Event("input"));
  };
  return { row: element("div", { className: "slider" }, element("label", { htmlFor: id }, text), slider, shown), slider, set };
}

/**
 * A function that runs another one, and once more with the latest argument if it was called in the meantime.
 * @template T
 * @param {(argument: T) => Promise<void>} work
 * @returns {(argument: T) => Promise<void>}
 */
export function latestOnly(work) {
  let isRunning = false;
  /** @type {{argument: T} | null} */
  let next = null;
  return async (argument) => {
    next = { argument };
    if (isRunning) return;
    isRunning = true;
    try {
      while (next) {
        const { argument: now } = next;
        next = null;
        await work(now);
      }
    } finally {
      isRunning = false;
    }
  };
}

/**
 * A button, and a canvas with words below that is drawn when the button is pressed first.
 * @param {string} text of the button
 * @param {string} label of the canvas
 * @param {(canvas: HTMLCanvasElement) => Promise<string>} draw returns the words
 * @returns {{button: HTMLElement, figure: HTMLElement}}
 */
export function onceShown(text, label, draw) {
  const button = element("button", { type: "button", "aria-pressed": "false" }, text);
  const canvas = element("canvas", { className: "map", role: "img", "aria-label": label });
  const words = element("figcaption", { "aria-live": "polite" });
  const figure = element("figure", { hidden: true }, canvas, words);
  let isDrawn = false;
  button.addEventListener("click", async () => {
    figure.hidden = !figure.hidden;
    button.setAttribute("aria-pressed", String(!figure.hidden));
    if (isDrawn || figure.hidden) return;
    isDrawn = true;
    words.textContent = "Working it out …";
    try {
      words.textContent = await draw(canvas);
    } catch (error) {
      words.textContent = /** @type {Error} */ (error).message;
      isDrawn = false;
    }
  });
  return { button, figure };
}
