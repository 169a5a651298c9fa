/** What happened to a fit, in sentences, from its events. */
import { clock, element } from "./parts.js";

/** @type {Record<string, string>} */
const REASONS = {
  worker_did_not_answer: "its worker did not answer",
  worker_lost: "the worker was lost",
  worker_hung: "the worker did not go on and was given up",
  worker_drained: "the worker was stopped and handed it back",
  resumed: "it was resumed",
};

/** @type {Record<string, string>} */
const MOVES = {
  queued: "Queued",
  running: "Started by a worker",
  paused: "Paused",
  cancelling: "Asked to stop",
  succeeded: "Succeeded",
  failed: "Failed",
  cancelled: "Cancelled",
  expired: "Expired: no worker took it in time",
  pause_requested: "Asked to pause",
  pause_withdrawn: "Not to pause after all",
};

/**
 * @typedef {{ seq: number, kind: string, attempt: number, data: any, created_at: string }} FitEvent
 * @param {FitEvent[]} events
 * @returns {{ text: string, at: string }[]}
 */
export function sentences(events) {
  const found = [];
  let [savedAt, phase, attempt] = [/** @type {number | null} */ (null), "", 0];
  for (const { kind, data, attempt: number, created_at: at } of events) {
    if (kind === "checkpoint") savedAt = data.step;
    else if (kind === "phase" && (data.phase !== phase || number !== attempt)) {
      found.push({ text: `Phase: ${data.phase}`, at });
      phase = data.phase;
    } else if (kind in MOVES) {
      let text = MOVES[kind];
      if (kind === "running" && number > 1) text = savedAt === null ? `Attempt ${number}: started again from the beginning` : `Attempt ${number}: resumed at step ${savedAt}`;
      else if (data.reason) {
        const reason = REASONS[data.reason] ?? String(data.reason).replaceAll("_", " ");
        text = kind === "queued" ? `${reason[0].toUpperCase()}${reason.slice(1)}; back in the queue` : `${text}: ${reason}`;
      }
      if (kind === "running") phase = "";
      found.push({ text, at });
    }
    attempt = number;
  }
  return found;
}

/**
 * @param {FitEvent[]} events
 * @returns {HTMLElement}
 */
export function timeline(events) {
  const lines = sentences(events);
  return element(
    "ol",
    { className: "timeline" },
    ...lines.map(({ text, at }) => element("li", {}, element("span", {}, text), " ", element("time", { className: "quiet", dateTime: at }, clock(at)))),
  );
}
