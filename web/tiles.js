/** Files in tiles (chunk 08), in the worker: the index, networks of tiles as they are asked for, and their values blended. */
import { ByteReader, crc32c } from "./bytes.js";
import { CHUNK, expectEnd, readChunk, readContainer } from "./container.js";
import { Decoder, areSamples } from "./decoder.js";
import { TnrError, corrupt } from "./errors.js";
import { TileGrid } from "./grid.js";
import { checkLimit, product } from "./limits.js";
import { everyCount } from "./core.js";
import { layoutOf } from "./networks.js";
import { toSamples } from "./samples.js";

/** Tiles at most, unless the limits of whoever opens the file have `tiles`. */
const MOST_TILES = 2 ** 16;
/** Bytes of a varint and of a checksum at most. */
const MOST_VARINT = 5;
const CHECKSUM_BYTES = 4;
/** Networks and values of tiles that are kept for the next question, in bytes. */
const KEPT_OF_TILES = 2 ** 27;

/** @typedef {import("./tnr.js").PixelOptions} PixelOptions */
/** @typedef {import("./tnr.js").Info} Info */
/** @typedef {{data: Float32Array, shape: number[], every: number, first: number[]}} Coarse values of a tile, of one of so many samples */

/** Like the decoder of a file with one network; what a question needs must be there when it is asked. */
export class Tiles extends Decoder {
  /** @param {Decoder} plain which has found that the file is in tiles */
  constructor(plain) {
    super(plain.core.module, plain.limits);
    /** Bytes of tiles that are there, their checksums compared. @type {Map<number, Uint8Array>} */
    this.packed = new Map();
    /** Those asked last are at the end. @type {Map<number, Decoder>} */
    this.tiles = new Map();
    /** @type {Map<string, Coarse>} */
    this.coarse = new Map();
    /** @type {[number, number] | null} */
    this.span = null;
  }

  /**
   * @param {Uint8Array} bytes from the first one of the file on
   * @param {boolean} isWhole whether these are all
   * @returns {Info}
   */
  take(bytes, isWhole) {
    const container = (this.container = readContainer(bytes, this.limits, isWhole));
    const { header, payloads, networkAt, networkBytes } = container;
    const payload = /** @type {Uint8Array} */ (payloads.get(CHUNK.tiles));
    this.header = header;
    this.index = indexOf(payload, networkBytes, networkAt, header, { tiles: MOST_TILES, ...this.limits });
    const { grid, lengths, starts } = this.index;
    for (let number = 0; number < lengths.length && starts[number] + lengths[number] <= payload.length; number++) {
      this.give(number, payload.subarray(starts[number], starts[number] + lengths[number]));
    }
    this.missing = 0;
    this.places = [];
    const tail = networkAt + networkBytes + CHECKSUM_BYTES;
    this.info = this.described(payloads, "wavelets", bytes.length);
    this.info.tiles = {
      ...{ strides: grid.strides, overlaps: grid.overlaps, counts: grid.counts, lengths },
      starts: starts.map((start) => networkAt + start),
      tail: container.chunksRead < header.chunks ? tail : 0,
    };
    return this.info;
  }

  /**
   * What stands behind the tiles in the file.
   * @param {Uint8Array} bytes to its end
   * @returns {Info}
   */
  takeTail(bytes) {
    const info = /** @type {Info} */ (this.info);
    const container = /** @type {import("./container.js").Container} */ (this.container);
    const reader = new ByteReader(bytes);
    while (container.chunksRead < container.header.chunks) readChunk(reader, this.limits, true, container);
    expectEnd(reader, container);
    return Object.assign(info, this.described(container.payloads, "wavelets", info.bytes + bytes.length));
  }

  /**
   * The bytes of a tile.
   * @param {number} number
   * @param {Uint8Array} bytes
   */
  give(number, bytes) {
    const { lengths, checksums } = this.expectIndex();
    if (bytes.length !== lengths[number]) {
      throw new TnrError("corrupt_file", `tile ${number} has ${bytes.length} bytes, expected ${lengths[number]}: the file is truncated, fetch it again`);
    }
    if (crc32c(bytes) !== checksums[number]) {
      throw new TnrError("corrupt_file", `the checksum of tile ${number} differs: the file is damaged, fetch this tile again`);
    }
    this.packed.set(number, bytes);
  }

  /** @param {number[]} numbers of tiles whose bytes are needed no longer */
  forget(numbers) {
    for (const number of numbers) this.packed.delete(number);
  }

