"use strict";

class TnrError extends Error {
  constructor(code, message, needed) {
    super(message);
    this.name = "TnrError";
    this.code = code;
    this.needed = needed;
  }
}

const corrupt = (message) => new TnrError("corrupt_file", `${message}: the file is damaged`);

const KEY_STEP = 64;

function listen(element, view, changed) {
  const ending = new AbortController();
  const options = { signal: ending.signal };
  const ratio = () => view.screenWidth / Math.max(1, element.clientWidth);
  const place = ({ clientX, clientY }) => {
    const { left, top } = element.getBoundingClientRect();
    return [(clientX - left - element.clientLeft) * ratio(), (clientY - top - element.clientTop) * ratio()];
  };
  // A page scrolls as long as a picture is as it was: a wheel zooms with Ctrl, which a pinch on a touchpad is, or once zoomed in.
  element.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && view.isHome) return;
      event.preventDefault();
      view.zoomBy(2 ** (-event.deltaY * (event.deltaMode ? 16 : 1) * (event.ctrlKey ? 0.01 : 0.002)), ...place(event));
      changed();
    },
    { ...options, passive: false },
  );
  element.addEventListener(
    "dblclick",
    (event) => {
      event.preventDefault();
      view.zoomBy(event.shiftKey ? 1 / 4 : 4, ...place(event));
      changed();
    },
    options,
  );
  const pointers = new Map();
  element.addEventListener(
    "pointerdown",
    (event) => {
      pointers.set(event.pointerId, place(event));
      if (!view.isHome || pointers.size > 1) element.setPointerCapture(event.pointerId);
    },
    options,
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const after = place(event);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, after);
      if (other) {
        const distance = (/** @type {[number, number]} */ [x, y]) => Math.hypot(x - other[0], y - other[1]);
        view.moveBy((after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
        view.zoomBy(distance(after) / Math.max(1, distance(before)), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
      } else view.moveBy(after[0] - before[0], after[1] - before[1]);
      changed();
    },
    options,
  );
  for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
    element.addEventListener(name, (event) => pointers.delete(event.pointerId), options);
  }
  const keys = {
    "+": () => view.zoomBy(2),
    "=": () => view.zoomBy(2),
    "-": () => view.zoomBy(1 / 2),
    0: () => view.reset(),
    Home: () => view.reset(),
    ArrowLeft: () => view.moveBy(KEY_STEP * ratio(), 0),
    ArrowRight: () => view.moveBy(-KEY_STEP * ratio(), 0),
    ArrowUp: () => view.moveBy(0, KEY_STEP * ratio()),
    ArrowDown: () => view.moveBy(0, -KEY_STEP * ratio()),
  };
  element.addEventListener(
    "keydown",
    (event) => {
      const isMove = event.key.startsWith("Arrow");
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey || (isMove && view.isHome)) return;
      event.preventDefault();
      keys[event.key]();
      changed();
    },
    options,
  );
  return () => ending.abort();
}

function canvasOf({ data, shape: [height, width] }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

const SAMPLE_TYPES = {
  ...{ u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, s8: Int8Array, s16: Int16Array, s24: Int32Array, s32: Int32Array },
  ...{ u64: Float64Array, s64: Float64Array, f16: Float32Array, f32: Float32Array, f64: Float64Array },
};

function storageOf(format, scaling) {
  const bits = Number(format.slice(1));
  const isInteger = format[0] !== "f";
  const exact = 2 ** 53;
  const low = format[0] === "u" ? 0 : Math.max(-(2 ** (bits - 1)), -exact);
  const high = Math.min(2 ** (bits - (format[0] === "s" ? 1 : 0)) - 1, exact);
  const natural = { scale: isInteger ? (low ? -low : high) : 1, offset: 0 };
  const { scale, offset } = scaling ?? natural;
  const range = isInteger ? (scaling ? [0, 1] : [low / scale, high / scale]) : [-Infinity, Infinity];
  return { isInteger, low, high, scale, offset, range };
}

function toSamples(values, as, format, scaling, channels, spanned) {
  const { isInteger, low, high, scale, offset, range } = storageOf(format, scaling);
  if (as === "rgba") return toRgba(values, channels, isInteger ? (range[0] < 0 ? range : [0, 1]) : scaling ? [0, 1] : spanned());
  if (as !== "samples") return values.map((value) => Math.min(range[1], Math.max(range[0], value)));
  const Samples = /** @type {Float64ArrayConstructor} */ (SAMPLE_TYPES[/** @type {keyof typeof SAMPLE_TYPES} */ (format)]);
  return Samples.from(values, (value) => {
    const sample = Math.min(range[1], Math.max(range[0], value)) * scale + offset;
    return isInteger ? Math.min(high, Math.max(low, halfEven(sample))) : sample;
  });
}

function halfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

function toRgba(values, channels, [low, high]) {
  const factor = 255 / (high - low);
  const count = values.length / channels;
  // Clamped arrays round halves to even, as numpy does.
  const pixels = new Uint8ClampedArray(4 * count).fill(255);
  const isColour = channels === 3 || channels === 4;
  for (let pixel = 0; pixel < count; pixel++) {
    const from = pixel * channels;
    for (let colour = 0; colour < 3; colour++) pixels[4 * pixel + colour] = (values[from + (isColour ? colour : 0)] - low) * factor;
    if (channels === 4 || channels === 2) pixels[4 * pixel + 3] = (values[from + channels - 1] - low) * factor;
  }
  return pixels;
}

const FIRST_BYTES = 4096;
const FIRST_STRETCH = 2 ** 15;


function fetchFile(file, address, options, started) {
  return new Promise((resolve, reject) => {
    file.whole = readFile(file, address, options, started, resolve);
    file.whole.then(resolve, reject);
  });
}

async function answered(address, { signal, cache }, range) {
  const plain = { signal, cache };
  const ranged = range && { ...plain, headers: { Range: `bytes=${range[0]}-${range[1]}` } };
  // Where another origin allows no ranges the browser does not even ask.
  const answer = await fetch(address, ranged ?? plain).catch((error) => (ranged && error instanceof TypeError ? fetch(address, plain) : Promise.reject(error)));
  if (!answer.ok && answer.status !== 416) {
    throw new TnrError("fetch_failed", `${address} was answered with ${answer.status}, expected a .tnr file`);
  }
  return answer;
}

async function readFile(file, address, options, started, onFirst) {
  const { missing, onLevel } = options;
  let parts = [];
  let [size, next] = [0, FIRST_BYTES];
  const show = async (/** @type {boolean} */ isWhole) => {
    const bytes = new Uint8Array(size);
    parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
    await started;
    file.info = await file.ask("take", [bytes, isWhole]);
    onLevel?.(file.info);
  };
  // What the cache of the browser has by another request is there as a whole.
  for (let wanted = missing ? FIRST_BYTES : options.cache ? 0 : FIRST_STRETCH; ; ) {
    const answer = await answered(address, options, wanted ? [size, wanted - 1] : undefined);
    const isRange = answer.status === 206;
    if (!isRange && answer.status !== 416) [parts, size] = [[], 0]; // a server that knows no ranges sends all, from the first byte on
    const total = Number(isRange ? answer.headers.get("content-range")?.split("/")[1] : answer.headers.get("content-length")) || Infinity;
    const reader = answer.status === 416 ? null : answer.body?.getReader();
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (done) break;
      parts.push(/** @type {Uint8Array} */ (value));
      size += parts[parts.length - 1].length;
      // What is nearly whole is not worth another look at its beginning.
      if (size < next || size > 0.9 * total) continue;
      try {
        await show(false);
        const { info } = file;
        if (info.tiles) {
          next = Infinity;
          if (!isRange) continue;
          await reader?.cancel();
          await readTiles(file, address, options, size);
          return onFirst();
        }
        next = info.places.find((place) => (missing ? place.missing <= missing : place.end > size))?.end ?? Infinity;
        if (!missing) onFirst();
        else if (info.missing <= missing) return void (await reader?.cancel());
      } catch (error) {
        if (!(error instanceof TnrError && error.code === "too_short")) {
          await reader?.cancel();
          throw error;
        }
        next = Math.max(error.needed ?? 0, size + FIRST_BYTES);
      }
    }
    if (!isRange || size >= total || size < wanted) break;
    wanted = missing && next < total ? next : total < Infinity ? total : 2 * size;
  }
  await show(true);
}

const MOST_TILES_SEEN = 400;
const NEAR = 2 ** -20;

const clamp = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) => Math.min(high, Math.max(low, value));
const fade = (r) => r * r * r * (10 - 15 * r + 6 * (r * r));
const fadeSlope = (r) => 30 * (r * (1 - r)) ** 2;

class TileGrid {
  constructor(shape, strides, overlaps) {
    this.shape = shape;
    this.strides = strides;
    this.overlaps = overlaps;
    this.counts = shape.map((count, axis) => Math.max(1, Math.ceil((count - overlaps[axis]) / strides[axis])));
  }

  span(axis, index) {
    const start = index * this.strides[axis];
    return [start, Math.min(this.shape[axis], start + this.strides[axis] + this.overlaps[axis])];
  }

  box(number) {
    return this.place(number).map((index, axis) => this.span(axis, index));
  }

  place(number) {
    const place = this.counts.slice();
    for (let axis = place.length - 1; axis >= 0; axis--) {
      place[axis] = number % this.counts[axis];
      number = Math.floor(number / this.counts[axis]);
    }
    return place;
  }

  number(place) {
    return place.reduce((number, index, axis) => number * this.counts[axis] + index, 0);
  }

  met(axis, low, high) {
    const last = this.counts[axis] - 1;
    return [clamp(Math.floor((low - this.overlaps[axis]) / this.strides[axis]), 0, last), clamp(Math.floor(high / this.strides[axis]), 0, last)];
  }

