/** A line cut into windows: the values of one network side by side, each point being evaluated in the window it lies in. */

/** Steps of a sample by which places in a window are told apart. */
const PLACES = 256;

/** Like the evaluation of a network of one axis, for the line that its windows make. */
export class Windows {
  /**
   * @param {import("./core.js").CoreEvaluation} network
   * @param {import("./networks.js").Sines} sines
   */
  constructor(network, { header, windows, window }) {
    this.network = network;
    this.windows = windows;
    this.window = window;
    this.samples = header.shape[0];
    this.channels = header.channels / windows;
  }

  /** @param {Float64Array[]} coordinates along the axis, ascending */
  grid([line]) {
    /** Windows in which the points lie at the same places are evaluated together. @type {Map<string, {window: number, points: number[]}[]>} */
    const alike = new Map();
    for (const [window, points] of this.byWindow(line)) {
      const key = points.map((point) => Math.round(this.local(line[point], window) * this.window * PLACES)).join();
      alike.set(key, [...(alike.get(key) ?? []), { window, points }]);
    }
    const { channels } = this;
    const found = new Float32Array(line.length * channels);
    for (const members of alike.values()) {
      const [{ window: first, points: places }, { window: last }] = [members[0], members[members.length - 1]];
      const width = (last - first + 1) * channels;
      this.network.only(first * channels, width);
      const values = this.network.grid([Float64Array.from(places, (point) => this.local(line[point], first))]);
      for (const { window, points } of members) {
        points.forEach((point, place) => {
          const at = place * width + (window - first) * channels;
          found.set(values.subarray(at, at + channels), point * channels);
        });
      }
    }
    return found;
  }

  /** @param {Float32Array} points */
  at(points) {
    return this.of(points, (some) => this.network.at(some));
  }

  /** @param {Float32Array} points */
  gradient(points) {
    return this.of(points, (some) => this.network.gradient(some).map((slope) => (slope * this.samples) / this.window));
  }

  /**
   * @param {Float32Array} all
   * @param {(some: Float64Array) => Float32Array} ask
   */
  of(all, ask) {
    const { channels } = this;
    const found = new Float32Array(all.length * channels);
    for (const [window, points] of this.byWindow(all)) {
      this.network.only(window * channels, channels);
      const values = ask(Float64Array.from(points, (point) => this.local(all[point], window)));
      points.forEach((point, place) => found.set(values.subarray(place * channels, (place + 1) * channels), point * channels));
    }
    return found;
  }

  /**
   * Numbers of points, by the window in which they lie; within rounding of a border it is the one that begins there.
   * @param {Float64Array | Float32Array} line
   */
  byWindow(line) {
    /** @type {Map<number, number[]>} */
    const found = new Map();
    line.forEach((coordinate, point) => {
      const window = Math.min(this.windows - 1, Math.max(0, Math.floor(this.position(coordinate) + 1e-9)));
      const points = found.get(window);
      if (points) points.push(point);
      else found.set(window, [point]);
    });
    return found;
  }

  /** @param {number} coordinate of the line, in windows from its beginning */
  position(coordinate) {
    return ((coordinate + 1) * this.samples) / (2 * this.window);
  }

  /**
   * @param {number} coordinate
   * @param {number} window
   */
  local(coordinate, window) {
    return 2 * (this.position(coordinate) - window) - 1;
  }
}
