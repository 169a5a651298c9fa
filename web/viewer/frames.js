/** A video: its frames, with a slider and playback. */
import { element, labelledSlider, latestOnly, paintPixels } from "./parts.js";

/**
 * @param {HTMLElement} stage
 * @param {import("../tnr.js").TnrFile} file
 * @param {string} name
 */
export async function showFrames(stage, file, name) {
  const { shape, details } = file.info;
  const [frames, height, width] = shape;
  const rate = Array.isArray(details?.rate) ? details.rate[0] / details.rate[1] : 25;
  const canvas = element("canvas", { className: "frame", role: "img" });
  canvas.setAttribute("aria-label", `Frames of ${name}`);
  const draw = latestOnly(async (/** @type {number} */ frame) => {
    const { data } = await file.pixels({ region: [[frame, frame + 1], [0, height], [0, width]], as: "rgba" });
    paintPixels(canvas, data, width, height);
  });
  const { row, slider } = labelledSlider("Frame", frames, 0, draw);
  const play = element("button", { type: "button" }, "Play");
  let started = 0;
  const stop = () => {
    started = 0;
    play.textContent = "Play";
  };
  const tick = (/** @type {number} */ now) => {
    if (!started || !canvas.isConnected) return;
    const frame = Math.floor(((now - started) / 1000) * rate);
    if (frame >= frames) return stop();
    if (String(frame) !== slider.value) {
      slider.value = String(frame);
      slider.dispatchEvent(new Event("input"));
    }
    requestAnimationFrame(tick);
  };
  play.addEventListener("click", () => {
    if (started) return stop();
    const from = Number(slider.value) >= frames - 1 ? 0 : Number(slider.value);
    started = performance.now() - (1000 * from) / rate;
    play.textContent = "Stop";
    requestAnimationFrame(tick);
  });
  stage.replaceChildren(canvas, row, element("div", { className: "tools" }, play));
  await draw(0);
}