  weight(axis, index, t) {
    const [stride, overlap] = [this.strides[axis], this.overlaps[axis]];
    const age = (/** @type {number} */ since) => (overlap ? clamp(since / overlap, 0, 1) : Number(since >= 0));
    const rise = index === 0 ? 1 : age(t - stride * index);
    const fall = index === this.counts[axis] - 1 ? 0 : age(t - stride * index - stride);
    return [fade(rise) * (1 - fade(fall)), ((fadeSlope(rise) - fadeSlope(fall)) * this.shape[axis]) / 2 / Math.max(1, overlap)];
  }

  numbers(intervals, steps = intervals.map(() => 1)) {
    let found = [0];
    intervals.forEach(([first, last], axis) => {
      const along = [];
      for (let index = first; index <= last; index++) if (index % steps[axis] === 0 || first === last) along.push(index);
      found = found.flatMap((number) => along.map((index) => number * this.counts[axis] + index));
    });
    return found;
  }

  needed(question, [given]) {
    if (question === "network") return Number.isInteger(given) && given >= 0 && given < this.counts.reduce((all, one) => all * one, 1) ? [given] : [];
    if (question === "pixels") {
      const intervals = this.shape.map((count, axis) => {
        const [from, to] = given?.region?.[axis] ?? [0, count];
        return this.met(axis, from, to - NEAR);
      });
      const all = intervals.reduce((product, [first, last]) => product * (last + 1 - first), 1);
      const step = given?.quick ? Math.ceil((all / MOST_TILES_SEEN) ** (1 / intervals.length)) : 1;
      return this.numbers(intervals, intervals.map(() => step));
    }
    const found = new Set();
    const axes = this.shape.length;
    for (let at = 0; at < (given?.length ?? 0); at += axes) {
      const intervals = this.shape.map((count, axis) => {
        const t = ((given[at + axis] + 1) * count) / 2;
        return this.met(axis, t, t);
      });
      for (const number of this.numbers(intervals)) found.add(number);
    }
    return [...found].sort((one, other) => one - other);
  }
}

const KEPT_BYTES = 2 ** 25;
const MOST_AT_ONCE = 2 ** 18;


async function readTiles(file, address, options, size) {
  const { ask, info } = file;
  const { strides, overlaps, lengths, starts, tail } = /** @type {import("./tnr.js").TilesOfFile} */ (info.tiles);
  const grid = new TileGrid(info.shape, strides, overlaps);
  if (tail) Object.assign(info, await ask("takeTail", [await rangeOf(address, options, tail)]));
  const held = new Map();
  let heldBytes = 0;
  const hold = (/** @type {number} */ number) => {
    held.set(number, lengths[number]);
    heldBytes += lengths[number];
  };
  for (let number = 0; number < lengths.length && starts[number] + lengths[number] <= size; number++) hold(number);
  const flying = new Map();

  const leave = (/** @type {Flight} */ flight) => {
    for (const number of flight.numbers) if (flying.get(number) === flight) flying.delete(number);
  };
  const giveUp = (/** @type {Flight} */ flight) => {
    flight.ending.abort();
    leave(flight);
  };

  const begin = (/** @type {number[]} */ numbers) => {
    const ending = new AbortController();
    options.signal?.addEventListener("abort", () => ending.abort(options.signal?.reason), { signal: ending.signal });
    const [first, last] = [numbers[0], numbers[numbers.length - 1]];
    const run = async () => {
      try {
        const bytes = await rangeOf(address, { ...options, signal: ending.signal }, starts[first], starts[last] + lengths[last] - 1);
        info.bytes += bytes.length;
        for (const number of numbers) {
          const at = starts[number] - starts[first];
          await ask("give", [number, bytes.slice(at, at + lengths[number])]);
          hold(number);
        }
      } finally {
        leave(flight);
      }
    };
    const flight = { ending, numbers, users: 0, landed: Promise.resolve().then(run) };
    flight.landed.catch(() => {}); // whoever waits for it is told
    for (const number of numbers) flying.set(number, flight);
  };

  const fetched = async (numbers, signal) => {
    let run = [];
    const flush = () => {
      if (run.length) begin(run);
      run = [];
    };
    for (const number of numbers) {
      if (held.has(number) || flying.has(number)) continue;
      const follows = run.length && number === run[run.length - 1] + 1 && starts[number] + lengths[number] - starts[run[0]] <= MOST_AT_ONCE;
      if (!follows) flush();
      run.push(number);
    }
    flush();
    const flights = new Set(numbers.flatMap((number) => flying.get(number) ?? []));
    if (!flights.size) return;
    for (const flight of flights) flight.users++;
    let given = () => {};
    const givenUp = new Promise((_, reject) => {
      given = () => reject(signal?.reason);
      signal?.addEventListener("abort", given);
    });
    try {
      await Promise.race([Promise.all([...flights].map(({ landed }) => landed)), givenUp]);
    } finally {
      signal?.removeEventListener("abort", given);
      for (const flight of flights) flight.users--;
      // Who asks for another part of the picture at once may need some of the same tiles.
      setTimeout(() => {
        for (const flight of flights) if (!flight.users) giveUp(flight);
      });
    }
  };

  const { end } = file;
  file.end = () => {
    for (const flight of new Set(flying.values())) giveUp(flight);
    end();
  };
  file.ask = async (question, asked, signal) => {
    const numbers = grid.needed(question, asked);
    for (let isReady = false; !isReady; isReady = numbers.every((number) => held.has(number))) {
      signal?.throwIfAborted();
      await fetched(numbers, signal);
    }
    const needed = new Set(numbers);
    for (const number of numbers) {
      held.delete(number);
      held.set(number, lengths[number]);
    }
    const dropped = [];
    for (const [number, length] of held) {
      if (heldBytes <= KEPT_BYTES || needed.has(number)) break;
      dropped.push(number);
      held.delete(number);
      heldBytes -= length;
    }
    if (dropped.length) ask("forget", [dropped]);
    return ask(question, asked);
  };
}

async function rangeOf(address, options, first, last = "") {
  const answer = await answered(address, options, [first, last]);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  // A server that has known ranges before, and sends all now.
  const found = answer.status === 206 ? bytes : bytes.slice(first, last === "" ? undefined : last + 1);
  if (last !== "" && found.length !== last + 1 - first) {
    throw new TnrError("fetch_failed", `${address} has ${found.length} bytes from ${first} on, expected ${last + 1 - first}: it has changed, open it again`);
  }
  return found;
}



const settings = {
  core: new URL("core.wasm", import.meta.url),
  worker: new URL("worker.js", import.meta.url),
  isModule: true,
};

function configure(changed) {
  Object.assign(settings, changed);
}

let compiled = null;
let isFirst = true;

async function compiledCore() {
  const { core } = settings;
  if (core instanceof WebAssembly.Module) return core;
  // At once: functions are compiled when they are called, and an answer would wait for the page to be laid out.
  if (core instanceof Uint8Array) return new WebAssembly.Module(/** @type {BufferSource} */ (core));
  const answer = await fetch(core);
  if (!answer.ok) throw new TnrError("fetch_failed", `${core} was answered with ${answer.status}: configure({ core }) says where core.wasm is`);
  // As it comes, and from the cache of the browser the next time, if the server says what it is.
  if (answer.headers.get("content-type") === "application/wasm") return WebAssembly.compileStreaming(answer);
  return WebAssembly.compile(await answer.arrayBuffer());
}

class TnrFile {
  constructor(ask, end) {
    this.ask = ask;
    this.end = end;
    this.info = /** @type {any} */ (null);
    this.whole = Promise.resolve();
  }

  pixels({ signal, ...options } = {}) {
    return this.ask("pixels", [options], signal);
  }

  at(points) {
    return this.ask("at", [points]);
  }

  gradient(points) {
    return this.ask("gradient", [points]);
  }

  network(tile) {
    return this.ask("network", [tile]);
  }

  close() {
    this.end();
  }
}

async function open(source, options = {}) {
  compiled ??= compiledCore();
  const isOnPage = !!options.onPage && isFirst && typeof Worker !== "undefined";
  const file = typeof Worker === "undefined" ? await localFile() : workerFile(isOnPage);
  if (isOnPage) {
    isFirst = false;
    firstOnPage(file);
  }
  try {
    // What follows need not wait for an answer: questions are taken in turn.
    const started = compiled.then((core) => void file.ask("start", [core, options.limits]).catch(() => {}));
    if (typeof source === "string" || source instanceof URL) await fetchFile(file, source, options, started);
    else {
      await started;
      const bytes = source instanceof Blob ? await source.arrayBuffer() : source;
      file.info = await file.ask("take", [bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes), true]);
    }
    return file;
  } catch (error) {
    compiled = null;
    file.close();
    throw error;
  }
}

function workerFile(isLater) {
  const { worker: given, isModule } = settings;
  let worker = null;
  const waiting = new Map();
  let number = 0;
  let ended = null;
  const end = (/** @type {TnrError} */ error) => {
    ended ??= error;
    worker?.terminate();
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const run = () => {
    const begun = typeof given === "function" ? given() : new Worker(given, { type: isModule ? "module" : "classic" });
    begun.addEventListener("message", ({ data: { id, answer, error } }) => {
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error) asked?.reject(new TnrError(error.code, error.message, error.needed));
      else asked?.resolve(answer);
    });
    begun.addEventListener("error", (event) => end(new TnrError("unsupported", `the worker cannot run: ${event.message ?? given}`)));
    return begun;
  };
  if (!isLater) worker = run();
  const ask = (question, given) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      waiting.set(++number, { resolve, reject });
      (worker ??= run()).postMessage({ id: number, question, given });
    });
  return new TnrFile(ask, () => end(new TnrError("closed", "the file has been closed: open it again")));
}

