/** A signal of one axis: its wave, and if it is a sound, playback. */
import { heatPixels, spectrogramOf } from "./analysis.js";
import { element } from "./parts.js";

const WIDTH = 1024;
const HEIGHT = 160;
const SPECTROGRAM_HEIGHT = 256;
const LOUDNESS_RANGE = 80;

/**
 * @param {HTMLElement} stage
 * @param {import("../tnr.js").TnrFile} file
 * @param {string} name
 */
export async function showLine(stage, file, name) {
  const { channels, kind, shape, details } = file.info;
  const { data } = await file.pixels();
  const canvas = element("canvas", { width: WIDTH, height: HEIGHT * channels, className: "wave", role: "img" });
  canvas.setAttribute("aria-label", `${kind === "audio" ? "Waveform" : "Curve"} of ${name}, ${shape[0]} samples`);
  stage.replaceChildren(canvas);
  const paint = () => paintWave(canvas, data, channels);
  // Its colour is known once it is in the page, which may be later: then it gets a size, and this is called again.
  const placed = new ResizeObserver(() => {
    if (!canvas.isConnected) return;
    placed.disconnect();
    paint();
  });
  if (canvas.isConnected) paint();
  else placed.observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  if (kind !== "audio") return;
  const { data: samples } = await file.pixels({ as: "values" });
  const address = URL.createObjectURL(new Blob([wavFile(samples, channels, Number(details?.sample_rate ?? 8000))], { type: "audio/wav" }));
  const player = element("audio", { controls: true, src: address });
  player.setAttribute("aria-label", `Play ${name}`);
  const rate = Number(details?.sample_rate ?? 8000);
  const sound = element("canvas", { className: "spectrogram", role: "img", "aria-label": `Spectrogram of ${name}, up to ${rate / 2} Hz` });
  paintSpectrogram(sound, data, channels);
  const tracks = [canvas, sound].map((one) => trackOf(one, player, shape[0] / rate));
  const words = element("figcaption", {}, `Frequencies from 0 to ${(rate / 2000).toPrecision(3)} kHz, ${LOUDNESS_RANGE} dB from black to pale. Click in either picture to play from there.`);
  stage.replaceChildren(...tracks, words, player);
}

/**
 * A picture of a sound with a line where it is being played; a click goes to another place.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLAudioElement} player
 * @param {number} seconds
 */
function trackOf(canvas, player, seconds) {
  const line = element("span", { className: "playhead" });
  const track = element("div", { className: "track" }, canvas, line);
  const follow = () => {
    line.style.setProperty("--at", `${(100 * player.currentTime) / seconds}%`);
    if (!player.paused && track.isConnected) requestAnimationFrame(follow);
  };
  for (const event of ["play", "seeked", "timeupdate"]) player.addEventListener(event, follow);
  track.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const { left, width } = track.getBoundingClientRect();
    player.currentTime = (seconds * (event.clientX - left)) / width;
  });
  return track;
}

/**
 * Loudness of each frequency over time, of all channels together.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} data
 * @param {number} channels
 */
function paintSpectrogram(canvas, data, channels) {
  const mono = Float32Array.from({ length: data.length / channels }, (_, at) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += data[at * channels + channel];
    return sum / channels;
  });
  const { windows, bins, decibels } = spectrogramOf(mono, WIDTH);
  const shares = new Float32Array(windows * bins);
  for (let window = 0; window < windows; window++) {
    for (let bin = 0; bin < bins; bin++) shares[(bins - 1 - bin) * windows + window] = 1 + decibels[window * bins + bin] / LOUDNESS_RANGE;
  }
  const small = new OffscreenCanvas(windows, bins);
  small.getContext("2d")?.putImageData(new ImageData(heatPixels(shares), windows, bins), 0, 0);
  [canvas.width, canvas.height] = [WIDTH, SPECTROGRAM_HEIGHT];
  canvas.getContext("2d")?.drawImage(small, 0, 0, WIDTH, SPECTROGRAM_HEIGHT);
}

/**
 * Least and largest value of every column.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} data
 * @param {number} channels
 */
function paintWave(canvas, data, channels) {
  const context = canvas.getContext("2d");
  if (!context) return;
  let [low, high] = [0, 0];
  for (const value of data) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const count = data.length / channels;
  context.clearRect(0, 0, WIDTH, HEIGHT * channels);
  context.fillStyle = getComputedStyle(canvas).color;
  for (let channel = 0; channel < channels; channel++) {
    const at = (/** @type {number} */ value) => HEIGHT * (channel + 1) - 4 - ((value - low) / (high - low || 1)) * (HEIGHT - 8);
    for (let column = 0; column < WIDTH; column++) {
      let [least, most] = [Infinity, -Infinity];
      const stop = Math.max(Math.floor((column * count) / WIDTH) + 1, Math.ceil(((column + 1) * count) / WIDTH) + 1);
      for (let sample = Math.floor((column * count) / WIDTH); sample < Math.min(count, stop); sample++) {
        const value = data[sample * channels + channel];
        [least, most] = [Math.min(least, value), Math.max(most, value)];
      }
      context.fillRect(column, at(most), 1, Math.max(1, at(least) - at(most)));
    }
  }
}

/**
 * A WAV file of 16 bits.
 * @param {Float32Array} values
 * @param {number} channels
 * @param {number} rate
 */
function wavFile(values, channels, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * values.length));
  const word = (/** @type {number} */ at, /** @type {string} */ text) => [...text].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * values.length, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate * channels, true);
  view.setUint16(32, 2 * channels, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * values.length, true);
  values.forEach((value, index) => view.setInt16(44 + 2 * index, Math.round(Math.min(1, Math.max(-1, value)) * 32767), true));
  return view.buffer;
}
