/** A distance field as its surface, lit from above: rays through a grid of its values, normals from exact derivatives. */
import { storageOf } from "../samples.js";
import { element, labelledSlider, latestOnly, paintPixels } from "./parts.js";

/** Values along the longest axis of the grid that rays go through. */
const MOST_GRID = 64;
const QUICK_SIZE = 128;
const FINE_SIZE = 384;
const REST_MILLISECONDS = 200;
const DEGREES = 360;
/** The picture shows this much of the ball around the box, whose corners are seldom solid. */
const FILLED = 0.8;

/**
 * @typedef {object} Grid
 * @property {Float32Array} values
 * @property {number[]} counts
 * @property {number[]} halves of the box along each axis, the longest being 1
 * @property {number} level value of the surface
 */

/**
 * @param {HTMLElement} stage
 * @param {import("../tnr.js").TnrFile} file
 * @param {string} name
 */
export async function showSurface(stage, file, name) {
  const grid = await gridOf(file);
  const canvas = element("canvas", { className: "surface", role: "img", "aria-label": `Surface of ${name}` });
  const angles = { turn: 35, tilt: 115 };
  let rest = 0;
  const draw = latestOnly(async (/** @type {number} */ size) => {
    const { pixels, hits } = rendered(grid, angles, size);
    if (size === FINE_SIZE) await shadeExactly(file, grid, angles, pixels, hits);
    paintPixels(canvas, pixels, size, size);
    canvas.dataset.size = String(size);
  });
  const moved = () => {
    clearTimeout(rest);
    rest = setTimeout(() => draw(FINE_SIZE), REST_MILLISECONDS);
    draw(QUICK_SIZE);
  };
  const [turn, tilt] = /** @type {const} */ ([["Turn", "turn", DEGREES], ["Tilt", "tilt", 181]]).map(([text, angle, count]) =>
    labelledSlider(text, count, angles[angle], (position) => ((angles[angle] = position), moved()), (position) => `${position}°`),
  );
  canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (!event.buttons) return;
    turn.set((Number(turn.slider.value) + Math.round(event.movementX / 2) + DEGREES) % DEGREES);
    tilt.set(Math.max(0, Math.min(180, Number(tilt.slider.value) + Math.round(event.movementY / 2))));
  });
  const words = grid.level ? `The values do not pass 0: where they are ${grid.level.toPrecision(3)}. Drag to turn.` : "Where the distance is 0. Drag to turn.";
  stage.prepend(element("figure", {}, canvas, element("figcaption", {}, words)), turn.row, tilt.row);
  await draw(FINE_SIZE);
}

/**
 * @param {import("../tnr.js").TnrFile} file
 * @returns {Promise<Grid>}
 */
async function gridOf(file) {
  const { shape, details, sampleFormat, scaling, channels } = file.info;
  const longest = Math.max(...shape);
  const counts = shape.map((count) => Math.max(2, Math.round((count * MOST_GRID) / Math.max(longest, 2))));
  const { data } = await file.pixels({ shape: counts.map((count, axis) => Math.min(count, longest > MOST_GRID ? shape[axis] : count)) });
  const { scale, offset } = storageOf(sampleFormat, scaling);
  const values = Float32Array.from({ length: data.length / channels }, (_, at) => data[at * channels] * scale + offset);
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const spacing = /** @type {number[]} */ (details?.spacing ?? [1, 1, 1]);
  const sides = shape.map((count, axis) => count * Math.abs(spacing[axis]));
  return { values, counts, halves: sides.map((side) => side / Math.max(...sides)), level: low < 0 && high > 0 ? 0 : (low + high) / 2 };
}

/**
 * Directions of the picture in the box: to the right, down, and away from whoever looks.
 * @param {{turn: number, tilt: number}} angles
 */
function directions({ turn, tilt }) {
  const [a, b] = [(turn * Math.PI) / 180, ((tilt - 90) * Math.PI) / 180];
  const away = [Math.cos(b) * Math.sin(a), -Math.sin(b), Math.cos(b) * Math.cos(a)];
  const right = [-Math.cos(a), 0, Math.sin(a)];
  const down = [away[1] * right[2] - away[2] * right[1], away[2] * right[0] - away[0] * right[2], away[0] * right[1] - away[1] * right[0]];
  return { right, down, away };
}

/**
 * The value at a place of the box, linearly between those of the grid.
 * @param {Grid} grid
 * @param {number} x from -1 to 1, as are the others
 * @param {number} y
 * @param {number} z
 */
