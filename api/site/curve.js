/** The curve of a fit: quality against steps, growing as events arrive; a small SVG with its numbers as text beside it. */
import { drawn, say } from "./parts.js";

const [WIDTH, HEIGHT] = [640, 260];
// Room for the larger text of a phone.
const [LEFT, RIGHT, TOP, BOTTOM] = [100, 16, 16, 68];

/**
 * @typedef {{ step: number, psnr: number, attempt: number }} Point
 */

/** @param {number} span @param {number} most */
function stepOf(span, most) {
  const rough = Math.max(span, 1e-9) / most;
  const ten = 10 ** Math.floor(Math.log10(rough));
  return ten * ([1, 2, 5].find((factor) => factor * ten >= rough) ?? 10);
}

/** @param {number} from @param {number} to @param {number} most @param {number} [least] distance of two */
function ticks(from, to, most, least = 0) {
  const step = Math.max(stepOf(to - from, most), least);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to + step * 1e-6; at += step) found.push(Number(at.toPrecision(6)));
  return found;
}

export class Curve {
  constructor() {
    this.root = document.createElement("figure");
    this.root.className = "curve";
    this.caption = document.createElement("figcaption");
    this.picture = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Quality against training steps" });
    this.root.append(this.picture, this.caption);
  }

  /**
   * @param {{ name: string, points: Point[] }[]} lines
   * @param {number | null} wanted quality that is to be reached, drawn as a line of its own
   */
  draw(lines, wanted) {
    const all = lines.flatMap(({ points }) => points);
    const last = all.at(-1);
    const words = lines.filter(({ points }) => points.length > 0).map(({ name, points }) => `${name}${points.at(-1)?.psnr.toFixed(2)} dB after ${points.at(-1)?.step} ${points.at(-1)?.step === 1 ? "step" : "steps"}`);
    say(this.caption, last ? words.join("; ") : "No step has been reported yet.");
    this.picture.dataset.points = String(all.length);
    if (!last) return void this.picture.replaceChildren();
    const farthest = Math.max(...all.map(({ step }) => step), 1);
    const heights = all.map(({ psnr }) => psnr).concat(wanted ?? []);
    const [low, high] = [Math.floor(Math.min(...heights) - 0.5), Math.ceil(Math.max(...heights) + 0.5)];
    const x = (/** @type {number} */ step) => LEFT + (step / farthest) * (WIDTH - LEFT - RIGHT);
    const y = (/** @type {number} */ psnr) => HEIGHT - BOTTOM - ((psnr - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const parts = [];
    for (const tick of ticks(low, high, 5)) {
      parts.push(drawn("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }));
      parts.push(drawn("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, `${tick} dB`));
    }
    for (const tick of ticks(0, farthest, 6, 1)) parts.push(drawn("text", { x: x(tick), y: HEIGHT - BOTTOM + 26, "text-anchor": "middle" }, String(tick)));
    parts.push(drawn("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, "training steps"));
    if (wanted !== null) parts.push(drawn("line", { class: "wanted", x1: LEFT, x2: WIDTH - RIGHT, y1: y(wanted), y2: y(wanted) }));
    lines.forEach(({ points }, number) => {
      for (const run of runs(points)) {
        const path = run.map(({ step, psnr }, index) => `${index ? "L" : "M"}${x(step).toFixed(1)} ${y(psnr).toFixed(1)}`).join("");
        parts.push(drawn("path", { class: `line line${number}`, d: path }));
        const end = run[run.length - 1];
        parts.push(drawn("circle", { class: `end line${number}`, cx: x(end.step), cy: y(end.psnr), r: 3 }));
      }
    });
    this.picture.replaceChildren(...parts);
  }
}

/**
 * Pieces of a curve: one that is resumed, or begins another network, does not go back along a line.
 * @param {Point[]} points
 */
function runs(points) {
  /** @type {Point[][]} */
  const found = [];
  for (const point of points) {
    const before = found.at(-1)?.at(-1);
    if (before && before.attempt === point.attempt && before.step <= point.step) found.at(-1)?.push(point);
    else found.push([point]);
  }
  return found;
}
