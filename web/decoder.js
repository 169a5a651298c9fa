/** A file in memory, decoded as far as it is asked for: runs in a worker, in Node, or on the page itself. */
import { CHUNK, reachedOf, readContainer, readMetadata, readPlaces } from "./container.js";
import { Core, everyCount, numbersOf } from "./core.js";
import { TnrError, corrupt } from "./errors.js";
import { LIMITS, checkLimit, product } from "./limits.js";
import { layoutOf, levelsOf, sinesOf } from "./networks.js";
import { toSamples } from "./samples.js";

/** @typedef {import("./tnr.js").Info} Info */
/** @typedef {import("./tnr.js").PixelOptions} PixelOptions */
/** @typedef {import("./tnr.js").Pixels<any>} Pixels */

/** @typedef {Pick<import("./core.js").CoreEvaluation, "grid" | "at" | "gradient">} Evaluation */

/** Values of all samples are kept for the next question up to so many bytes. */
const KEPT_OF_VALUES = 2 ** 28;

/**
 * Where questions to a file are answered. What reads tiles, or windows, is fetched when there is a file that has them.
 * @returns {(question: string, given: any[]) => Promise<any>}
 */
export function answers() {
  /** @type {any} */
  let decoder = null;
  return async (question, given) => {
    if (question === "start") return void (decoder = new Decoder(given[0], given[1], given[2]));
    try {
      const answer = await decoder[question](...given);
      if (decoder.sineChunk === CHUNK.windows && !decoder.Windows) {
        const { Windows } = await import("./windows.js");
        decoder.Windows = Windows;
      }
      return answer;
    } catch (error) {
      if (/** @type {any} */ (error).code !== "in_tiles") throw error;
    }
    const { Tiles } = await import("./tiles.js");
    decoder = new Tiles(decoder);
    return decoder[question](...given);
  };
}

export class Decoder {
  /**
   * @param {WebAssembly.Module} module
   * @param {Partial<import("./limits.js").Limits>} [limits]
   * @param {boolean} [isForOnce] whether hardly anybody asks twice, so that integers are copied only then
   */
  constructor(module, limits = {}, isForOnce = false) {
    this.isForOnce = isForOnce;
    this.limits = { ...LIMITS, ...limits };
    this.core = new Core(module, this.limits);
    /** @type {{network: import("./core.js").Wavelets, values: Float32Array | null, evaluation: Evaluation | null, span: [number, number] | null} | null} */
    this.last = null;
    this.lastMissing = -1;
    /** @type {any} */
    this.Windows = null;
  }

  /**
   * Take the bytes that there are of a file, and say what it holds.
   * @param {Uint8Array} bytes from the first one of the file on
   * @param {boolean} isWhole whether these are all
   * @returns {Info}
   */
  take(bytes, isWhole) {
    const { header, payloads, isCut, networkAt } = readContainer(bytes, this.limits, isWhole);
    if (payloads.has(CHUNK.tiles)) throw new TnrError("in_tiles", "");
    const payload = payloads.get(CHUNK.wavelets);
    // Of a network of sines, which has no levels, nobody reads them.
    const places = payload || isCut ? readPlaces(payloads.get(CHUNK.places)) : [];
    let missing = 0;
    if (isCut) {
      const reached = payload && reachedOf(places, payload).pop();
      if (!payload || !reached) throw tooShort(bytes, places, networkAt, payload);
      missing = reached.missing;
    } else if (payload && reachedOf(places, payload).length < places.length) {
      throw corrupt("a prefix is not the beginning of the network of its file");
    }
    this.header = header;
    this.payload = payload;
    this.sineChunk = [CHUNK.sines, CHUNK.scaledSines, CHUNK.windows].find((type) => payloads.has(type)) ?? 0;
    this.sinePayload = payloads.get(this.sineChunk)?.slice();
    /** @type {Evaluation | null} */
    this.sines = null;
    this.places = places;
    this.missing = missing;
    [this.last, this.lastMissing] = [null, -1];
    this.info = this.described(payloads, payload ? "wavelets" : "sines", bytes.length);
    this.info.places = places.map((place) => ({ missing: place.missing, end: networkAt + place.end }));
    return this.info;
  }

  /**
   * @param {Map<number, Uint8Array>} payloads
   * @param {Info["network"]} network
   * @param {number} bytes
   * @returns {Info}
   */
  described(payloads, network, bytes) {
    const { kind, shape, channels, sampleFormat, period } = /** @type {any} */ (this.expectHeader());
    const metadata = readMetadata(payloads.get(CHUNK.metadata), kind);
    this.scaling = metadata.scaling;
    const profile = payloads.get(CHUNK.profile)?.slice() ?? null;
    return { kind, shape, channels, sampleFormat, network, bytes, missing: this.missing ?? 0, period, ...metadata, profile, places: [] };
  }

