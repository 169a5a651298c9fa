/** Reading .tnr files in a browser or in Node: `open` gives a file that can be asked for what it holds and for pixels. */
import { TnrError } from "./errors.js";
import { fetchFile } from "./fetching.js";

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
  const isOnPage = !!options.onPage && isFirst && typeof Worker !== "undefined";
  const file = typeof Worker === "undefined" ? await localFile() : workerFile(isOnPage);
  if (isOnPage) {
    isFirst = false;
    const { firstOnPage } = await import("./first.js");
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

/** @param {boolean} isLater whether the worker starts with the first question to it */
function workerFile(isLater) {
  const { worker: given, isModule } = settings;
  /** @type {Worker | null} */
  let worker = null;
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
  const waiting = new Map();
  let number = 0;
  /** @type {TnrError | null} */
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
  /** @type {(question: string, given: any[]) => Promise<any>} */
  const ask = (question, given) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      waiting.set(++number, { resolve, reject });
      (worker ??= run()).postMessage({ id: number, question, given });
    });
  return new TnrFile(ask, () => end(new TnrError("closed", "the file has been closed: open it again")));
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
