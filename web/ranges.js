/** A file in tiles at an address: of each question the tiles that it needs are fetched, and no others; kept, and given up. */
import { TnrError } from "./errors.js";
import { answered } from "./fetching.js";
import { TileGrid } from "./grid.js";

/** Bytes of tiles that the decoder keeps; those of one question may be more. */
const KEPT_BYTES = 2 ** 25;
/** Tiles that follow one another in the file come by one request up to so many bytes. */
const MOST_AT_ONCE = 2 ** 18;

/**
 * @typedef {object} Flight a request on its way
 * @property {AbortController} ending
 * @property {number[]} numbers of the tiles that it brings
 * @property {number} users questions that wait for it
 * @property {Promise<void>} landed
 */

/**
 * Answer questions to a file, of which the index has been read, by requests for ranges.
 * @param {import("./fetching.js").OpenFile} file
 * @param {string | URL} address
 * @param {import("./tnr.js").OpenOptions} options
 * @param {number} size how many bytes of it have been read; tiles in them are there
 */
export async function readTiles(file, address, options, size) {
  const { ask, info } = file;
  const { strides, overlaps, lengths, starts, tail } = /** @type {import("./tnr.js").TilesOfFile} */ (info.tiles);
  const grid = new TileGrid(info.shape, strides, overlaps);
  if (tail) Object.assign(info, await ask("takeTail", [await rangeOf(address, options, tail)]));
  /** Lengths of tiles that the decoder has; those asked for last are at the end. @type {Map<number, number>} */
  const held = new Map();
  let heldBytes = 0;
  const hold = (/** @type {number} */ number) => {
    held.set(number, lengths[number]);
    heldBytes += lengths[number];
  };
  for (let number = 0; number < lengths.length && starts[number] + lengths[number] <= size; number++) hold(number);
  /** @type {Map<number, Flight>} */
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
    /** @type {Flight} */
    const flight = { ending, numbers, users: 0, landed: Promise.resolve().then(run) };
    flight.landed.catch(() => {}); // whoever waits for it is told
    for (const number of numbers) flying.set(number, flight);
  };

  /** @type {(numbers: number[], signal?: AbortSignal) => Promise<void>} */
  const fetched = async (numbers, signal) => {
    /** @type {number[]} */
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

/**
 * @param {string | URL} address
 * @param {import("./tnr.js").OpenOptions} options
 * @param {number} first
 * @param {number | ""} [last] the end of the file if absent
 */
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