async function localFile() {
  const answerTo = answers();
  let isClosed = false;
  return new TnrFile(
    async (question, given) => {
      if (isClosed) throw new TnrError("closed", "the file has been closed: open it again");
      return answerTo(question, given);
    },
    () => {
      isClosed = true;
    },
  );
}

const LIMITS = {
  file_bytes: 2 ** 28,
  chunks: 2 ** 10,
  chunk_bytes: 2 ** 27,
  weights: 2 ** 24,
  axes: 4,
  samples: 2 ** 28,
  channels: 64,
  values: 3 * 2 ** 27,
  work: 2 ** 44,
  memory: 2 ** 31,
};

function checkLimit(limits, name, asked) {
  if (!(asked <= limits[name])) {
    throw new TnrError(
      "limit_exceeded",
      `the file asks for ${asked} ${name.replace("_", " ")}, the limit is ${limits[name]}: ` +
        `if you trust the file, open it with limits: { ${name}: ${asked} }`,
    );
  }
}

const product = (numbers) => numbers.reduce((all, one) => all * one, 1);

const MOST_TAKEN = 2 ** 16;
const MOST_DECODED = 2 ** 14;
const MOST_SAMPLES = 2 ** 19;
const MOST_HIDDEN = 250;

const isSmall = ({ bytes, missing: lacking, places, shape }, { every = 0, missing = 0, shape: asked, scale }) =>
  every > 0 && !asked && !scale && product(shape) <= MOST_SAMPLES * every ** shape.length && (missing > lacking ? places.find((place) => place.missing === missing)?.end ?? Infinity : bytes) <= MOST_DECODED;

const painted = () =>
  new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
    setTimeout(done, MOST_HIDDEN);
  });

function firstOnPage(file) {
  const { ask, end } = file;
  let answerTo = null;
  let ready = Promise.resolve();
  let told = [];
  let begun = null;
  const begin = () => {
    begun ??= Promise.all(told.map(([question, given]) => ask(question, given))).finally(() => (answerTo = null));
    begun.catch(() => {});
    return begun;
  };
  const load = async (/** @type {any[]} */ given) => {
    answerTo = answers();
    await answerTo("start", [...given, true]);
  };
  const handOver = async (/** @type {NonNullable<typeof answerTo>} */ here) => {
    await painted();
    if (begun || !answerTo) return;
    told.push(["adopt", await here("kept", [])]);
    begin();
  };
  file.end = () => {
    answerTo = null;
    end();
  };
  file.ask = async (question, given, signal) => {
    if (question === "start") {
      told = [[question, given]];
      return (ready = load(given));
    }
    await ready;
    if (question === "take") {
      const answer = begun && ask(question, given);
      told[1] = [question, given];
      try {
        const info = await /** @type {any} */ (given[0].length > MOST_TAKEN ? null : answerTo)(question, given);
        answer?.catch(() => {});
        if (!given[1] || info.tiles || !isSmall(info, { every: 1 })) begin();
        return info;
      } catch {
        // What it cannot take, the worker says.
        answerTo = null;
        return answer ?? (await begin())[1];
      }
    }
    if (question === "pixels" && answerTo && isSmall(file.info, given[0])) {
      const isWhole = given[0].every < 2;
      // The coarse one is to be seen before.
      if (isWhole) await Promise.race([painted(), begun ?? painted()]);
      const here = answerTo;
      if (here) {
        const pixels = await here(question, given);
        if (isWhole && !begun) handOver(here);
        return pixels;
      }
    }
    begin();
    return ask(question, given, signal);
  };
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

function crc32c(bytes, before = 0) {
  let crc = ~before;
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[at]) & 255];
  return ~crc >>> 0;
}

class ByteReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining() {
    return this.bytes.length - this.at;
  }

  take(count, what) {
    if (count > this.remaining) {
      throw new TnrError(
        "corrupt_file",
        `${what} needs ${count} bytes at offset ${this.at}, but ${this.remaining} are left: the file is truncated, fetch it again`,
      );
    }
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  byte(what) {
    return this.take(1, what)[0];
  }

  varint(what) {
    let value = 0;
    for (let group = 0; group < 5; group++) {
      const byte = this.byte(what);
      value += (byte & 127) * 2 ** (7 * group);
      if (byte < 128) {
        if ((byte === 0 && group > 0) || value >= 2 ** 32) break;
        return value;
      }
    }
    throw corrupt(`${what} is not the shortest varint of an integer below 2^32`);
  }

  signed(what) {
    const folded = this.varint(what);
    return folded % 2 ? -(folded + 1) / 2 : folded / 2;
  }

  float(what) {
    this.take(4, what);
    return this.view.getFloat32(this.at - 4, true);
  }

  checksum(what) {
    this.take(4, what);
    return this.view.getUint32(this.at - 4, true);
  }
}

const CBOR_DEPTH = 8;

