/** What the tenant has and uses, how much more it may, its keys, and whether the service is ready for it. */
import { ask } from "./api.js";
import { keysPanel } from "./keys.js";
import { alertOf, bytes, duration, element, facts, panel } from "./parts.js";

/**
 * @param {import("./main.js").Session} session
 * @returns {import("./main.js").View}
 */
export function usageView({ capabilities }) {
  const body = element("div", {}, element("p", { role: "status" }, "Loading …"));

  async function load() {
    try {
      const [usage, ready] = await Promise.all([ask("/usage"), ask("/readyz").catch((error) => ({ error }))]);
      const left = (/** @type {any} */ { used, limit }, words = (/** @type {any} */ count) => String(count)) => (limit === null ? words(used) : `${words(used)} of ${words(limit)}`);
      body.replaceChildren(
        panel("Fits", facts(Object.entries(usage.fits).map(([status, count]) => [status, String(count)]))),
        panel("Storage", facts(["signals", "representations", "checkpoints", "views", "reserved"].map((name) => [name, bytes(usage.stored[name])])), facts([["Counted", left(usage.allowances.stored_bytes, bytes)], ["Waiting fits", left(usage.allowances.waiting_fits)], ["Uploads under way", left(usage.allowances.open_uploads)]])),
        panel("This month", facts([["Attempts", String(usage.month.attempts)], ["Time of workers", duration(usage.month.worker_seconds)]])),
        panel("Service", ready.error ? alertOf(ready.error) : facts([...Object.entries(ready.checks), ["Longest wait", duration(ready.oldest_waiting_seconds)], ["Not heard of", ready.silent.join(", ")]])),
      );
    } catch (error) {
      body.replaceChildren(alertOf(error), element("button", { type: "button", onclick: load }, "Try again"));
    }
  }
  load();
  // Without keys there is one tenant, who has none.
  const keys = capabilities.asks_for_keys ? keysPanel() : null;
  return { title: "Usage", root: element("section", {}, element("h1", {}, "Usage"), body, keys) };
}
