/** The worker: questions come in as messages, one after the other, and answers go out with the arrays that they hold. */
// All modules by name, so that they are fetched at once, and not as each is found in another.
import "./bytes.js";
import "./cbor.js";
import "./container.js";
import "./core.js";
import { answers } from "./decoder.js";
import "./errors.js";
import "./limits.js";
import "./networks.js";
import "./samples.js";

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
