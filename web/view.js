/** Which part of a picture a canvas shows, and how: numbers only, so that gestures and keys meet in one place. */

/** Magnification at most: device pixels for a sample. */
export const MOST_ZOOM = 4096;

export class View {
  constructor() {
    this.width = this.height = 1;
    this.screenWidth = this.screenHeight = 1;
    /** Device pixels for a sample; 0: as large as fits. */
    this.zoom = 0;
    this.x = this.y = 0.5;
  }

  /**
   * @param {number} width of the picture, in samples
   * @param {number} height
   */
  show(width, height) {
    if (this.width === width && this.height === height) return;
    [this.width, this.height] = [width, height];
    this.reset();
  }

  reset() {
    this.zoom = 0;
    [this.x, this.y] = [this.width / 2, this.height / 2];
  }

  /**
   * As large as a part of the picture fits, in the middle.
   * @param {{left: number, top: number, right: number, bottom: number}} region
   */
  lookAt({ left, top, right, bottom }) {
    const zoom = Math.min(this.screenWidth / (right - left), this.screenHeight / (bottom - top));
    if (!(zoom > this.fitting && zoom < Infinity)) return;
    this.zoom = Math.min(MOST_ZOOM, zoom);
    [this.x, this.y] = [(left + right) / 2, (top + bottom) / 2];
    this.limit();
  }

  get isHome() {
    return this.zoom === 0;
  }

  /** Device pixels for a sample where all of the picture fits. */
  get fitting() {
    return Math.min(this.screenWidth / this.width, this.screenHeight / this.height);
  }

  get scale() {
    return this.zoom || this.fitting;
  }

  /**
   * @param {number} factor
   * @param {number} [atX] device pixels from the left of the canvas, which stay where they are; its middle if absent
   * @param {number} [atY]
   */
  zoomBy(factor, atX = this.screenWidth / 2, atY = this.screenHeight / 2) {
    const before = this.scale;
    const after = Math.min(MOST_ZOOM, before * factor);
    if (after <= this.fitting) return this.reset();
    this.x += (atX - this.screenWidth / 2) * (1 / before - 1 / after);
    this.y += (atY - this.screenHeight / 2) * (1 / before - 1 / after);
    this.zoom = after;
    this.limit();
  }

  /**
   * @param {number} x device pixels
   * @param {number} y
   */
  moveBy(x, y) {
    if (this.isHome) return;
    this.x -= x / this.scale;
    this.y -= y / this.scale;
    this.limit();
  }

  /** To whole pixels, so that those that have been sampled stay what they are, and no further than the picture. */
  limit() {
    this.x = Math.round(this.x * this.scale) / this.scale;
    this.y = Math.round(this.y * this.scale) / this.scale;
    const limited = (/** @type {number} */ middle, /** @type {number} */ count, /** @type {number} */ screen) => {
      const half = screen / this.scale / 2;
      return half * 2 >= count ? count / 2 : Math.min(count - half, Math.max(half, middle));
    };
    this.x = limited(this.x, this.width, this.screenWidth);
    this.y = limited(this.y, this.height, this.screenHeight);
  }

  /**
   * What is to be sampled, and where on the canvas it goes.
   * @param {number} coarseness device pixels for a sample of the answer
   */
  part(coarseness) {
    const scale = this.scale;
    const clamp = (/** @type {number} */ at, /** @type {number} */ count) => Math.min(count, Math.max(0, at));
    let [left, right] = [this.x - this.screenWidth / 2 / scale, this.x + this.screenWidth / 2 / scale].map((at) => clamp(at, this.width));
    let [top, bottom] = [this.y - this.screenHeight / 2 / scale, this.y + this.screenHeight / 2 / scale].map((at) => clamp(at, this.height));
    const density = scale / coarseness;
    if (density <= 1) [left, top, right, bottom] = [Math.floor(left), Math.floor(top), Math.ceil(right), Math.ceil(bottom)];
    const count = (/** @type {number} */ length) => Math.max(1, density <= 1 ? Math.ceil(length * density) : Math.round(length * density));
    return { region: { left, top, right, bottom }, shape: [count(bottom - top), count(right - left)] };
  }

  /**
   * Where a part of the picture lies on the canvas: left, top, width, height in device pixels.
   * @param {{left: number, top: number, right: number, bottom: number}} region
   * @returns {[number, number, number, number]}
   */
  place({ left, top, right, bottom }) {
    const scale = this.scale;
    return [
      (left - this.x) * scale + this.screenWidth / 2,
      (top - this.y) * scale + this.screenHeight / 2,
      (right - left) * scale,
      (bottom - top) * scale,
    ];
  }
}