function unpackCbor(bytes) {
  const reader = new ByteReader(bytes);
  const value = cborValue(reader, CBOR_DEPTH);
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the metadata, expected none`);
  return value;
}

function cborValue(reader, depth) {
  if (!depth) throw corrupt(`the metadata are nested more than ${CBOR_DEPTH} deep`);
  const first = reader.byte("metadata");
  const [major, low] = [first >> 5, first & 31];
  if (major === 7) return cborOther(reader, low);
  const argument = cborArgument(reader, low);
  if (major === 0) return argument;
  if (major === 1) return -1 - argument;
  if (major === 2) return reader.take(argument, "metadata").slice();
  if (major === 3) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(reader.take(argument, "metadata"));
    } catch (error) {
      throw error instanceof TypeError ? corrupt("a word of the metadata is no UTF-8") : error;
    }
  }
  // An entry takes at least a byte, so that a false length cannot ask for memory.
  if ((major !== 4 && major !== 5) || argument > reader.remaining) {
    throw corrupt(`the metadata have an item of type ${major} with ${argument} entries`);
  }
  if (major === 4) return Array.from({ length: argument }, () => cborValue(reader, depth - 1));
  const entries = new Map();
  let last = new Uint8Array(0);
  for (let entry = 0; entry < argument; entry++) {
    const start = reader.at;
    const key = cborValue(reader, depth - 1);
    const written = reader.bytes.subarray(start, reader.at);
    if (typeof key !== "string" || !isAfter(written, last)) throw corrupt("the metadata have a key out of order");
    last = written;
    entries.set(key, cborValue(reader, depth - 1));
  }
  return entries;
}

function isAfter(one, other) {
  for (let at = 0; at < Math.min(one.length, other.length); at++) if (one[at] !== other[at]) return one[at] > other[at];
  return one.length > other.length;
}

function cborArgument(reader, low) {
  if (low < 24) return low;
  if (low > 27) throw corrupt("the metadata have an item of unknown length");
  const size = 1 << (low - 24);
  const argument = reader.take(size, "metadata").reduce((value, byte) => value * 256 + byte, 0);
  if (argument < (size === 1 ? 24 : 2 ** (4 * size))) throw corrupt("the metadata have a number that is not in its shortest form");
  return argument;
}

function cborOther(reader, low) {
  if (low === 20 || low === 21) return low === 21;
  if (low === 22) return null;
  if (low < 25 || low > 27) throw corrupt(`the metadata have a value of unknown type ${low}`);
  const bytes = reader.take(1 << (low - 24), "metadata");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = low === 25 ? halfFloat(view.getUint16(0)) : low === 26 ? view.getFloat32(0) : view.getFloat64(0);
  if (!Number.isFinite(value) || (low === 26 && isHalfFloat(value)) || (low === 27 && Math.fround(value) === value)) {
    throw corrupt(`the metadata have the number ${value}, expected a finite one in its shortest form`);
  }
  return value;
}

function halfFloat(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

function isHalfFloat(value) {
  const size = Math.abs(value);
  if (size > 65504) return false;
  const step = size < 2 ** -14 ? 2 ** -24 : 2 ** (Math.floor(Math.log2(size)) - 10);
  return Number.isInteger(size / step);
}



const MOST_SCALES = 16;
const MOST_FREQUENCIES = 4096;

function layoutOf(payload, { shape: samples, channels, widths, frequencies }, limits) {
  const reader = new ByteReader(payload);
  reader.varint("frequency seed");
  reader.varint("frequency reach");
  const [scales, colours] = [reader.byte("number of scales"), reader.byte("number of colours")];
  if (!(scales >= 1 && scales <= MOST_SCALES && colours >= 1)) {
    throw corrupt(`the network has ${scales} scales of ${colours} colours, expected 1 to ${MOST_SCALES} scales of at least one`);
  }
  const [axes, fields] = [samples.length, 1 + Math.min(scales, 3)];
  const inputs = fields + colours - 1 + (axes * (axes + 3)) / 2;
  const deeper = widths.slice(1).flatMap((width, layer) => [width * widths[layer], width]);
  const last = widths[widths.length - 1];
  const sizes = [widths[0] * 2 * frequencies, widths[0] * inputs, widths[0], ...deeper, channels * fields * colours, channels * last, channels];
  const layout = { samples, scales, colours, sizes, inputs };
  const latents = levelsOf(layout).reduce((sum, level) => sum + level.subbands * product(level.nodes), 0);
  checkLimit(limits, "weights", sizes.reduce((sum, size) => sum + size, latents));
  if (frequencies > MOST_FREQUENCIES) throw corrupt(`the network has ${frequencies} frequencies, expected at most ${MOST_FREQUENCIES}`);
  return layout;
}

function levelsOf({ samples, scales, colours }) {
  return Array.from({ length: scales + 1 }, (_, level) => {
    const spacing = 2 ** Math.min(scales, scales + 1 - level);
    return { nodes: samples.map((count) => Math.ceil(count / spacing)), subbands: colours * (level ? 2 ** samples.length - 1 : 1) };
  });
}


function sinesOf(chunk, payload, header, limits) {
  if (chunk !== 4) return { chunk, payload, header, windows: 1, window: header.shape[0] };
  const reader = new ByteReader(payload);
  const [windows, window, [samples]] = [reader.varint("number of windows"), reader.varint("samples of a window"), header.shape];
  if (header.shape.length !== 1 || !(windows >= 2 && windows <= samples && samples <= windows * window && window <= samples)) {
    throw corrupt(`the file has ${windows} windows of ${window} samples for a grid of ${header.shape}, expected windows that cover one axis`);
  }
  const inner = reader.byte("kind of network");
  if (inner !== 1 && inner !== 3) throw corrupt(`the windows are of a network of kind ${inner}, expected 1 or 3`);
  const all = { ...header, channels: windows * header.channels };
  checkLimit(limits, "weights", weightsOf(all));
  return { chunk: inner, payload: reader.take(reader.remaining, "network"), header: all, windows, window };
}

function weightsOf({ shape, channels, frequencies, widths }) {
  let [weights, inputs] = [frequencies * (shape.length + 1), frequencies];
  for (const width of [...widths, channels]) [weights, inputs] = [weights + width * (inputs + 1), width];
  return weights;
}


const CHUNK = { sines: 0x01, scaledSines: 0x03, windows: 0x04, wavelets: 0x07, tiles: 0x08, profile: 0x81, metadata: 0x82, places: 0x83 };
const NETWORK_CHUNKS = [CHUNK.sines, CHUNK.scaledSines, CHUNK.windows, CHUNK.wavelets, CHUNK.tiles];
const KNOWN_CHUNKS = new Set(Object.values(CHUNK));
const KINDS = ["image", "audio", "volume", "video", "sdf", "array"];
const SAMPLE_FORMATS = ["u8", "u16", "s8", "s16", "s24", "u32", "s32", "u64", "s64", "f32", "f64", "f16"];
const CHUNK_HEAD = 6;
const CHECKSUM = 4;

function named(code, names, what) {
  if (code >= 1 && code <= names.length) return names[code - 1];
  throw new TnrError("unsupported_version", `${what} is ${code}, this reader knows 1 to ${names.length}: use a newer one`);
}

function readHeader(reader, limits) {
  const magic = reader.bytes.subarray(0, 4);
  if (magic.length < 4 || magic[0] !== 0xf5 || magic[1] !== 0x54 || magic[2] !== 0x4e || magic[3] !== 0x52) {
    throw new TnrError("not_a_representation", "the bytes do not begin with F5 54 4E 52: this is not a .tnr file");
  }
  reader.take(4, "magic");
  const major = reader.byte("major version");
  reader.byte("minor version");
  if (major !== 1) throw new TnrError("unsupported_version", `the file has format version ${major}, this reader knows 1: use a newer one`);
  const field = (/** @type {string} */ name) => `header field ${name}`;
  const varints = (count, name) => Array.from({ length: count }, () => reader.varint(field(name)));
  const [kind, format, coder] = ["kind", "sample_format", "coder"].map((name) => reader.byte(field(name)));
  const chunks = reader.varint(field("chunks"));
  const shape = varints(reader.byte(field("dimensions")), "shape");
  const channels = reader.varint(field("channels"));
  const period = reader.float(field("period"));
  const frequencies = reader.varint(field("frequencies"));
  const widths = varints(reader.byte(field("layers")), "widths");
  const end = reader.at;
  if (reader.checksum("header checksum") !== crc32c(reader.bytes.subarray(0, end))) {
    throw corrupt("the checksum of the header differs");
  }
  if (coder !== 1) throw new TnrError("unsupported_version", `coder is ${coder}, this reader knows 1: use a newer one`);
  if (![shape.length, widths.length, channels, frequencies, ...shape, ...widths].every((count) => count >= 1)) {
    throw corrupt("a count of the header is 0, expected at least 1");
  }
  if (!(Number.isFinite(period) && period > 2)) throw corrupt(`header field period is ${period}, expected a finite number above 2`);
  const header = {
    kind: named(kind, KINDS, "kind"),
    sampleFormat: named(format, SAMPLE_FORMATS, "sample_format"),
    ...{ chunks, shape, channels, period, frequencies, widths },
  };
  const samples = product(shape);
  const weights = weightsOf(header);
  checkLimit(limits, "chunks", chunks);
  checkLimit(limits, "axes", shape.length);
  checkLimit(limits, "channels", channels);
  checkLimit(limits, "samples", samples);
  checkLimit(limits, "values", samples * channels);
  checkLimit(limits, "weights", weights);
  checkLimit(limits, "work", samples * weights);
  return header;
}

function readContainer(bytes, limits, isWhole) {
  checkLimit(limits, "file_bytes", bytes.length);
  const reader = new ByteReader(bytes);
  const header = readHeader(reader, limits);
  const found = { header, payloads: new Map(), networkAt: 0, networkBytes: 0, chunksRead: 0, isCut: false };
  while (found.chunksRead < header.chunks && !found.isCut) {
    found.isCut = !isWhole && reader.remaining < CHUNK_HEAD;
    if (!found.isCut) readChunk(reader, limits, isWhole, found);
  }
  if (found.isCut) return found;
  expectEnd(reader, found);
  return found;
}

function expectEnd(reader, { payloads }) {
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the last chunk, expected none`);
  const networks = NETWORK_CHUNKS.filter((type) => payloads.has(type)).length;
  if (networks !== 1) throw corrupt(`the file has ${networks || "no"} network chunks, expected one`);
}

function readChunk(reader, limits, isWhole, found) {
  const what = `chunk ${++found.chunksRead} of ${found.header.chunks}`;
  const start = reader.at;
  const [type, length] = [reader.byte(what), reader.varint(what)];
  if (isWhole || type !== CHUNK.tiles) checkLimit(limits, "chunk_bytes", length);
  found.isCut = !isWhole && length + CHECKSUM > reader.remaining;
  const at = reader.at;
  const payload = reader.take(found.isCut ? Math.min(length, reader.remaining) : length, what);
  const end = reader.at;
  if (!found.isCut && reader.checksum(what) !== crc32c(reader.bytes.subarray(start, end))) {
    throw new TnrError("corrupt_file", `the checksum of ${what} differs: the file is damaged, fetch it again`);
  }
  if (KNOWN_CHUNKS.has(type)) {
    if (found.payloads.has(type)) throw corrupt(`chunk type ${type} occurs twice, expected once`);
    found.payloads.set(type, payload);
    if (NETWORK_CHUNKS.includes(type)) [found.networkAt, found.networkBytes] = [at, length];
  } else if (type < 0x80) {
    throw new TnrError("unsupported_version", `chunk type ${type} is unknown and may not be skipped: use a newer reader`);
  }
}

