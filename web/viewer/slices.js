/** A solid: three slices through one place, with a slider for each axis; of four axes, one more for the last. */
import { element, labelledSlider, latestOnly, paintPixels } from "./parts.js";

const AXES_OF = { volume: ["First axis", "Second axis", "Third axis", "Time"], sdf: ["x", "y", "z"] };

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
  const draw = latestOnly(async () => {
    for (const [axis, canvas] of canvases.entries()) {
      const region = shape.map((count, other) => /** @type {[number, number]} */ (other === axis || other > 2 ? [place[other], place[other] + 1] : [0, count]));
      const { data } = await file.pixels({ region, as: "rgba" });
      const [height, width] = [0, 1, 2].filter((other) => other !== axis).map((other) => shape[other]);
      paintPixels(canvas, data, width, height);
    }
  });
  const sliders = shape.map((count, axis) => {
    const { row } = labelledSlider(names[axis] ?? `Axis ${axis + 1}`, count, place[axis], (position) => {
      place[axis] = position;
      draw(undefined);
    });
    return row;
  });
  const pictures = canvases.map((canvas, axis) => element("figure", {}, canvas, element("figcaption", {}, `Across ${names[axis]}`)));
  stage.replaceChildren(element("div", { className: "slices" }, ...pictures), ...sliders);
  await draw(undefined);
}
