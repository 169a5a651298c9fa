/** The first picture of a page, which the page makes itself while a worker would only start. */
import { product } from "./limits.js";

/** Bytes of a file that the page takes, and of a beginning that it decodes, while the first worker starts. */
const MOST_TAKEN = 2 ** 16;
const MOST_DECODED = 2 ** 14;
/** Samples that the page makes values of, as much time as so many bytes take. */
const MOST_SAMPLES = 2 ** 19;
/** Milliseconds that are waited until a page has been drawn. */
const MOST_HIDDEN = 250;

/**
 * Whether it takes a page no longer than a tenth of a second: all of a picture, by some or all of its bytes.
 * @param {import("./tnr.js").Info} info
 * @param {import("./tnr.js").PixelOptions} options
 */
const isSmall = ({ bytes, missing: lacking, places, shape }, { every = 0, missing = 0, shape: asked, scale }) =>
  every > 0 && !asked && !scale && product(shape) <= MOST_SAMPLES * every ** shape.length && (missing > lacking ? places.find((place) => place.missing === missing)?.end ?? Infinity : bytes) <= MOST_DECODED;

/** The next time that the page has been drawn, for which one that nobody sees is not waited. */
const painted = () =>
  new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
    setTimeout(done, MOST_HIDDEN);
  });

/**
 * What the first file holds, and frames of it, are found on the page itself where that takes no longer than a worker
 * takes to start; the worker starts when it is needed, or when nothing else is left to do.
 * @param {import("./fetching.js").OpenFile} file
 */
export function firstOnPage(file) {
  const { ask, end } = file;
  /** @type {ReturnType<typeof import("./decoder.js").answers> | null} */
  let answerTo = null;
  let ready = Promise.resolve();
  /** What the worker is told first. @type {[string, any[]][]} */
  let told = [];
  /** @type {Promise<any[]> | null} */
  let begun = null;
  const begin = () => {
    begun ??= Promise.all(told.map(([question, given]) => ask(question, given))).finally(() => (answerTo = null));
    begun.catch(() => {});
    return begun;
  };
  const load = async (/** @type {any[]} */ given) => {
    const { answers } = await import("./decoder.js");
    answerTo = answers();
    await answerTo("start", [...given, true]);
  };
  /** Start the worker with what the page has decoded, so that a zoom finds both. */
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
