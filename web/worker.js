/** The worker: questions come in as messages, one after the other, and answers go out with the arrays that they hold. */
// All modules by name, so that they are fetched at once, and not as each is found in another.
import "./bytes.js";
import "./cbor.js";
import "./container.js";
import "./core.js";
import { Decoder } from "./decoder.js";
import { TnrError } from "./errors.js";
import "./limits.js";
import "./networks.js";
import "./samples.js";
import "./windows.js";

/** @type {Decoder | null} */
let decoder = null;

/** @type {Record<string, (...given: any[]) => unknown>} */
const QUESTIONS = {
  start: async (core, limits) => {
    decoder = new Decoder(core instanceof WebAssembly.Module ? core : await WebAssembly.compile(core), limits);
  },
  take: (bytes, isWhole) => decoder?.take(bytes, isWhole),
  pixels: (options) => decoder?.pixels(options),
  at: (points) => decoder?.at(points),
  gradient: (points) => decoder?.gradient(points),
  network: () => decoder?.network(),
};

let turn = Promise.resolve();
self.addEventListener("message", ({ data: { id, question, given } }) => {
  turn = turn.then(async () => {
    try {
      const answer = /** @type {any} */ (await QUESTIONS[question](...given));
      const buffer = answer?.data?.buffer;
      /** @type {any} */ (self).postMessage({ id, answer }, buffer && buffer !== decoder?.last?.values?.buffer ? [buffer] : []);
    } catch (error) {
      const { code, message, needed } = /** @type {TnrError} */ (error);
      self.postMessage({ id, error: { code: code ?? "internal", message: String(message), needed } });
    }
  });
});
