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
 * @returns {{row: HTMLElement, slider: HTMLInputElement}}
 */
export function labelledSlider(text, count, start, moved) {
  const id = `tnr-slider-${++labelNumber}`;
  const slider = element("input", { type: "range", id, min: "0", max: String(count - 1), step: "1" });
  slider.value = String(start);
  const shown = element("output", {}, `${start + 1} of ${count}`);
  shown.htmlFor = id;
  slider.addEventListener("input", () => {
    shown.textContent = `${Number(slider.value) + 1} of ${count}`;
    moved(Number(slider.value));
  });
  return { row: element("div", { className: "slider" }, element("label", { htmlFor: id }, text), slider, shown), slider };
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
