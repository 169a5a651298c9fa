/** The fleet: what waits for workers, which workers there are and what they do, and what came of the last hour. */
import { ask } from "./api.js";
import { alertOf, duration, element, facts, panel, say } from "./parts.js";
import { workerRow } from "./workers.js";

/** Workers speak every 15 seconds. */
const REFRESH = 10_000;
const PAGE = 100;
/** Ends of attempts in words; what is not here is its own word. */
const ENDS = /** @type {Record<string, string>} */ ({ lost: "Worker lost", drained: "Handed back", hung: "Made no step" });

/**
 * @param {import("./main.js").Session} session
 * @returns {import("./main.js").View}
 */
export function fleetView({ changes }) {
  /** @type {Map<string, ReturnType<typeof workerRow>>} */
  const rows = new Map();
  let [pages, turn] = [1, 0];
  const note = element("p", { role: "status", className: "quiet" }, "Loading …");
  const trouble = element("div");
  const sums = element("div", { className: "columns even" });
  const list = element("ul", { className: "rows workers" });
  const more = element("button", { type: "button", hidden: true, onclick: () => (pages++, load()) }, "Show more workers");
  const workers = panel("Workers", note, list, more);

  async function load() {
    const mine = ++turn;
    try {
      const [fleet, found] = await Promise.all([ask("/fleet"), listed()]);
      if (mine !== turn) return;
      trouble.replaceChildren();
      sums.replaceChildren(...panelsOf(fleet));
      show(found.workers);
      more.hidden = !found.hasMore;
      say(note, found.workers.length ? "" : "No worker has been heard of: fits wait until one is started.");
    } catch (error) {
      if (mine !== turn) return;
      if (!rows.size) say(note, "");
      trouble.replaceChildren(alertOf(error), element("button", { type: "button", onclick: load }, "Try again"));
    }
  }

  async function listed() {
    /** @type {any[]} */
    const workers = [];
    let cursor = null;
    for (let page = 0; page < pages; page++) {
      const { data, next_cursor: next } = await ask(`/workers?limit=${PAGE}${cursor ? `&cursor=${cursor}` : ""}`);
      workers.push(...data);
      cursor = next;
      if (cursor === null) break;
    }
    return { workers, hasMore: cursor !== null };
  }

  /** @param {any[]} workers */
  function show(workers) {
    const ids = new Set(workers.map(({ id }) => id));
    for (const [id, row] of rows) if (!ids.has(id)) (row.root.remove(), rows.delete(id));
    workers.forEach((worker, place) => {
      const row = rows.get(worker.id) ?? workerRow(worker);
      rows.set(worker.id, row);
      row.update(worker);
      // A row that stays where it is keeps the focus that may be in it.
      if (list.children[place] !== row.root) list.insertBefore(row.root, list.children[place] ?? null);
    });
  }

  /** @type {any} */
  let soon = 0;
  function changed(/** @type {any} */ { detail: fit }) {
    for (const row of rows.values()) row.tell(fit);
    soon ||= setTimeout(() => ((soon = 0), load()), 1000);
  }

  const hello = () => load();
  const look = () => document.hidden || load();
  const timer = setInterval(look, REFRESH);
  document.addEventListener("visibilitychange", look);
  changes.addEventListener("hello", hello);
  changes.addEventListener("fit", changed);
  load();
  return {
    title: "Fleet",
    root: element("section", {}, element("h1", {}, "Fleet"), trouble, sums, workers),
    stop: () => {
      turn++;
      clearTimeout(soon);
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
      changes.removeEventListener("hello", hello);
      changes.removeEventListener("fit", changed);
    },
  };
}

/** @param {string} word */
const inWords = (word) => (ENDS[word] ?? word[0].toUpperCase() + word.slice(1)).replaceAll("_", " ");

/** @param {any} fleet */
function panelsOf(fleet) {
  const line = (/** @type {string} */ name, /** @type {any} */ { waiting, oldest_waiting_seconds: oldest, running }) =>
    facts([[`${name} waiting`, String(waiting)], ["The first has waited", duration(oldest)], [`${name} running`, String(running)]]);
  const { heard, busy, silent } = fleet.workers;
  const counted = (/** @type {Record<string, number>} */ counts) => Object.entries(counts).map(([word, count]) => /** @type {[string, string]} */ ([inWords(word), String(count)]));
  const ends = counted(fleet.last_hour.attempts);
  const failures = counted(fleet.failures);
  const none = (/** @type {string} */ words) => element("p", { className: "quiet" }, words);
  return [
    panel("Queues", line("Fits", fleet.fits), line("Views", fleet.views)),
    panel("Capacity", facts([["Workers", String(heard)], ["Busy", String(busy)], ["Idle", String(heard - busy)], ["Not heard of", silent ? String(silent) : ""]])),
    panel("Attempts of the last hour", ends.length ? facts([...ends, ["Time of workers", duration(fleet.last_hour.worker_seconds)]]) : none("None ended.")),
    panel("Your failures of the last day", failures.length ? facts(failures) : none("None of your fits failed.")),
  ];
}