function readPlaces(payload) {
  if (!payload) return [];
  const reader = new ByteReader(payload);
  const count = reader.byte("number of prefixes");
  if (count < 1) throw corrupt("the number of prefixes is 0, expected at least 1");
  let end = 0;
  const places = Array.from({ length: count }, (_, index) => {
    end += reader.varint("length of a prefix");
    return { missing: count - index, end, crc: reader.checksum("checksum of a prefix") };
  });
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the last prefix, expected none`);
  return places;
}

function reachedOf(places, payload) {
  let [crc, from] = [0, 0];
  return places.filter(({ end, crc: expected }) => {
    if (payload.length < end) return false;
    crc = crc32c(payload.subarray(from, end), crc);
    from = end;
    return crc === expected;
  });
}

function readMetadata(payload, kind) {
  if (!payload) return { scaling: null, details: null, report: {} };
  const entries = unpackCbor(payload);
  if (!(entries instanceof Map)) throw corrupt("the metadata are no map");
  const [details, report] = [entries.get("details"), entries.get("report") ?? new Map()];
  if (!(details === undefined || details === null || details instanceof Map) || !(report instanceof Map)) {
    throw corrupt("details and report are no maps");
  }
  let scaling = null;
  if (entries.has("scale") || entries.has("offset")) {
    const [scale, offset] = [entries.get("scale"), entries.get("offset") ?? 0];
    if (!(typeof scale === "number" && scale > 0 && typeof offset === "number")) {
      throw corrupt(`scale is ${scale} and offset ${offset}, expected numbers, the scale above 0`);
    }
    scaling = { scale, offset };
  }
  const plain = details instanceof Map ? Object.fromEntries(details) : null;
  if (plain) checkDetails(plain, kind);
  return { scaling, details: plain, report: Object.fromEntries(report) };
}

function checkDetails(details, kind) {
  const isCount = (/** @type {unknown} */ value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 31;
  const isList = (/** @type {unknown} */ value, /** @type {number} */ length, /** @type {(value: unknown) => boolean} */ test) =>
    Array.isArray(value) && value.length === length && value.every(test);
  const fine = {
    audio: () => isCount(details.sample_rate),
    video: () => isList(details.rate, 2, isCount),
    sdf: () => isList(details.origin, 3, Number.isFinite) && isList(details.spacing, 3, Number.isFinite),
  };
  if (fine[kind] && !fine[kind]()) throw corrupt(`the details cannot be those of a signal of kind ${kind}`);
}


const ANSWERS = {
  1: () => corrupt("the layout is none that the core knows: 1 to 4 axes, 1 to 255 colours, at most 2^28 integers"),
  2: () => new TnrError("limit_exceeded", "the memory is too small for this signal: close other pages, or take a smaller signal"),
  3: () => corrupt("the coded bytes end before the last integer"),
  4: () => corrupt("coded bytes are left over after the last integer"),
  5: () => corrupt("an integer is larger than 2^29"),
  7: () => new TnrError("limit_exceeded", "the work allowed is too little for this signal"),
  10: () => corrupt("the payload of the network is not what an encoder writes"),
  9: () => new TnrError("config_error", "the core takes at most 2^28 coordinates along an axis, and at least one"),
  8: () => new TnrError("unsupported", "the network is larger than the core evaluates: decode the file with the Python library"),
};

const expectFine = (answer) => {
  if (answer !== 0) throw (ANSWERS[answer] ?? (() => new TnrError("unsupported", `the core answered ${answer}`)))();
};

class Core {
  constructor(module, limits) {
    this.module = module;
    this.limits = limits;
  }

  wavelets(payload, header, missing, isForOnce) {
    const layout = layoutOf(payload, header, this.limits);
    const { scales, sizes } = layout;
    if (missing > scales) throw corrupt(`the beginning of the file lacks ${missing} of ${scales + 1} levels`);
    checkLimit(this.limits, "memory", memoryNeeded(layout, payload.length) + 16 * (sizes.reduce((all, size) => all + size, 0) + header.frequencies * 4));
    const instance = new CoreInstance(this.module, layout);
    const { core_wavelets, core_want_levels, core_decode } = instance.exports;
    instance.putChunk(header, payload, 0);
    expectFine(core_wavelets());
    core_want_levels(missing ? scales + 1 - missing : 0);
    expectFine(core_decode());
    const network = { layout, header, words: instance.words(), integers: null, coded: payload.length, fresh: instance, used: instance };
    if (!isForOnce) this.integers(network);
    return network;
  }

  integers(network) {
    network.integers ??= /** @type {CoreInstance} */ (network.used).integers();
    network.used = null;
    return network.integers;
  }

  between(network) {
    const { layout, header } = network;
    const { samples, scales, colours } = layout;
    const sums = 2 + Math.min(scales, 3) + colours + (colours > 1 ? header.channels : 0);
    const memory = memoryNeeded(layout, network.coded) + pixelMemory(network) + 4 * sums * (product(samples) + 64) + 32 * Math.max(...samples);
    checkLimit(this.limits, "memory", memory);
    return new CoreEvaluation(this.withNetwork(network), header, this.limits, memory, (4 + colours + header.channels + 19) * (samples[samples.length - 1] + 64));
  }

  sines({ chunk, payload, header }) {
    const most = Math.max(header.frequencies, header.channels, ...header.widths);
    const memory = 2 ** 22 + 24 * weightsOf(header) + 8 * payload.length + 32 * most;
    checkLimit(this.limits, "memory", memory);
    const instance = new CoreInstance(this.module, null);
    expectFine(instance.exports.core_prepare_sines(header.shape.length));
    instance.putChunk(header, payload, 1);
    expectFine(instance.exports.core_sines(chunk));
    return new CoreEvaluation(instance, header, this.limits, memory, 0);
  }

  withNetwork(network) {
    const { layout, words, fresh } = network;
    network.fresh = null;
    if (fresh) return fresh;
    const instance = new CoreInstance(this.module, layout);
    const { core_integers, core_network_room } = instance.exports;
    instance.put(this.integers(network), core_integers());
    instance.put(words, core_network_room(words.length / 4));
    return instance;
  }

  rows(network, take, every = 1) {
    checkLimit(this.limits, "memory", memoryNeeded(network.layout, network.coded) + pixelMemory(network));
    const instance = this.withNetwork(network);
    const { core_every, core_pixels, core_next, core_values } = instance.exports;
    core_every(every);
    expectFine(core_pixels());
    const samples = network.layout.samples.map((count) => everyCount(count, every));
    const row = network.header.channels * product(samples.slice(samples.length > 1 ? 1 : 0));
    for (let first = 0, rows = core_next(); rows; first += rows, rows = core_next()) {
      const values = new Float32Array(instance.memory.buffer, core_values() >>> 0, rows * row);
      if (!take(values, first, rows)) return;
    }
  }
}

const everyCount = (count, every) => Math.floor((count - 1 - Math.min(every >> 1, count - 1)) / every) + 1;

function numbersOf({ buffer, byteOffset }, { shape, frequencies: count, widths }, sizes) {
  const start = byteOffset + 4 * (6 + widths.length);
  const all = new Int32Array(buffer, start, count * shape.length);
  const frequencies = Array.from({ length: count }, (_, each) => Array.from(all.subarray(each * shape.length, (each + 1) * shape.length)));
  let at = start + all.byteLength;
  const weights = sizes.map((size) => new Float32Array(buffer, (at += 4 * size) - 4 * size, size).slice());
  return { frequencies, weights };
}

class CoreInstance {
  constructor(module, layout) {
    this.exports = /** @type {any} */ (new WebAssembly.Instance(module).exports);
    this.memory = /** @type {WebAssembly.Memory} */ (this.exports.memory);
    if (!layout) return;
    const { samples, scales, colours } = layout;
    const description = Uint32Array.of(1, samples.length, colours, scales, ...samples, ...Array(4 - samples.length).fill(1));
    this.put(new Uint8Array(description.buffer), this.exports.core_description());
    expectFine(this.exports.core_prepare());
  }

  bytes(address, size) {
    return new Uint8Array(this.memory.buffer, address >>> 0, size);
  }

  put(data, address) {
    if (!address) expectFine(2);
    this.bytes(address, data.length).set(data);
  }

  putChunk({ frequencies, channels, period, widths }, payload, isSines) {
    const head = new DataView(new ArrayBuffer(4 * (6 + widths.length)));
    [frequencies, channels, widths.length, isSines].forEach((word, at) => head.setUint32(4 * at, word, true));
    head.setFloat64(16, period, true);
    widths.forEach((width, layer) => head.setUint32(24 + 4 * layer, width, true));
    this.put(new Uint8Array(head.buffer), this.exports.core_network_room(6 + widths.length));
    this.put(payload, this.exports.core_coded_room(payload.length));
  }

  integers() {
    return this.bytes(this.exports.core_integers(), 4 * this.exports.core_integer_count()).slice();
  }

  words() {
    return this.bytes(this.exports.core_network(), 4 * this.exports.core_network_words()).slice();
  }
}

const MOST_POINTS_AT_ONCE = 2 ** 16;

class CoreEvaluation {
  constructor(instance, header, limits, memory, lines) {
    this.instance = instance;
    this.header = header;
    this.axes = header.shape.length;
    this.all = this.channels = header.channels;
    this.limits = limits;
    this.memory = memory;
    this.lines = lines;
    expectFine(instance.exports.core_evaluate());
  }

  only(first, count) {
    this.channels = count;
    this.instance.exports.core_outputs(first, count);
  }

  checkMemory(numbers, slopes) {
    const { frequencies, widths } = this.header;
    const [inputs, most] = [2 * frequencies + 64, Math.max(...widths, this.channels) + 64];
    const rooms = (inputs + 3 * most + slopes * (inputs + 2 * most)) * 272;
    const weights = 20 * (weightsOf(this.header) + inputs * widths[0]) + 128 * (inputs + 8) + 4 * most * (widths.length + 1);
    checkLimit(this.limits, "memory", this.memory + 2 ** 23 + 4 * (weights + rooms + numbers));
  }

  grid(coordinates) {
    const { core_grid_room, core_grid } = this.instance.exports;
    const counts = coordinates.map((axis) => axis.length);
    const plane = product(counts.slice(this.axes > 1 ? 1 : 0));
    const all = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
    this.checkMemory(Math.max(plane, 8192) * this.channels + 2 ** 23 + this.lines + 50 * all.length, 0);
    coordinates.reduce((at, axis) => (all.set(axis, at), at + axis.length), 0);
    this.instance.put(new Uint8Array(all.buffer), core_grid_room(...counts, ...Array(4 - counts.length).fill(1)));
    expectFine(core_grid());
    return this.collected(product(counts) * this.channels, plane * this.channels);
  }

  at(points) {
    return this.of(points, 0, this.channels);
  }

  gradient(points) {
    return this.of(points, 1, this.channels * this.axes);
  }

  of(points, derivatives, size) {
    const { core_points_room, core_points } = this.instance.exports;
    const found = new Float32Array((points.length / this.axes) * size);
    this.checkMemory(1088 * this.channels + 2 ** 21 + 8 * Math.min(points.length, MOST_POINTS_AT_ONCE * this.axes), derivatives * this.axes);
    for (let first = 0; first * this.axes < points.length; first += MOST_POINTS_AT_ONCE) {
      const some = Float64Array.from(points.subarray(first * this.axes, (first + MOST_POINTS_AT_ONCE) * this.axes));
      const count = some.length / this.axes;
      this.instance.put(new Uint8Array(some.buffer), core_points_room(count));
      expectFine(core_points(derivatives));
      found.set(this.collected(count * size, size), first * size);
    }
    return found;
  }

  collected(count, row) {
    const { core_next, core_values } = this.instance.exports;
    const found = new Float32Array(count);
    for (let at = 0, rows = core_next(); rows; rows = core_next()) {
      found.set(new Float32Array(this.instance.memory.buffer, core_values() >>> 0, rows * row), at);
      at += rows * row;
    }
    return found;
  }
}

function memoryNeeded(layout, coded) {
  const levels = levelsOf(layout);
  const plane = (/** @type {number[]} */ nodes) => 2 * product(nodes.map((count) => count + 2));
  const finest = levels[levels.length - 1].nodes;
  return levels.reduce(
    (memory, { nodes, subbands }) => memory + subbands * (512 + 4 * product(nodes) + plane(nodes)),
    2 ** 23 + 2 * coded + 22 * finest[finest.length - 1] + plane(finest),
  );
}

function pixelMemory({ layout: { samples, scales, colours }, header: { channels, frequencies, widths }, words }) {
  const fields = 1 + Math.min(scales, 3);
  const [first, ...others] = samples.length > 1 ? samples : [1, ...samples];
  const [plane, last] = [product(others), others[others.length - 1]];
  const rows = Math.min(first, Math.max(2, Math.floor(8192 / plane))) + 8;
  const sums = fields + colours - 1 + (colours > 1 ? channels : 0);
  const coarse = product(samples.map((count) => Math.ceil(count / 2))) + 16;
  let floats = 8 * words.length + ((fields - 1) * colours + 1) * coarse;
  floats += rows * (plane / last) * ((sums + channels) * (last + 2) + last + 32) + sums * (4 * fields * colours + 64);
  floats += (2 * frequencies + 4 * (Math.max(...widths) + channels) + 64) * 272;
  return 4 * floats;
}



const KEPT_OF_VALUES = 2 ** 28;

function answers() {
  let decoder = null;
  return async (question, given) => {
    if (question === "start") return void (decoder = new Decoder(given[0], given[1], given[2]));
    try {
      const answer = await decoder[question](...given);
      if (decoder.sineChunk === CHUNK.windows && !decoder.Windows) {
        decoder.Windows = Windows;
      }
      return answer;
    } catch (error) {
      if (/** @type {any} */ (error).code !== "in_tiles") throw error;
    }
    decoder = new Tiles(decoder);
    return decoder[question](...given);
  };
}

class Decoder {
  constructor(module, limits = {}, isForOnce = false) {
    this.isForOnce = isForOnce;
    this.limits = { ...LIMITS, ...limits };
    this.core = new Core(module, this.limits);
    this.last = null;
    this.lastMissing = -1;
    this.Windows = null;
  }

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
    this.sines = null;
    this.places = places;
    this.missing = missing;
    [this.last, this.lastMissing] = [null, -1];
    this.info = this.described(payloads, payload ? "wavelets" : "sines", bytes.length);
    this.info.places = places.map((place) => ({ missing: place.missing, end: networkAt + place.end }));
    return this.info;
  }

  described(payloads, network, bytes) {
    const { kind, shape, channels, sampleFormat, period } = /** @type {any} */ (this.expectHeader());
    const metadata = readMetadata(payloads.get(CHUNK.metadata), kind);
    this.scaling = metadata.scaling;
    const profile = payloads.get(CHUNK.profile)?.slice() ?? null;
    return { kind, shape, channels, sampleFormat, network, bytes, missing: this.missing ?? 0, period, ...metadata, profile, places: [] };
  }

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

  values(box, shape, missing) {
    if (!areSamples(box, shape)) return this.between(box, shape, missing);
    const there = this.payload ? this.cropped(box, missing) : this.between(box, box.map(([from, to]) => to - from), missing);
    return this.reduced(there, box, shape);
  }

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

  at(points) {
    return this.evaluation(this.missing ?? 0).at(this.checkedPoints(points));
  }

  gradient(points) {
    return this.evaluation(this.missing ?? 0).gradient(this.checkedPoints(points));
  }

  checkedPoints(points) {
    const axes = this.expectHeader().shape.length;
    if (!(points instanceof Float32Array) || points.length % axes || !points.every(Number.isFinite)) {
      throw new TnrError("config_error", `points are ${points?.length} numbers, expected a Float32Array of ${axes} finite ones for each point`);
    }
    return points;
  }

  evaluation(missing) {
    if (this.sinePayload) return (this.sines ??= this.ofSines(this.sinePayload));
    const decoded = this.decoded(missing);
    return (decoded.evaluation ??= this.core.between(decoded.network));
  }

  ofSines(payload) {
    const sines = sinesOf(this.sineChunk ?? 0, payload, this.expectHeader(), this.limits);
    const network = this.core.sines(sines);
    return sines.windows > 1 ? new this.Windows(network, sines) : network;
  }

  between(box, shape, missing) {
    const samples = this.expectHeader().shape;
    const middles = box.map(([from, to], axis) =>
      Float64Array.from({ length: shape[axis] }, (_, cell) => (2 * (from + ((cell + 0.5) * (to - from)) / shape[axis])) / samples[axis] - 1),
    );
    return this.evaluation(missing).grid(middles);
  }

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

  kept() {
    if (!this.payload) return [];
    const { network } = this.decoded(0);
    return [this.core.integers(network), network.words];
  }

  adopt(integers, words) {
    const { payload } = this;
    if (!payload) return;
    const header = this.expectHeader();
    const network = { layout: layoutOf(payload, header, this.limits), header, words, integers, coded: payload.length, fresh: null, used: null };
    this.last = { network, values: null, evaluation: null, span: null };
    this.lastMissing = 0;
  }

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

const areSamples = (box, shape) => box.every(([from, to], axis) => Number.isInteger(from) && Number.isInteger(to) && shape[axis] <= to - from);

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

function checkedInterval(interval, count, axis) {
  const [from, to] = interval ?? [0, count];
  if (!(from >= 0 && from < to && to <= count)) {
    throw new TnrError("config_error", `the region is ${from} to ${to} along axis ${axis}, expected 0 <= from < to <= ${count}`);
  }
  return [from, to];
}

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

const PLACES = 256;

class Windows {
  constructor(network, { header, windows, window }) {
    this.network = network;
    this.windows = windows;
    this.window = window;
    this.samples = header.shape[0];
    this.channels = header.channels / windows;
  }

  grid([line]) {
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

  at(points) {
    return this.of(points, (some) => this.network.at(some));
  }

  gradient(points) {
    return this.of(points, (some) => this.network.gradient(some).map((slope) => (slope * this.samples) / this.window));
  }

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

  byWindow(line) {
    const found = new Map();
    line.forEach((coordinate, point) => {
      const window = Math.min(this.windows - 1, Math.max(0, Math.floor(this.position(coordinate) + 1e-9)));
      const points = found.get(window);
      if (points) points.push(point);
      else found.set(window, [point]);
    });
    return found;
  }

  position(coordinate) {
    return ((coordinate + 1) * this.samples) / (2 * this.window);
  }

  local(coordinate, window) {
    return 2 * (this.position(coordinate) - window) - 1;
  }
}

const MOST_TILES = 2 ** 16;
const MOST_VARINT = 5;
const CHECKSUM_BYTES = 4;
const KEPT_OF_TILES = 2 ** 27;


class Tiles extends Decoder {
  constructor(plain) {
    super(plain.core.module, plain.limits);
    this.packed = new Map();
    this.tiles = new Map();
    this.coarse = new Map();
    this.span = null;
  }

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

  takeTail(bytes) {
    const info = /** @type {Info} */ (this.info);
    const container = /** @type {import("./container.js").Container} */ (this.container);
    const reader = new ByteReader(bytes);
    while (container.chunksRead < container.header.chunks) readChunk(reader, this.limits, true, container);
    expectEnd(reader, container);
    return Object.assign(info, this.described(container.payloads, "wavelets", info.bytes + bytes.length));
  }

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

  forget(numbers) {
    for (const number of numbers) this.packed.delete(number);
  }

  network(number) {
    if (!Number.isInteger(number)) {
      throw new TnrError("config_error", `the file has a network for each of ${this.expectIndex().lengths.length} tiles: ask for network(number of a tile)`);
    }
    return this.tile(Number(number)).network();
  }

  pixels(options = {}) {
    if (options.missing) throw new TnrError("config_error", "a file in tiles names no place that lacks levels: ask with quick and a shape");
    return options.quick ? this.quick(options) : super.pixels(options);
  }

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

  values(box, shape) {
    const isOnSamples = areSamples(box, shape);
    const counts = isOnSamples ? box.map(([from, to]) => to - from) : shape;
    checkLimit(this.limits, "values", product(counts) * this.expectHeader().channels);
    const places = box.map(([from, to], axis) => Float64Array.from({ length: counts[axis] }, (_, at) => from + ((at + 0.5) * (to - from)) / counts[axis]));
    const found = this.blended(places, isOnSamples);
    return (this.latest = isOnSamples ? this.reduced(found, box, shape) : found);
  }

  middles(shape, every) {
    const first = this.expectHeader().shape.map((count) => Math.min(every >> 1, count - 1));
    const places = shape.map((count, axis) => Float64Array.from({ length: count }, (_, at) => first[axis] + at * every + 0.5));
    return (this.latest = this.blended(places, true));
  }

  spanned() {
    return this.spannedBy(this.latest ?? new Float32Array(1));
  }

  spannedBy(values) {
    if (!this.span) {
      const low = values.reduce((least, value) => Math.min(least, value), Infinity);
      const high = values.reduce((most, value) => Math.max(most, value), low);
      this.span = [low, high > low ? high : low + 1];
    }
    return this.span;
  }

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

  at(points) {
    const { channels } = this.expectHeader();
    return this.ofPoints(points, channels, (tile, local, weights, _, add) => {
      const values = tile.evaluation(0).at(local);
      weights.forEach((weight, point) => {
        for (let channel = 0; channel < channels; channel++) add(point, channel, weight * values[point * channels + channel]);
      });
    });
  }

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

  ofPoints(points, size, ask) {
    this.checkedPoints(points);
    const { grid } = this.expectIndex();
    const axes = grid.shape.length;
    const found = new Float32Array((points.length / axes) * size);
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

  prepared(number) {
    const { grid } = this.expectIndex();
    const payload = this.packed.get(number);
    if (!payload) throw new TnrError("config_error", `tile ${number} is not there: give its bytes first`);
    return { header: { ...this.expectHeader(), shape: grid.box(number).map(([start, stop]) => stop - start) }, payload };
  }

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
  const lengths = [];
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

function intervalOf(places, wanted) {
  const first = places.findIndex(({ index }) => index === wanted);
  return first < 0 ? [0, 0] : [first, places.findLastIndex(({ index }) => index === wanted) + 1];
}

const localOf = (t, [start, stop]) => (2 * (t - start)) / (stop - start) - 1;

function addBlended(found, counts, spans, weights, values, shape, chosen, channels) {
  const last = counts.length - 1;
  const [places, columns] = [weights[last], chosen[last]];
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

function trim(kept, size, most) {
  let all = 0;
  for (const one of kept.values()) all += size(one);
  for (const [key, one] of kept) {
    if (all <= most || kept.size === 1) return;
    kept.delete(key);
    all -= size(one);
  }
}

function bytesOf({ last }) {
  if (!last) return 0;
  const instance = /** @type {any} */ (last.evaluation)?.instance;
  return (last.network.integers?.length ?? 0) + last.network.words.length + (last.values?.byteLength ?? 0) + (instance?.memory.buffer.byteLength ?? 0);
}

const MOST_ZOOM = 4096;

class View {
  constructor() {
    this.width = this.height = 1;
    this.screenWidth = this.screenHeight = 1;
    this.zoom = 0;
    this.x = this.y = 0.5;
  }

  show(width, height) {
    if (this.width === width && this.height === height) return;
    [this.width, this.height] = [width, height];
    this.reset();
  }

  reset() {
    this.zoom = 0;
    [this.x, this.y] = [this.width / 2, this.height / 2];
  }

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

  get fitting() {
    return Math.min(this.screenWidth / this.width, this.screenHeight / this.height);
  }

  get scale() {
    return this.zoom || this.fitting;
  }

  zoomBy(factor, atX = this.screenWidth / 2, atY = this.screenHeight / 2) {
    const before = this.scale;
    const after = Math.min(MOST_ZOOM, before * factor);
    if (after <= this.fitting) return this.reset();
    this.x += (atX - this.screenWidth / 2) * (1 / before - 1 / after);
    this.y += (atY - this.screenHeight / 2) * (1 / before - 1 / after);
    this.zoom = after;
    this.limit();
  }

  moveBy(x, y) {
    if (this.isHome) return;
    this.x -= x / this.scale;
    this.y -= y / this.scale;
    this.limit();
  }

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

const STYLE = `
  :host { display: inline-block; position: relative; max-width: 100%; overflow: hidden; vertical-align: bottom;
          touch-action: pan-x pan-y; object-fit: contain; font: 0.875rem/1.4 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  :host(:focus-visible) { outline: 3px solid Highlight; outline-offset: 2px; }
  :host(:state(zoomed)) { touch-action: none; cursor: grab; }
  canvas { display: block; inline-size: 100%; block-size: 100%; object-fit: inherit; object-position: inherit; }
  p { margin: 0; padding: 0.5em; color: CanvasText; background: Canvas; border: 1px solid; }
  [hidden] { display: none; }
`;
const FIRST_SHARE = 0.16;
const QUICK = 4;
const BAND = 2 ** 15;
const FAR = 2;
const UNCOVERED_SHARE = 0.25;

const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

class TnrImage extends Base {
  static observedAttributes = ["src", "alt", "width", "height", "static", "region"];

  constructor() {
    super();
    this.root = this.attachShadow({ mode: "open" });
    this.sheet = new CSSStyleSheet();
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [style, this.sheet];
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = 1;
    this.message = document.createElement("p");
    this.message.hidden = true;
    this.root.append(this.canvas, this.message);
    this.internals = this.attachInternals();
    this.view = new View();
    this.file = null;
    this.given = null;
    this.turn = 0;
    this.frame = 0;
    this.isDrawing = false;
    this.stop = () => {};
    this.shown = null;
    this.looking = new AbortController();
  }

  get src() {
    return this.getAttribute("src") ?? "";
  }
  set src(address) {
    this.setAttribute("src", address);
  }

  get alt() {
    return this.getAttribute("alt") ?? "";
  }
  set alt(text) {
    this.setAttribute("alt", text);
  }

  get region() {
    return this.getAttribute("region") ?? "";
  }
  set region(part) {
    this.setAttribute("region", part);
  }

  get isInTiles() {
    return !!this.file?.info?.tiles;
  }

  get isFar() {
    return this.isInTiles && this.view.scale * FAR < 1;
  }

  get isHome() {
    return this.view.isHome && !this.isInTiles;
  }

  get complete() {
    return !!this.file && this.file.info?.missing === 0 && this.isShown;
  }

  connectedCallback() {
    this.describe();
    this.resizing = new ResizeObserver(() => this.resized());
    this.resizing.observe(this);
    if (this.getAttribute("loading") === "eager") this.load();
    else {
      this.nearing = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.load(), { rootMargin: "256px" });
      this.nearing.observe(this);
    }
  }

  disconnectedCallback() {
    this.resizing?.disconnect();
    this.nearing?.disconnect();
    this.stop();
    this.stop = () => {};
    this.unload();
  }

  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    this.describe();
    if (name === "src" && this.isConnected && (this.file || this.isLoading)) this.load(true);
  }

  describe() {
    if (!this.isConnected) return;
    const isStatic = this.hasAttribute("static");
    // Attributes and not internals: not everything that reads pages aloud, or checks them, sees these yet.
    this.setAttribute("role", this.getAttribute("alt") === "" && isStatic ? "presentation" : "img");
    if (this.alt) this.setAttribute("aria-label", this.alt);
    else this.removeAttribute("aria-label");
    if (!isStatic && !this.hasAttribute("tabindex")) this.tabIndex = 0;
    const [width, height] = [this.getAttribute("width"), this.getAttribute("height")].map(Number);
    const size = width && height ? [width, height] : this.file?.info ? [this.columns, this.lines] : null;
    const ratio = size ? `aspect-ratio: ${size[0]} / ${size[1]};` : "";
    this.sheet.replaceSync(`:host { ${ratio} inline-size: ${width || (size ? (height ? (height * size[0]) / size[1] : size[0]) : 300)}px; }`);
  }

  async load(again = false) {
    if ((this.file || this.isLoading) && !again) return;
    this.nearing?.disconnect();
    this.unload();
    const turn = ++this.turn;
    if (!this.src && !this.given) return;
    this.isLoading = true;
    try {
      const onLevel = (/** @type {import("./tnr.js").Info} */ info) => void (turn === this.turn && this.file && this.drawHome(info.missing));
      const file = this.given ?? (await open(new URL(this.src, document.baseURI), { onLevel, onPage: true }));
      if (turn !== this.turn) return void (file === this.given || file.close());
      this.file = file;
      await this.begin(file, turn);
      await file.whole;
      if (turn !== this.turn) return;
      if (!this.isInTiles) await this.drawHome(0);
      this.isShown = true;
      this.dispatchEvent(new Event("load"));
    } catch (error) {
      if (turn === this.turn) this.refuse(/** @type {Error} */ (error));
    } finally {
      if (turn === this.turn) this.isLoading = false;
    }
  }

  async begin(file, turn) {
    const { shape, places, bytes, missing, kind } = file.info;
    if (kind !== "image" || shape.length !== 2) {
      throw new TnrError("unsupported", `the file is of kind ${kind} with ${shape.length} axes, expected an image: open it in the viewer`);
    }
    const early = places.filter((place) => place.missing > missing && place.end <= FIRST_SHARE * bytes).pop();
    this.view.show(shape[1], shape[0]);
    this.message.hidden = true;
    this.describe();
    // Before anything needs to know how large the picture is, for which the page would be laid out.
    if (!this.isInTiles) await this.drawHome(missing || !early ? missing : early.missing);
    if (turn !== this.turn) return;
    // The canvas has it, whatever the page lays out now.
    if (!this.isInTiles) this.dispatchEvent(new CustomEvent("coarse", { detail: { missing: missing || early?.missing || 0 } }));
    if (turn !== this.turn) return;
    // Whoever shows all of it need not know before the page is laid out by itself.
    if (this.isInTiles || this.region) this.resized();
    if (!this.hasAttribute("static")) this.stop = listen(this, this.view, () => this.changed());
    this.lookAtRegion();
    if (this.isInTiles || !this.isHome) this.changed();
    if (this.isInTiles) await this.sampling;
  }

  lookAtRegion() {
    const ends = this.region.match(/^\s*(\d*):(\d*)\s*,\s*(\d*):(\d*)\s*$/)?.slice(1);
    if (!ends) return;
    const [top, bottom, left, right] = ends.map((end, at) => (end ? Number(end) : at % 2 ? [this.lines, this.columns][at >> 1] : 0));
    this.view.lookAt({ left, top, right, bottom });
  }

  unload() {
    this.turn++;
    this.looking.abort();
    this.isLoading = false;
    this.isShown = false;
    this.shown = null;
    if (this.file !== this.given) this.file?.close();
    this.file = null;
    this.stop();
    this.stop = () => {};
  }

  refuse(error) {
    this.message.textContent = this.alt ? `${this.alt} (${error.message})` : error.message;
    this.message.hidden = false;
    if (!this.alt) this.setAttribute("aria-label", error.message);
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }

  get columns() {
    return this.file?.info.shape[1] ?? 1;
  }

  get lines() {
    return this.file?.info.shape[0] ?? 1;
  }

  resized() {
    const ratio = globalThis.devicePixelRatio || 1;
    this.view.screenWidth = Math.max(1, Math.round(this.clientWidth * ratio));
    this.view.screenHeight = Math.max(1, Math.round(this.clientHeight * ratio));
    if (this.file?.info && !this.isHome && (this.isShown || !this.isInTiles)) this.changed();
  }

  async drawHome(missing) {
    const { file, turn } = this;
    if (!file) return;
    const pixels = await file.pixels({ as: "rgba", missing, every: 2 ** Math.max(0, missing - 1) });
    if (turn !== this.turn) return;
    this.home = canvasOf(pixels);
    this.isShown = true;
    if (this.view.isHome) this.paintHome();
    else this.changed();
  }

  paintHome() {
    if (!this.home) return;
    this.paint(this.home.width, this.home.height, (context) => context.drawImage(/** @type {OffscreenCanvas} */ (this.home), 0, 0));
  }

  paint(width, height, draw) {
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, width, height);
    draw(context);
  }

  changed() {
    const { states } = this.internals;
    if (this.view.isHome) states?.delete("zoomed");
    else states?.add("zoomed");
    if (this.isHome) {
      this.shown = null;
      this.frame++;
      this.paintHome();
      this.dispatchEvent(new CustomEvent("view", { detail: { scale: this.view.scale, isFine: true } }));
      return;
    }
    this.frame++;
    this.paintMoved();
    this.looking.abort();
    this.looking = new AbortController();
    if (!this.isDrawing) this.sampling = this.sample();
  }

  paintMoved() {
    const { screenWidth, screenHeight } = this.view;
    this.paint(screenWidth, screenHeight, (context) => {
      if (this.home) context.drawImage(this.home, ...this.view.place({ left: 0, top: 0, right: this.columns, bottom: this.lines }));
      if (this.shown) context.drawImage(this.shown.bitmap, ...this.view.place(this.shown.region));
    });
  }

  async sample() {
    this.isDrawing = true;
    const { turn } = this;
    try {
      for (let coarseness = this.isFar ? 1 : QUICK; this.file && !this.isHome; ) {
        const { frame } = this;
        const moved = await this.uncovered();
        if (turn !== this.turn || this.isHome) return;
        if (moved) {
          this.shown = moved;
          this.paintMoved();
          this.dispatchEvent(new CustomEvent("view", { detail: { scale: this.view.scale, isFine: frame === this.frame } }));
          if (frame === this.frame) return;
          continue;
        }
        const shown = await this.sampled(coarseness, () => turn === this.turn && (coarseness > 1 || frame === this.frame));
        if (turn !== this.turn || this.isHome) return;
        if (shown) {
          this.shown = shown;
          this.paintMoved();
          const isFine = coarseness === 1 && frame === this.frame;
          this.dispatchEvent(new CustomEvent("view", { detail: { scale: this.view.scale, isFine } }));
          if (isFine) return;
        }
        coarseness = frame === this.frame || this.isFar ? 1 : QUICK;
      }
    } catch (error) {
      if (this.isInTiles && !this.isShown) throw error;
      if (turn === this.turn && !(error instanceof TnrError && error.code === "closed")) this.refuse(/** @type {Error} */ (error));
    } finally {
      this.isDrawing = false;
    }
  }

  async sampled(coarseness, isWanted) {
    const { region, shape } = this.view.part(coarseness);
    const [rows, columns] = shape;
    const height = region.bottom - region.top;
    if (this.isInTiles && height > FAR * rows) return this.seenFromAfar(region, shape, isWanted);
    const scale = coarseness === 1 ? this.view.scale : 0;
    // On its samples the core is quick, and cannot be asked for a band of whole samples only.
    const band = rows > height ? Math.max(8, Math.floor(BAND / columns)) : rows;
    const bitmap = new OffscreenCanvas(columns, rows);
    for (let first = 0; first < rows; first += band) {
      const some = Math.min(band, rows - first);
      const from = region.top + (height * first) / rows;
      const to = first + some === rows ? region.bottom : region.top + (height * (first + some)) / rows;
      const pixels = await this.asked([[from, to], [region.left, region.right]], [some, columns]);
      if (!pixels || !isWanted()) return null;
      bitmap.getContext("2d")?.drawImage(canvasOf(pixels), 0, first);
    }
    return { bitmap, region, scale };
  }

  async asked(region, shape, quick) {
    const { signal } = this.looking;
    try {
      return await this.file?.pixels({ region, shape, as: "rgba", quick, signal });
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  async seenFromAfar(region, [rows, columns], isWanted) {
    const bitmap = new OffscreenCanvas(columns, rows);
    const context = bitmap.getContext("2d");
    if (this.isShown) context?.drawImage(this.canvas, ...this.view.place(region), 0, 0, columns, rows);
    const height = region.bottom - region.top;
    const stride = /** @type {import("./tnr.js").TilesOfFile} */ (this.file?.info.tiles).strides[0];
    const band = Math.max(1, Math.round((stride * rows) / height));
    for (let first = 0; first < rows; first += band) {
      const last = Math.min(rows, first + band);
      const from = region.top + (height * first) / rows;
      const to = last === rows ? region.bottom : region.top + (height * last) / rows;
      const pixels = await this.asked([[from, to], [region.left, region.right]], [last - first, columns], true);
      if (!pixels || !isWanted()) return null;
      context?.clearRect(0, first, columns, last - first);
      context?.drawImage(canvasOf(pixels), 0, first);
      this.shown = { bitmap, region, scale: 0 };
      this.paintMoved();
    }
    return { bitmap, region, scale: 0 };
  }

  async uncovered() {
    const { shown, view } = this;
    const scale = view.scale;
    if (!shown || shown.scale !== scale || scale <= 1) return null;
    const { region, shape } = view.part(1);
    const [rows, columns] = shape;
    const exact = [(shown.region.left - region.left) * scale, (shown.region.top - region.top) * scale];
    const [x, y] = exact.map(Math.round);
    if (rows !== shown.bitmap.height || columns !== shown.bitmap.width || Math.hypot(exact[0] - x, exact[1] - y) > 0.01) return null;
    const [left, right, top, bottom] = [Math.max(0, x), Math.min(columns, columns + x), Math.max(0, y), Math.min(rows, rows + y)];
    if (rows * columns - Math.max(0, right - left) * Math.max(0, bottom - top) > UNCOVERED_SHARE * rows * columns) return null;
    const bitmap = new OffscreenCanvas(columns, rows);
    const context = bitmap.getContext("2d");
    context?.drawImage(shown.bitmap, x, y);
    const strips = [[0, columns, 0, top], [0, columns, bottom, rows], [0, left, top, bottom], [right, columns, top, bottom]];
    for (const [fromX, toX, fromY, toY] of strips) {
      if (fromX >= toX || fromY >= toY) continue;
      const lowest = Math.min(this.lines, region.top + toY / scale);
      const rightmost = Math.min(this.columns, region.left + toX / scale);
      const part = /** @type {[number, number][]} */ ([[region.top + fromY / scale, lowest], [region.left + fromX / scale, rightmost]]);
      const pixels = await this.asked(part, [toY - fromY, toX - fromX]);
      if (!pixels) return null;
      context?.drawImage(canvasOf(pixels), fromX, fromY);
    }
    return { bitmap, region, scale };
  }
}

function define(name = "tnr-image") {
  if (!customElements.get(name)) customElements.define(name, TnrImage);
}

const MOST_OF_TILES = 2048;

const seen = new WeakSet();

function upgradeImages(root = document) {
  const nearing = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        nearing.unobserve(target);
        show(/** @type {HTMLImageElement} */ (target));
      }
    },
    { rootMargin: "256px" },
  );
  const look = (/** @type {ParentNode} */ part) => {
    for (const image of part.querySelectorAll("img")) {
      if (seen.has(image) || !/\.tnr([?#]|$)/.test(image.getAttribute("src") ?? "")) continue;
      seen.add(image);
      nearing.observe(image);
    }
  };
  look(root);
  const watching = new MutationObserver(() => look(root));
  watching.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
  return () => {
    watching.disconnect();
    nearing.disconnect();
  };
}

async function show(image) {
  let file = null;
  try {
    // The browser asks for every `src` it meets: its cache has the bytes, unless the server forbids that.
    file = await open(new URL(image.src), { cache: "force-cache" });
    await draw(image, file);
    await file.whole;
    if (file.info.missing === 0) await draw(image, file);
  } catch (error) {
    image.dispatchEvent(new CustomEvent("tnr-error", { detail: error, bubbles: true }));
  } finally {
    file?.close();
    seen.delete(image);
  }
}

async function draw(image, file) {
  const { shape, tiles } = file.info;
  const fewer = Math.min(1, MOST_OF_TILES / Math.max(...shape));
  const part = tiles && fewer < 1 ? { shape: shape.map((count) => Math.max(1, Math.round(count * fewer))), quick: true } : {};
  const canvas = canvasOf(await file.pixels({ as: "rgba", ...part }));
  const address = URL.createObjectURL(await canvas.convertToBlob());
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  image.src = address;
}
// All modules by name, so that they are fetched at once, and not as each is found in another.

function serve() {
  const answerTo = answers();
  let turn = Promise.resolve();
  self.addEventListener("message", ({ data: { id, question, given } }) => {
    turn = turn.then(async () => {
      try {
        const answer = await answerTo(question, given);
        /** @type {any} */ (self).postMessage({ id, answer }, answer?.data ? [answer.data.buffer] : []);
      } catch (error) {
        const { code, message, needed } = /** @type {any} */ (error);
        self.postMessage({ id, error: { code: code ?? "internal", message: String(message), needed } });
      }
    });
  });
}

// Joined with the others, this module is on the page, too.
if (typeof document === "undefined") serve();
configure({ worker: import.meta.url });
export { TnrError, TnrFile, TnrImage, configure, define, open, upgradeImages };
