/** A file on its way to the service: small ones in one request, large ones in parts that go on where they broke off. */
import { Problem, ask } from "./api.js";
import { Sha256 } from "./digest.js";

const PIECE = 4 << 20;
const TRIES = 5;
/** Uploads that broke off, by what a file is known by: choosing it again goes on. @type {Map<string, string>} */
const begun = new Map();

/**
 * @param {File} file
 * @param {{ limits: any, onProgress: (share: number, words: string) => void, signal: AbortSignal }} options
 * @returns {Promise<any>} the signal
 */
export async function upload(file, { limits, onProgress, signal }) {
  if (file.size === 0) throw new Problem(`${file.name} is empty: choose a file with something in it`, { code: "empty_upload" });
  if (file.size > limits.large_upload_bytes)
    throw new Problem(`${file.name} has ${file.size} bytes, the most that this service takes is ${limits.large_upload_bytes}`, { code: "content_too_large" });
  if (file.size <= limits.upload_bytes) {
    onProgress(0, "Sending");
    const address = `/signals?filename=${encodeURIComponent(file.name.slice(0, 1000))}`;
    return ask(address, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" }, signal });
  }
  return inParts(file, onProgress, signal);
}

/**
 * @param {File} file
 * @param {(share: number, words: string) => void} onProgress
 * @param {AbortSignal} signal
 */
async function inParts(file, onProgress, signal) {
  const known = `${file.name} ${file.size} ${file.lastModified}`;
  const digest = new Sha256();
  for (let at = 0; at < file.size; at += PIECE) {
    signal.throwIfAborted();
    digest.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    onProgress((0.2 * at) / file.size, "Reading");
  }
  let state = null;
  const earlier = begun.get(known);
  if (earlier) state = await ask(`/uploads/${earlier}`, { signal }).catch(() => null);
  state ??= await ask("/uploads", { method: "POST", json: { bytes: file.size, filename: file.name.slice(0, 1000) }, signal });
  begun.set(known, state.id);
  let at = 0;
  for (const part of state.parts) {
    const data = file.slice(at, (at += part.bytes));
    if (!part.received) await sendPart(state.id, part, data, signal);
    onProgress(0.2 + (0.75 * at) / file.size, "Sending");
  }
  onProgress(0.95, "Checking");
  const signalView = await ask(`/uploads/${state.id}/complete`, { method: "POST", json: { bytes: file.size, sha256: digest.hex() }, signal });
  begun.delete(known);
  return signalView;
}

/**
 * @param {string} id
 * @param {{ number: number, url: string }} part
 * @param {Blob} data
 * @param {AbortSignal} signal
 */
async function sendPart(id, part, data, signal) {
  let url = part.url;
  for (let tries = 1; ; tries++) {
    try {
      const answer = await fetch(url, { method: "PUT", body: data, signal, credentials: "omit", referrerPolicy: "no-referrer" });
      if (answer.ok) return;
    } catch (error) {
      if (signal.aborted) throw error;
    }
    if (tries === TRIES) throw new Problem("the storage does not take the file: choose it again to go on, or send it by `tuner submit`", { code: "upload_broken" });
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
    // The address may have run out meanwhile.
    const fresh = await ask(`/uploads/${id}`, { signal }).catch(() => null);
    url = fresh?.parts.find((/** @type {any} */ one) => one.number === part.number)?.url ?? url;
  }
}