  /** @param {number} [number] of a tile */
  network(number) {
    if (!Number.isInteger(number)) {
      throw new TnrError("config_error", `the file has a network for each of ${this.expectIndex().lengths.length} tiles: ask for network(number of a tile)`);
    }
    return this.tile(Number(number)).network();
  }

  /**
   * @param {PixelOptions} [options]
   * @returns {import("./tnr.js").Pixels<any>}
   */
  pixels(options = {}) {
    if (options.missing) throw new TnrError("config_error", "a file in tiles names no place that lacks levels: ask with quick and a shape");
    return options.quick ? this.quick(options) : super.pixels(options);
  }

  /**
   * A picture from afar: no more levels of detail than the shape shows, and of two tiles that overlap the nearer one.
   * @param {PixelOptions} options
   */
  quick({ region, shape, as }) {
    const { grid } = this.expectIndex();
    const { shape: samples, channels, sampleFormat } = this.expectHeader();
    const box = samples.map((count, axis) => region?.[axis] ?? [0, count]);
    if (as !== "rgba" || samples.length !== 2 || shape?.length !== 2 || !box.every(([from, to], axis) => 0 <= from && from < to && to <= samples[axis])) {
      throw new TnrError("config_error", "a quick look takes a region of a picture and a shape, as rgba");
    }
    checkLimit(this.limits, "values", 4 * product(shape));
    const levels = Math.floor(Math.log2(Math.max(1, Math.min(...box.map(([from, to], axis) => (to - from) / shape[axis])))));
    const data = new Uint8ClampedArray(4 * product(shape));
    // Of each pixel along an axis: the index of its tile, and its sample.
    const places = box.map(([from, to], axis) =>
      Array.from({ length: shape[axis] }, (_, pixel) => {
        const sample = Math.min(to - 1, Math.floor(from + ((pixel + 0.5) * (to - from)) / shape[axis]));
        const [index] = grid.met(axis, sample + 0.5 + grid.overlaps[axis] / 2, 0);
        return { index, sample };
      }),
    );
    for (const number of grid.needed("pixels", [{ region, quick: true }])) {
      const [row, column] = grid.place(number);
      const [rows, columns] = [row, column].map((index, axis) => intervalOf(places[axis], index));
      if (rows[0] === rows[1] || columns[0] === columns[1]) continue;
      const { data: values, shape: [lines, width], every, first } = this.coarseTile(number, levels);
      const [[top], [left]] = grid.box(number);
      const pixels = toSamples(values, "rgba", sampleFormat, this.scaling ?? null, channels, () => this.spannedBy(values));
      const near = (/** @type {number} */ sample, /** @type {number} */ start, /** @type {number} */ count) =>
        Math.min(count - 1, Math.max(0, Math.round((sample - start - first[0]) / every)));
      const source = new Uint32Array(pixels.buffer);
      const target = new Uint32Array(data.buffer);
      for (let y = rows[0]; y < rows[1]; y++) {
        const line = near(places[0][y].sample, top, lines) * width;
        for (let x = columns[0]; x < columns[1]; x++) target[y * shape[1] + x] = source[line + near(places[1][x].sample, left, width)];
      }
    }
    return { shape, channels, missing: 0, data };
  }

  /**
   * Values of one of so many samples of a tile, without its finest levels.
   * @param {number} number
   * @param {number} levels to leave out, at most as many as it has
   * @returns {Coarse}
   */
  coarseTile(number, levels) {
    const key = `${number} ${levels}`;
    const kept = this.coarse.get(key);
    if (kept) {
      this.coarse.delete(key);
      this.coarse.set(key, kept);
      return kept;
    }
    const { header, payload } = this.prepared(number);
    const missing = Math.min(levels, layoutOf(payload, header, this.limits).scales);
    const every = 2 ** Math.max(0, missing - 1);
    const network = this.core.wavelets(payload, header, missing, true);
    const shape = header.shape.map((count) => everyCount(count, every));
    const data = new Float32Array(product(shape) * header.channels);
    const row = data.length / (shape.length > 1 ? shape[0] : 1);
    this.core.rows(network, (some, at) => (data.set(some, at * row), true), every);
    const found = { data, shape, every, first: header.shape.map((count) => Math.min(every >> 1, count - 1)) };
    this.coarse.set(key, found);
    trim(this.coarse, ({ data: one }) => one.byteLength, KEPT_OF_TILES / 2);
    return found;
  }