  /**
   * The numbers that the file stands for: frequencies, weights, and latents as far as they have been read.
   */
  network() {
    const header = this.expectHeader();
    if (!this.sinePayload) {
      const { network } = this.decoded(this.missing ?? 0);
      const { layout, words } = network;
      const { frequencies, weights } = numbersOf(words, header, [layout.inputs, ...layout.sizes]);
      return { frequencies, weights: weights.slice(1), latents: new Int32Array(this.core.integers(network).slice().buffer), levels: levelsOf(layout) };
    }
    const sines = sinesOf(this.sineChunk ?? 0, this.sinePayload, header, this.limits);
    const counts = [header.frequencies, ...header.widths, sines.header.channels];
    const layers = counts.slice(1).flatMap((count, layer) => [count * counts[layer], count]);
    const words = this.core.sines(sines).instance.words();
    return { ...numbersOf(words, header, [header.frequencies, ...layers]), latents: new Int32Array(0), levels: [] };
  }

  /**
   * @param {PixelOptions} [options]
   * @returns {Pixels}
   */
  pixels({ region, scale = 1, shape: asked, missing, every = 1, as = "values" } = {}) {
    const header = this.expectHeader();
    const wanted = Math.max(missing ?? 0, this.missing ?? 0);
    const axes = header.shape.length;
    if ((region && region.length !== axes) || (asked && asked.length !== axes)) {
      throw new TnrError("config_error", `the region is ${region} and the shape ${asked}, expected ${axes} axes`);
    }
    if (!(Number.isInteger(every) && every >= 1 && every < 2 ** 16) || (every > 1 && (region || asked || scale !== 1))) {
      throw new TnrError("config_error", `every is ${every}, expected a whole number from 1 to 65535, and no region, scale or shape beside it`);
    }
    const box = header.shape.map((count, axis) => checkedInterval(region?.[axis], count, axis));
    if (!(scale > 0 && scale < Infinity)) throw new TnrError("config_error", `the scale is ${scale}, expected a finite number above 0`);
    const shape = asked ?? box.map(([from, to]) => (every > 1 ? everyCount(to, every) : Math.max(1, Math.round((to - from) * scale))));
    if (!shape.every((count) => Number.isInteger(count) && count >= 1)) {
      throw new TnrError("config_error", `the shape is ${shape}, expected at least one sample along each axis`);
    }
    checkLimit(this.limits, "values", product(shape) * header.channels);
    const values = every > 1 ? this.middles(shape, every, wanted) : this.values(box, shape, wanted);
    const pixels = { shape, channels: header.channels, missing: wanted };
    return { ...pixels, data: toSamples(values, as, header.sampleFormat, this.scaling ?? null, header.channels, () => this.spanned(wanted)) };
  }

  /**
   * @param {[number, number][]} box
   * @param {number[]} shape
   * @param {number} missing
   */
  values(box, shape, missing) {
    if (!areSamples(box, shape)) return this.between(box, shape, missing);
    const there = this.payload ? this.cropped(box, missing) : this.between(box, box.map(([from, to]) => to - from), missing);
    return this.reduced(there, box, shape);
  }

  /**
   * Values of one of so many samples along each axis, that in their middle.
   * @param {number[]} shape
   * @param {number} every
   * @param {number} missing
   */
  middles(shape, every, missing) {
    const samples = this.expectHeader().shape;
    if (!this.payload) {
      const first = samples.map((count) => Math.min(every >> 1, count - 1));
      return this.evaluation(missing).grid(
        shape.map((count, axis) => Float64Array.from({ length: count }, (_, at) => (2 * (first[axis] + at * every) + 1) / samples[axis] - 1)),
      );
    }
    const { network } = this.decoded(missing);
    const found = new Float32Array(product(shape) * network.header.channels);
    const row = found.length / (shape.length > 1 ? shape[0] : 1);
    this.core.rows(network, (some, at) => (found.set(some, at * row), true), every);
    return found;
  }

