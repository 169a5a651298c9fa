/** Reading .tnr files in a browser or in Node: `open` gives a file that can be asked for what it holds and for pixels. */
import { TnrError } from "./errors.js";
import { fetchFile } from "./fetching.js";
import { product } from "./limits.js";

export { TnrError };

/** @typedef {import("./tnr.js").Info} Info what tnr.d.ts says of it, as of the others */
/** @typedef {import("./tnr.js").PixelOptions} PixelOptions */
/** @typedef {import("./tnr.js").Pixels<any>} Pixels */
/** @typedef {import("./tnr.js").OpenOptions} OpenOptions */

const settings = {
  /** @type {string | URL | Uint8Array | WebAssembly.Module} */
  core: new URL("core.wasm", import.meta.url),
  /** @type {string | URL | (() => Worker)} */
  worker: new URL("worker.js", import.meta.url),
  isModule: true,
};

/**
 * Where the core and the worker are, unless they lie beside this file; before the first `open`.
 * @param {Partial<typeof settings>} changed
 */
export function configure(changed) {
  Object.assign(settings, changed);
}

/** @type {Promise<WebAssembly.Module> | null} */
let compiled = null;

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

/** A file, whole or as far as it has been read; tnr.d.ts says what it can be asked for. */
export class TnrFile {
  /**
   * @param {(question: string, given: any[], signal?: AbortSignal) => Promise<any>} ask
   * @param {() => void} end
   */
  constructor(ask, end) {
    this.ask = ask;
    this.end = end;
    /** @type {Info} */
    this.info = /** @type {any} */ (null);
    /** @type {Promise<void>} */
    this.whole = Promise.resolve();
  }

  /**
   * @param {PixelOptions} [options]
   * @returns {Promise<Pixels>}
   */
  pixels({ signal, ...options } = {}) {
    return this.ask("pixels", [options], signal);
  }

  /**
   * @param {Float32Array} points
   * @returns {Promise<Float32Array>}
   */
  at(points) {
    return this.ask("at", [points]);
  }

  /**
   * @param {Float32Array} points
   * @returns {Promise<Float32Array>}
   */
  gradient(points) {
    return this.ask("gradient", [points]);
  }

  /**
   * @param {number} [tile]
   * @returns {Promise<import("./tnr.js").Network>}
   */
  network(tile) {
    return this.ask("network", [tile]);
  }

  /** End the worker; what is still asked for is refused. */
  close() {
    this.end();
  }
}

/**
 * Read a file.
 *
 * Of an address the promise is fulfilled as soon as there is something to show; `file.whole` says when all has come.
 * @param {string | URL | Uint8Array | ArrayBuffer | Blob} source
 * @param {OpenOptions} [options]
 * @returns {Promise<TnrFile>}
 */
export async function open(source, options = {}) {
  compiled ??= compiledCore();
  const file = typeof Worker === "undefined" ? await localFile() : workerFile();
  if (options.onPage && typeof Worker !== "undefined") firstOnPage(file);
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

function workerFile() {
  const { worker: given, isModule } = settings;
  const worker = typeof given === "function" ? given() : new Worker(given, { type: isModule ? "module" : "classic" });
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
  const waiting = new Map();
  let number = 0;
  /** @type {TnrError | null} */
  let ended = null;
  const end = (/** @type {TnrError} */ error) => {
    ended ??= error;
    worker.terminate();
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.addEventListener("message", ({ data: { id, answer, error } }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error) asked?.reject(new TnrError(error.code, error.message, error.needed));
    else asked?.resolve(answer);
  });
  worker.addEventListener("error", (event) => end(new TnrError("unsupported", `the worker cannot run: ${event.message ?? given}`)));
  /** @type {(question: string, given: any[]) => Promise<any>} */
  const ask = (question, given) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      waiting.set(++number, { resolve, reject });
      worker.postMessage({ id: number, question, given });
    });
  return new TnrFile(ask, () => end(new TnrError("closed", "the file has been closed: open it again")));
}

/** Bytes of a file that the page takes, and of a beginning that it decodes, while the first worker starts. */
const MOST_TAKEN = 2 ** 16;
const MOST_DECODED = 2 ** 14;
/** Samples that the page makes values of, as much time as so many bytes take. */
const MOST_SAMPLES = 2 ** 19;
let isFirst = true;

/**
 * Whether it takes a page no longer than a tenth of a second: all of a picture, by some or all of its bytes.
 * @param {Info} info
 * @param {PixelOptions} options
 */
const isSmall = ({ bytes, missing: lacking, places, shape }, { every = 0, missing = 0, shape: asked, scale }) =>
  every > 0 && !asked && !scale && product(shape) <= MOST_SAMPLES * every ** shape.length && (missing > lacking ? places.find((place) => place.missing === missing)?.end ?? Infinity : bytes) <= MOST_DECODED;

/** The next time that the page has been drawn. */
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

/**
 * Until its worker answers, what the first file holds and a coarse frame of it are found on the page itself.
 * @param {TnrFile} file
 */
function firstOnPage(file) {
  if (!isFirst) return;
  isFirst = false;
  /** @type {ReturnType<typeof import("./decoder.js").answers> | null} */
  let answerTo = null;
  /** @type {Promise<void>} */
  let up = Promise.resolve();
  const { ask } = file;
  file.ask = async (question, given, signal) => {
    if (question === "start") {
      let isUp = false;
      const started = (up = ask(question, given).finally(() => ([isUp, answerTo] = [true, null])));
      const { answers } = await import("./decoder.js");
      if (!isUp) answerTo = answers();
      answerTo?.(question, [...given, true]);
      return started;
    }
    if (question === "pixels" && answerTo && isSmall(file.info, given[0])) {
      // A worker takes longer to start than all of a small picture takes; the coarse one is to be seen before.
      if (given[0].every < 2) await Promise.race([up, painted()]);
      if (answerTo) return answerTo(question, given);
    }
    const answer = ask(question, given, signal);
    if (question !== "take" || !answerTo) return answer;
    if (given[0].length > MOST_TAKEN) answerTo = null;
    // What it cannot take, the worker says.
    return answerTo?.(question, given).then((info) => (answer.catch(() => {}), info), () => ((answerTo = null), answer)) ?? answer;
  };
}

/** Where there are no workers, as in Node, decoding is done at once. */
async function localFile() {
  const { answers } = await import("./decoder.js");
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
