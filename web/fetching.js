/** Bytes of an address: as a stream, shown as soon as they show something, or only as many as a coarse signal needs. */
import { TnrError } from "./errors.js";

/** How many bytes are asked for first where only the beginning is wanted: metadata and places come within them. */
const FIRST_BYTES = 4096;

/** @typedef {{info: import("./tnr.js").Info, whole: Promise<void>, ask: (question: string, given: any[]) => Promise<any>}} OpenFile */

/**
 * @param {OpenFile} file its `info` and `whole` are set
 * @param {string | URL} address
 * @param {import("./tnr.js").OpenOptions} options
 * @param {Promise<void>} started after which the file may be asked; bytes are on their way meanwhile
 */
export async function fetchFile(file, address, options, started) {
  if (options.missing) {
    await started;
    await fetchBeginning(file, address, options.missing, options);
    return;
  }
  const [answer] = await Promise.all([answered(address, options), started]);
  const reader = bodyOf(answer);
  await new Promise((resolve, reject) => {
    const reading = readAll(file, reader, Number(answer.headers.get("content-length")), options, resolve);
    file.whole = reading;
    reading.then(resolve, reject);
  });
}

/**
 * @param {string | URL} address
 * @param {import("./tnr.js").OpenOptions} options
 * @param {[number, number]} [range] first and last byte
 */
async function answered(address, { signal, cache }, range) {
  const answer = await fetch(address, { signal, cache, ...(range ? { headers: { Range: `bytes=${range[0]}-${range[1]}` } } : {}) });
  if (!answer.ok && answer.status !== 416) {
    throw new TnrError("fetch_failed", `${address} was answered with ${answer.status}, expected a .tnr file`);
  }
  return answer;
}

/** @param {Response} answer */
function bodyOf(answer) {
  if (!answer.body) throw new TnrError("fetch_failed", "the answer has no body, expected a .tnr file");
  return answer.body.getReader();
}

/** Bytes that grow. */
class GrowingBytes {
  constructor() {
    this.room = new Uint8Array(2 ** 16);
    this.size = 0;
  }

  /** @param {Uint8Array} more */
  add(more) {
    if (this.size + more.length > this.room.length) {
      const room = new Uint8Array(2 * (this.size + more.length));
      room.set(this.bytes());
      this.room = room;
    }
    this.room.set(more, this.size);
    this.size += more.length;
  }

  bytes() {
    return this.room.subarray(0, this.size);
  }
}

/**
 * @param {OpenFile} file
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {number} length of the whole file, if that is known
 * @param {import("./tnr.js").OpenOptions} options
 * @param {(nothing?: undefined) => void} onFirst
 */
async function readAll(file, reader, length, options, onFirst) {
  const all = new GrowingBytes();
  let next = FIRST_BYTES;
  const show = async (/** @type {boolean} */ isWhole) => {
    file.info = await file.ask("take", [all.bytes().slice(), isWhole]);
    options.onLevel?.(file.info);
    onFirst();
  };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    all.add(value);
    // What is nearly whole is not worth another look at its beginning.
    if (all.size < next || all.size > 0.9 * length) continue;
    try {
      await show(false);
      next = file.info.places.find((place) => place.end > all.size)?.end ?? Infinity;
    } catch (error) {
      if (!(error instanceof TnrError && error.code === "too_short")) {
        await reader.cancel();
        throw error;
      }
      next = Math.max(error.needed ?? 0, all.size + FIRST_BYTES);
    }
  }
  await show(true);
}

/**
 * @param {OpenFile} file
 * @param {string | URL} address
 * @param {number} missing
 * @param {import("./tnr.js").OpenOptions} options
 */
async function fetchBeginning(file, address, missing, options) {
  const all = new GrowingBytes();
  let wanted = FIRST_BYTES;
  for (;;) {
    const isWhole = await readUpTo(all, address, wanted, options);
    try {
      file.info = await file.ask("take", [all.bytes().slice(), isWhole]);
      const place = file.info.places.find((one) => one.missing <= missing);
      if (isWhole || !place || file.info.missing <= missing || place.end <= all.size) break;
      wanted = place.end;
    } catch (error) {
      if (isWhole || !(error instanceof TnrError && error.code === "too_short")) throw error;
      wanted = Math.max(error.needed ?? 0, 2 * all.size);
    }
  }
  options.onLevel?.(file.info);
}

/**
 * @param {GrowingBytes} all
 * @param {string | URL} address
 * @param {number} wanted
 * @param {import("./tnr.js").OpenOptions} options
 * @returns {Promise<boolean>} whether this is all of the file
 */
async function readUpTo(all, address, wanted, options) {
  const answer = await answered(address, options, [all.size, wanted - 1]);
  if (answer.status === 416) return true;
  const total = Number(answer.headers.get("content-range")?.split("/")[1]) || Infinity;
  const reader = bodyOf(answer);
  if (answer.status !== 206) all.size = 0; // a server that knows no ranges sends all, from the first byte on
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return answer.status !== 206 || all.size >= total;
    all.add(value);
    if (answer.status !== 206 && all.size >= wanted) {
      await reader.cancel();
      return false;
    }
  }
}
