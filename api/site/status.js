/** A fit in words: its status, how far it is, and what it came to. */
import { bytes, decibels, duration, element } from "./parts.js";

export const ENDED = new Set(["succeeded", "failed", "cancelled", "expired"]);

/** @param {any} fit */
export function badge(fit) {
  const text = fit.pause_requested ? "pausing" : fit.status;
  return element("span", { className: `badge ${fit.status}` }, text);
}

/**
 * @param {any} fit
 * @returns {string} where it is, in a sentence; empty where the status says all
 */
export function standing(fit) {
  const { progress, result, status } = fit;
  if (status === "queued") return fit.queue_position === null || fit.queue_position === undefined ? "waiting" : fit.queue_position === 0 ? "next in the queue" : `${fit.queue_position} before it`;
  if (status === "succeeded" && result) return [bytes(result.bytes), decibels(result.psnr_db), result.bits_per_sample ? `${result.bits_per_sample.toPrecision(3)} bits per sample` : ""].filter(Boolean).join(", ");
  if (status === "failed") return fit.error?.code ?? "";
  if (status !== "running" || !progress) return "";
  // How many steps there will be is not said: one more network is another total, and a fit that stops early has fewer.
  const steps = typeof progress.step === "number" ? `step ${progress.step}` : "";
  const left = progress.eta_seconds === null || progress.eta_seconds === undefined ? "" : `${duration(progress.eta_seconds)} left`;
  return [progress.phase, steps, decibels(progress.psnr_db), left].filter(Boolean).join(", ");
}

/**
 * @param {any} fit
 * @returns {number | null} share that is done
 */
export function share(fit) {
  const { step, total_steps: total } = fit.progress ?? {};
  return total ? Math.min((step ?? 0) / total, 1) : null;
}

/** @param {any} signal @param {string} fallback */
export const nameOf = (signal, fallback) => signal?.filename || fallback;
