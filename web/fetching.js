/** Bytes of an address: as a stream, shown as soon as they show something, or only as many as a coarse signal needs. */
import { TnrError } from "./errors.js";

/** How many bytes are looked at first: metadata and places come within them. */
const FIRST_BYTES = 4096;
/** How many bytes are asked for first: most pictures as a whole, and of a file in tiles the index. */
const FIRST_STRETCH = 2 ** 15;

/** @typedef {import("./tnr.js").OpenOptions} OpenOptions */
/** @typedef {{info: import("./tnr.js").Info, whole: Promise<void>, ask: (question: string, given: any[], signal?: AbortSignal) => Promise<any>, end: () => void}} OpenFile */

/**
 * @param {OpenFile} file its `info` and `whole` are set
 * @param {string | URL} address
 * @param {OpenOptions} options
 * @param {Promise<void>} started after which the file may be asked; bytes are on their way meanwhile
 */
export function fetchFile(file, address, options, started) {
  return new Promise((resolve, reject) => {
    file.whole = readFile(file, address, options, started, resolve);
    file.whole.then(resolve, reject);
  });
}

/**
 * @param {string | URL} address
 * @param {OpenOptions} options
 * @param {[number, number | ""]} [range] first and last byte
 */
export async function answered(address, { signal, cache }, range) {
  const plain = { signal, cache };
  const ranged = range && { ...plain, headers: { Range: `bytes=${range[0]}-${range[1]}` } };
  // Where another origin allows no ranges the browser does not even ask.
  const answer = await fetch(address, ranged ?? plain).catch((error) => (ranged && error instanceof TypeError ? fetch(address, plain) : Promise.reject(error)));
  if (!answer.ok && answer.status !== 416) {
    throw new TnrError("fetch_failed", `${address} was answered with ${answer.status}, expected a .tnr file`);
  }
  return answer;
}

/**
 * Stretch by stretch, each as long as what is known by then says that it must be.
 * @param {OpenFile} file
 * @param {string | URL} address
 * @param {OpenOptions} options
 * @param {Promise<void>} started
 * @param {(nothing?: undefined) => void} onFirst
 */
async function readFile(file, address, options, started, onFirst) {
  const { missing, onLevel } = options;
  /** @type {Uint8Array[]} */
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
          const { readTiles } = await import("./ranges.js");
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