  /**
   * Least and largest of all values.
   * @param {number} missing
   * @returns {[number, number]}
   */
  spanned(missing) {
    if (!this.payload) {
      const samples = this.expectHeader().shape;
      const values = this.between(samples.map((count) => [0, count]), samples, 0);
      const low = values.reduce((least, value) => Math.min(least, value), Infinity);
      return [low, values.reduce((most, value) => Math.max(most, value), low + 1e-30)];
    }
    const decoded = this.decoded(missing);
    if (!decoded.span) {
      let [low, high] = [Infinity, -Infinity];
      this.core.rows(decoded.network, (values) => {
        for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
        return true;
      });
      decoded.span = [low, high > low ? high : low + 1];
    }
    return decoded.span;
  }

  /** @param {Float32Array} points */
  at(points) {
    return this.evaluation(this.missing ?? 0).at(this.checkedPoints(points));
  }

  /** @param {Float32Array} points */
  gradient(points) {
    return this.evaluation(this.missing ?? 0).gradient(this.checkedPoints(points));
  }

  /** @param {Float32Array} points */
  checkedPoints(points) {
    const axes = this.expectHeader().shape.length;
    if (!(points instanceof Float32Array) || points.length % axes || !points.every(Number.isFinite)) {
      throw new TnrError("config_error", `points are ${points?.length} numbers, expected a Float32Array of ${axes} finite ones for each point`);
    }
    return points;
  }

  /** @param {number} missing */
  evaluation(missing) {
    if (this.sinePayload) return (this.sines ??= this.ofSines(this.sinePayload));
    const decoded = this.decoded(missing);
    return (decoded.evaluation ??= this.core.between(decoded.network));
  }

  /**
   * @param {Uint8Array} payload
   * @returns {Evaluation}
   */
  ofSines(payload) {
    const sines = sinesOf(this.sineChunk ?? 0, payload, this.expectHeader(), this.limits);
    const network = this.core.sines(sines);
    return sines.windows > 1 ? new this.Windows(network, sines) : network;
  }

  /**
   * Values between the samples: at the middles of as many cells as are wanted.
   * @param {[number, number][]} box
   * @param {number[]} shape
   * @param {number} missing
   */
  between(box, shape, missing) {
    const samples = this.expectHeader().shape;
    const middles = box.map(([from, to], axis) =>
      Float64Array.from({ length: shape[axis] }, (_, cell) => (2 * (from + ((cell + 0.5) * (to - from)) / shape[axis])) / samples[axis] - 1),
    );
    return this.evaluation(missing).grid(middles);
  }

  /** @param {number} missing */
  decoded(missing) {
    const header = this.expectHeader();
    const { payload } = this;
    if (!payload) throw new TnrError("config_error", "the file is a network of sines, which has no levels");
    if (!this.last || this.lastMissing !== missing) {
      const place = this.places?.find((one) => one.missing === missing);
      if (missing && !place) throw new TnrError("config_error", `the file names no place that lacks ${missing} levels`);
      const network = this.core.wavelets(place ? payload.subarray(0, place.end) : payload, header, missing, this.isForOnce);
      this.last = { network, values: null, evaluation: null, span: null };
      this.lastMissing = missing;
    }
    return this.last;
  }

  /** What `adopt` takes: integers and words of the whole network, if it has levels. */
  kept() {
    if (!this.payload) return [];
    const { network } = this.decoded(0);
    return [this.core.integers(network), network.words];
  }

  /**
   * Take what another decoder has decoded of the same bytes.
   * @param {Uint8Array} integers
   * @param {Uint8Array} words
   */
  adopt(integers, words) {
    const { payload } = this;
    if (!payload) return;
    const header = this.expectHeader();
    const network = { layout: layoutOf(payload, header, this.limits), header, words, integers, coded: payload.length, fresh: null, used: null };
    this.last = { network, values: null, evaluation: null, span: null };
    this.lastMissing = 0;
  }

  /**
   * Values of a box of samples, from those of all samples if these may be kept.
   * @param {[number, number][]} box
   * @param {number} missing
   */
  cropped(box, missing) {
    const decoded = this.decoded(missing);
    const { network } = decoded;
    const { shape: samples, channels } = this.expectHeader();
    const all = product(samples) * channels;
    const keep = 4 * all <= KEPT_OF_VALUES;
    const row = all / samples[0];
    const isLine = samples.length === 1;
    const inner = isLine ? box : box.slice(1);
    const innerSamples = isLine ? samples : samples.slice(1);
    const [from, to] = isLine ? [0, 1] : box[0];
    const size = product(inner.map(([start, stop]) => stop - start)) * channels;
    const found = new Float32Array((to - from) * size);
    const line = isLine ? all : row;
    /** @type {(values: Float32Array, first: number, rows: number) => boolean} */
    const crop = (values, first, rows) => {
      for (let at = Math.max(from, first); at < Math.min(to, first + rows); at++) {
        copyBox(values.subarray((at - first) * line, (at - first + 1) * line), innerSamples, inner, channels, found.subarray((at - from) * size));
      }
      return first + rows < to;
    };
    if (keep) {
      if (!decoded.values) {
        const values = new Float32Array(all);
        this.core.rows(network, (some, first) => {
          values.set(some, first * line);
          return true;
        });
        decoded.values = values;
      }
      if (size * (to - from) === all) return decoded.values;
      crop(decoded.values, 0, isLine ? 1 : samples[0]);
    } else {
      this.core.rows(network, crop);
    }
    return found;
  }