  /**
   * @param {[number, number][]} box
   * @param {number[]} shape
   */
  values(box, shape) {
    const isOnSamples = areSamples(box, shape);
    const counts = isOnSamples ? box.map(([from, to]) => to - from) : shape;
    checkLimit(this.limits, "values", product(counts) * this.expectHeader().channels);
    const places = box.map(([from, to], axis) => Float64Array.from({ length: counts[axis] }, (_, at) => from + ((at + 0.5) * (to - from)) / counts[axis]));
    const found = this.blended(places, isOnSamples);
    return (this.latest = isOnSamples ? this.reduced(found, box, shape) : found);
  }

  /**
   * @param {number[]} shape
   * @param {number} every
   */
  middles(shape, every) {
    const first = this.expectHeader().shape.map((count) => Math.min(every >> 1, count - 1));
    const places = shape.map((count, axis) => Float64Array.from({ length: count }, (_, at) => first[axis] + at * every + 0.5));
    return (this.latest = this.blended(places, true));
  }

  /** What is black and what is white where the format does not say: the range of what was asked first. */
  spanned() {
    return this.spannedBy(this.latest ?? new Float32Array(1));
  }

  /**
   * @param {Float32Array} values
   * @returns {[number, number]}
   */
  spannedBy(values) {
    if (!this.span) {
      const low = values.reduce((least, value) => Math.min(least, value), Infinity);
      const high = values.reduce((most, value) => Math.max(most, value), low);
      this.span = [low, high > low ? high : low + 1];
    }
    return this.span;
  }

  /**
   * Values on the product of places along each axis, in samples: those of each tile, times how much it counts, added up.
   *
   * Products are rounded to single precision and added in the order of the tiles, so that samples have the bits of every other decoder.
   * @param {Float64Array[]} places ascending
   * @param {boolean} areSamples whether all of them are middles of samples
   */
  blended(places, areSamples) {
    const { grid } = this.expectIndex();
    const { channels } = this.expectHeader();
    const counts = places.map((along) => along.length);
    const found = new Float32Array(product(counts) * channels);
    const met = places.map((along, axis) => grid.met(axis, along[0], along[along.length - 1]));
    for (const number of grid.numbers(met)) {
      const [place, box] = [grid.place(number), grid.box(number)];
      const spans = places.map((along, axis) => spanOf(grid, axis, place[axis], along));
      if (spans.some(([start, stop]) => start === stop)) continue;
      const own = places.map((along, axis) => along.subarray(...spans[axis]));
      const weights = own.map((along, axis) => along.map((t) => grid.weight(axis, place[axis], t)[0]));
      const tile = this.tile(number);
      if (areSamples) {
        const samples = own.map((along, axis) => along.map((t) => t - 0.5 - box[axis][0]));
        const shape = box.map(([start, stop]) => stop - start);
        addBlended(found, counts, spans, weights, tile.cropped(shape.map((count) => [0, count]), 0), shape, samples, channels);
      } else {
        const values = tile.evaluation(0).grid(own.map((along, axis) => along.map((t) => localOf(t, box[axis]))));
        const shape = own.map((along) => along.length);
        addBlended(found, counts, spans, weights, values, shape, own.map((along) => along.map((_, at) => at)), channels);
      }
      this.trimTiles();
    }
    return found;
  }

  /** @param {Float32Array} points */
  at(points) {
    const { channels } = this.expectHeader();
    return this.ofPoints(points, channels, (tile, local, weights, _, add) => {
      const values = tile.evaluation(0).at(local);
      weights.forEach((weight, point) => {
        for (let channel = 0; channel < channels; channel++) add(point, channel, weight * values[point * channels + channel]);
      });
    });
  }

  /** @param {Float32Array} points */
  gradient(points) {
    const { channels, shape } = this.expectHeader();
    const axes = shape.length;
    return this.ofPoints(points, channels * axes, (tile, local, weights, slopes, add) => {
      const evaluation = tile.evaluation(0);
      const found = evaluation.gradient(local);
      // Values are needed only where tiles overlap.
      const values = slopes.some((slope) => slope !== 0) ? evaluation.at(local) : null;
      const speed = shape.map((count, axis) => count / /** @type {number[]} */ (tile.header?.shape)[axis]);
      weights.forEach((weight, point) => {
        for (let channel = 0; channel < channels; channel++) {
          for (let axis = 0; axis < axes; axis++) {
            const own = found[(point * channels + channel) * axes + axis] * weight * speed[axis];
            add(point, channel * axes + axis, own + (values ? values[point * channels + channel] * slopes[point * axes + axis] : 0));
          }
        }
      });
    });
  }