function valueAt({ values, counts: [width, height, depth] }, x, y, z) {
  const [u, v, w] = [((x + 1) * width - 1) / 2, ((y + 1) * height - 1) / 2, ((z + 1) * depth - 1) / 2];
  const a = Math.max(0, Math.min(width - 2, Math.floor(u)));
  const b = Math.max(0, Math.min(height - 2, Math.floor(v)));
  const c = Math.max(0, Math.min(depth - 2, Math.floor(w)));
  const [p, q, r] = [Math.max(0, Math.min(1, u - a)), Math.max(0, Math.min(1, v - b)), Math.max(0, Math.min(1, w - c))];
  const at = (a * height + b) * depth + c;
  const plane = height * depth;
  const near = (values[at] * (1 - r) + values[at + 1] * r) * (1 - q) + (values[at + depth] * (1 - r) + values[at + depth + 1] * r) * q;
  const far = at + plane;
  const other = (values[far] * (1 - r) + values[far + 1] * r) * (1 - q) + (values[far + depth] * (1 - r) + values[far + depth + 1] * r) * q;
  return near * (1 - p) + other * p;
}

/**
 * @param {Grid} grid
 * @param {{turn: number, tilt: number}} angles
 * @param {number} size
 */
function rendered(grid, angles, size) {
  const { halves, level, counts } = grid;
  const { right, down, away } = directions(angles);
  const pixels = new Uint8ClampedArray(4 * size * size);
  /** @type {{pixel: number, place: number[]}[]} */
  const hits = [];
  const reach = Math.hypot(...halves);
  const seen = FILLED * reach;
  const step = 1 / Math.max(...counts);
  for (let pixel = 0; pixel < size * size; pixel++) {
    const across = ((2 * ((pixel % size) + 0.5)) / size - 1) * seen;
    const below = ((2 * (Math.floor(pixel / size) + 0.5)) / size - 1) * seen;
    const origin = halves.map((_, axis) => across * right[axis] + below * down[axis]);
    let [enter, leave] = [-reach, reach];
    for (let axis = 0; axis < 3; axis++) {
      const [one, other] = [(-halves[axis] - origin[axis]) / away[axis], (halves[axis] - origin[axis]) / away[axis]];
      if (Math.abs(away[axis]) > 1e-9) [enter, leave] = [Math.max(enter, Math.min(one, other)), Math.min(leave, Math.max(one, other))];
      else if (Math.abs(origin[axis]) > halves[axis]) leave = -Infinity;
    }
    const value = (/** @type {number} */ far) =>
      valueAt(grid, (origin[0] + far * away[0]) / halves[0], (origin[1] + far * away[1]) / halves[1], (origin[2] + far * away[2]) / halves[2]) - level;
    let far = enter;
    while (far < leave && value(far) > 0) far += step;
    if (far >= leave) continue;
    let [outside, inside] = [Math.max(enter, far - step), far];
    for (let halving = 0; halving < 6; halving++) {
      const middle = (outside + inside) / 2;
      if (value(middle) > 0) outside = middle;
      else inside = middle;
    }
    const place = halves.map((half, axis) => (origin[axis] + inside * away[axis]) / half);
    hits.push({ pixel, place });
    const normal = [0, 1, 2].map((axis) => {
      const [less, more] = [-1, 1].map((sign) => place.map((at, other) => at + (other === axis ? (sign * 1.5) / counts[axis] : 0)));
      return ((valueAt(grid, more[0], more[1], more[2]) - valueAt(grid, less[0], less[1], less[2])) * counts[axis]) / halves[axis];
    });
    shade(pixels, pixel, normal, right, down, away);
  }
  return { pixels, hits };
}

/**
 * Light from the upper left, a little from everywhere.
 * @param {Uint8ClampedArray} pixels
 * @param {number} pixel
 * @param {number[]} normal
 * @param {number[]} right
 * @param {number[]} down
 * @param {number[]} away
 */
function shade(pixels, pixel, normal, right, down, away) {
  const size = Math.hypot(...normal) || 1;
  const along = (/** @type {number[]} */ direction) => direction.reduce((sum, one, axis) => sum + one * normal[axis], 0) / size;
  const light = Math.max(0, -0.5 * along(right) - 0.6 * along(down) - 0.62 * along(away));
  const facing = Math.max(0, -along(away));
  const bright = 0.2 + 0.2 * facing + 0.65 * light;
  pixels.set([225 * bright, 232 * bright, 245 * bright, 255], 4 * pixel);
}

/**
 * @param {import("../tnr.js").TnrFile} file
 * @param {Grid} grid
 * @param {{turn: number, tilt: number}} angles
 * @param {Uint8ClampedArray} pixels
 * @param {{pixel: number, place: number[]}[]} hits
 */
async function shadeExactly(file, { halves }, angles, pixels, hits) {
  const { right, down, away } = directions(angles);
  const { channels } = file.info;
  const gradients = await file.gradient(Float32Array.from(hits.flatMap(({ place }) => place)));
  hits.forEach(({ pixel }, hit) => {
    const normal = halves.map((half, axis) => gradients[3 * channels * hit + axis] / half);
    shade(pixels, pixel, normal, right, down, away);
  });
}