  /**
   * Means over the samples that each of fewer samples covers, axis by axis.
   * @param {Float32Array} values
   * @param {[number, number][]} box
   * @param {number[]} shape
   */
  reduced(values, box, shape) {
    const sizes = box.map(([from, to]) => to - from);
    const channels = this.expectHeader().channels;
    let current = values;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      if (sizes[axis] === shape[axis]) continue;
      current = meansAlong(current, product(sizes.slice(0, axis)), sizes[axis], shape[axis], product(sizes.slice(axis + 1)) * channels);
      sizes[axis] = shape[axis];
    }
    return current;
  }

  expectHeader() {
    if (!this.header) throw new TnrError("config_error", "no file has been opened: open one first");
    return this.header;
  }
}

/**
 * Whether values of a box are those of samples, or means of them.
 * @param {[number, number][]} box
 * @param {number[]} shape
 */
export const areSamples = (box, shape) => box.every(([from, to], axis) => Number.isInteger(from) && Number.isInteger(to) && shape[axis] <= to - from);

/**
 * @param {Uint8Array} bytes
 * @param {import("./container.js").Place[]} places
 * @param {number} networkAt
 * @param {Uint8Array | undefined} payload
 */
function tooShort(bytes, places, networkAt, payload) {
  if (!places.length) {
    return new TnrError("too_short", `${bytes.length} bytes name no place at which a reader may stop: fetch more of the file`);
  }
  if (payload && payload.length >= places[0].end) {
    return corrupt(`the checksum of the first ${places[0].end} bytes of the network differs`);
  }
  const needed = payload ? networkAt + places[0].end : undefined;
  return new TnrError("too_short", `${bytes.length} bytes hold no whole level of detail: fetch more of the file`, needed);
}

/**
 * @param {[number, number] | undefined} interval
 * @param {number} count
 * @param {number} axis
 * @returns {[number, number]}
 */
function checkedInterval(interval, count, axis) {
  const [from, to] = interval ?? [0, count];
  if (!(from >= 0 && from < to && to <= count)) {
    throw new TnrError("config_error", `the region is ${from} to ${to} along axis ${axis}, expected 0 <= from < to <= ${count}`);
  }
  return [from, to];
}

/**
 * @param {Float32Array} values of an array of some samples
 * @param {number[]} samples
 * @param {[number, number][]} box
 * @param {number} channels
 * @param {Float32Array} out
 */
function copyBox(values, samples, box, channels, out) {
  if (box.length === 1) {
    out.set(values.subarray(box[0][0] * channels, box[0][1] * channels));
    return;
  }
  const [stride, size] = [product(samples.slice(1)) * channels, product(box.slice(1).map(([from, to]) => to - from)) * channels];
  for (let at = box[0][0]; at < box[0][1]; at++) {
    const rest = out.subarray((at - box[0][0]) * size);
    copyBox(values.subarray(at * stride, (at + 1) * stride), samples.slice(1), box.slice(1), channels, rest);
  }
}

/**
 * @param {Float32Array} values of (before, count, after) numbers
 * @param {number} before
 * @param {number} count
 * @param {number} fewer
 * @param {number} after
 */
function meansAlong(values, before, count, fewer, after) {
  const found = new Float32Array(before * fewer * after);
  const width = count / fewer;
  for (let outer = 0; outer < before; outer++) {
    for (let at = 0; at < fewer; at++) {
      const [start, stop] = [at * width, Math.min(count, (at + 1) * width)];
      const to = (outer * fewer + at) * after;
      for (let sample = Math.floor(start); sample < stop; sample++) {
        const share = (Math.min(stop, sample + 1) - Math.max(start, sample)) / (stop - start);
        const from = (outer * count + sample) * after;
        for (let inner = 0; inner < after; inner++) found[to + inner] += share * values[from + inner];
      }
    }
  }
  return found;
}