  /**
   * @param {Float32Array} points
   * @param {number} size numbers that are found for a point
   * @param {(tile: Decoder, local: Float32Array, weights: number[], slopes: number[], add: (point: number, at: number, value: number) => void) => void} ask
   */
  ofPoints(points, size, ask) {
    this.checkedPoints(points);
    const { grid } = this.expectIndex();
    const axes = grid.shape.length;
    const found = new Float32Array((points.length / axes) * size);
    /** @type {Map<number, number[]>} */
    const byTile = new Map();
    for (let point = 0; point < points.length / axes; point++) {
      for (const number of grid.needed("at", [points.subarray(point * axes, (point + 1) * axes)])) {
        const known = byTile.get(number);
        if (known) known.push(point);
        else byTile.set(number, [point]);
      }
    }
    for (const number of [...byTile.keys()].sort((one, other) => one - other)) {
      const [own, place, box] = [byTile.get(number) ?? [], grid.place(number), grid.box(number)];
      // In single precision, as the points are: at a kink others would find the slope on its other side.
      const [local, weights, slopes] = [new Float32Array(own.length * axes), Array(own.length).fill(1), Array(own.length * axes).fill(1)];
      own.forEach((point, at) => {
        for (let axis = 0; axis < axes; axis++) {
          const t = ((points[point * axes + axis] + 1) * grid.shape[axis]) / 2;
          const [weight, slope] = grid.weight(axis, place[axis], t);
          local[at * axes + axis] = localOf(t, box[axis]);
          weights[at] *= weight;
          for (let other = 0; other < axes; other++) slopes[at * axes + other] *= other === axis ? slope : weight;
        }
      });
      ask(this.tile(number), local, weights, slopes, (at, part, value) => (found[own[at] * size + part] += Math.fround(value)));
      this.trimTiles();
    }
    return found;
  }

  /**
   * Header and payload of a tile, as a file of its samples alone would have them.
   * @param {number} number
   */
  prepared(number) {
    const { grid } = this.expectIndex();
    const payload = this.packed.get(number);
    if (!payload) throw new TnrError("config_error", `tile ${number} is not there: give its bytes first`);
    return { header: { ...this.expectHeader(), shape: grid.box(number).map(([start, stop]) => stop - start) }, payload };
  }

  /**
   * The decoder of a tile.
   * @param {number} number
   */
  tile(number) {
    const tile = this.tiles.get(number) ?? Object.assign(new Decoder(this.core.module, this.limits), this.prepared(number), { missing: 0, places: [] });
    this.tiles.delete(number);
    this.tiles.set(number, tile);
    return tile;
  }

  trimTiles() {
    trim(this.tiles, bytesOf, KEPT_OF_TILES);
  }

  expectIndex() {
    if (!this.index) throw new TnrError("config_error", "no file has been opened: open one first");
    return this.index;
  }
}

/**
 * The index, which is there before the first tile.
 * @param {Uint8Array} payload or its beginning
 * @param {number} bytes of the whole payload
 * @param {number} at where it begins in the file
 * @param {import("./container.js").Header} header
 * @param {any} limits
 */
function indexOf(payload, bytes, at, { shape, channels }, limits) {
  const reader = new ByteReader(payload);
  const axes = shape.length;
  const expect = (/** @type {number} */ most) => {
    const needed = Math.min(bytes, most);
    if (payload.length < needed) throw new TnrError("too_short", "the index of tiles is not there yet: fetch more of the file", at + needed);
  };
  expect(2 * MOST_VARINT * axes);
  const strides = shape.map(() => reader.varint("stride of the tiles"));
  const overlaps = shape.map(() => reader.varint("overlap of the tiles"));
  if (!strides.every((stride, axis) => stride >= 1 && overlaps[axis] <= stride)) {
    throw corrupt(`tiles have strides ${strides} and overlaps ${overlaps}, expected a stride of at least 1 and an overlap up to it`);
  }
  const grid = new TileGrid(shape, strides, overlaps);
  const tiles = product(grid.counts);
  const samples = product(shape.map((count, axis) => count + (grid.counts[axis] - 1) * overlaps[axis]));
  checkLimit(limits, /** @type {any} */ ("tiles"), tiles);
  checkLimit(limits, "samples", samples);
  checkLimit(limits, "values", samples * channels);
  expect(2 * MOST_VARINT * axes + (MOST_VARINT + CHECKSUM_BYTES) * tiles + CHECKSUM_BYTES);
  /** @type {number[]} */
  const lengths = [];
  /** @type {number[]} */
  const checksums = [];
  for (let number = 0; number < tiles; number++) {
    lengths.push(reader.varint("length of a tile"));
    checksums.push(reader.checksum("checksum of a tile"));
  }
  const end = reader.at;
  if (reader.checksum("checksum of the index") !== crc32c(payload.subarray(0, end))) {
    throw new TnrError("corrupt_file", "the checksum of the index of tiles differs: the file is damaged, fetch it again");
  }
  let next = reader.at;
  const starts = lengths.map((length) => (next += length) - length);
  for (const length of lengths) checkLimit(limits, "chunk_bytes", length);
  if (next !== bytes) throw corrupt(`index and tiles have ${next} bytes, the chunk ${bytes}`);
  return { grid, lengths, checksums, starts };
}

/**
 * Which of ascending places a tile counts at: from, and to.
 * @param {TileGrid} grid
 * @param {number} axis
 * @param {number} index
 * @param {Float64Array} places
 * @returns {[number, number]}
 */
function spanOf(grid, axis, index, places) {
  const [start, stop] = [index * grid.strides[axis], (index + 1) * grid.strides[axis] + grid.overlaps[axis]];
  const before = (/** @type {number} */ end) => {
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] < end) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return [index === 0 ? 0 : before(start), index === grid.counts[axis] - 1 ? places.length : before(stop)];
}

/**
 * First of the pixels of an axis that are of a tile, and the one behind the last.
 * @param {{index: number}[]} places
 * @param {number} wanted
 */
function intervalOf(places, wanted) {
  const first = places.findIndex(({ index }) => index === wanted);
  return first < 0 ? [0, 0] : [first, places.findLastIndex(({ index }) => index === wanted) + 1];
}

/**
 * @param {number} t
 * @param {[number, number]} samples of the tile
 */
const localOf = (t, [start, stop]) => (2 * (t - start)) / (stop - start) - 1;

/**
 * Add values of a tile, times its weights, to those of all tiles.
 * @param {Float32Array} found
 * @param {number[]} counts of all places along each axis
 * @param {[number, number][]} spans which of these are in the tile
 * @param {Float64Array[]} weights along each axis
 * @param {Float32Array} values of the tile
 * @param {number[]} shape of these
 * @param {Float64Array[]} chosen which of these are taken, along each axis
 * @param {number} channels
 */
function addBlended(found, counts, spans, weights, values, shape, chosen, channels) {
  const last = counts.length - 1;
  const [places, columns] = [weights[last], chosen[last]];
  /** @type {(axis: number, to: number, from: number, weight: number) => void} */
  const add = (axis, to, from, weight) => {
    if (axis < last) {
      for (let at = 0; at < weights[axis].length; at++) {
        add(axis + 1, (to + spans[axis][0] + at) * counts[axis + 1], (from + chosen[axis][at]) * shape[axis + 1], weight * weights[axis][at]);
      }
      return;
    }
    for (let at = 0; at < places.length; at++) {
      const each = weight * places[at];
      const [target, source] = [(to + spans[last][0] + at) * channels, (from + columns[at]) * channels];
      for (let channel = 0; channel < channels; channel++) found[target + channel] += Math.fround(each * values[source + channel]);
    }
  };
  add(0, 0, 0, 1);
}

/**
 * Drop what was asked longest ago, but never the last one.
 * @template Key, Kept
 * @param {Map<Key, Kept>} kept
 * @param {(one: Kept) => number} size
 * @param {number} most
 */
function trim(kept, size, most) {
  let all = 0;
  for (const one of kept.values()) all += size(one);
  for (const [key, one] of kept) {
    if (all <= most || kept.size === 1) return;
    kept.delete(key);
    all -= size(one);
  }
}

/**
 * Bytes that the decoder of a tile holds.
 * @param {Decoder} tile
 */
function bytesOf({ last }) {
  if (!last) return 0;
  const instance = /** @type {any} */ (last.evaluation)?.instance;
  return (last.network.integers?.length ?? 0) + last.network.words.length + (last.values?.byteLength ?? 0) + (instance?.memory.buffer.byteLength ?? 0);
}
