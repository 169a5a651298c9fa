/** Requests to the service; the key is held here, in memory only, and leaves in one header. */

/** @type {string | null} */
let key = null;

/** What the service, or the way to it, has against a request. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ code?: string, status?: number, requestId?: string | null }} facts
   */
  constructor(message, { code = "unreachable", status = 0, requestId = null } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.requestId = requestId;
  }
}

/** @param {string | null} given */
export function useKey(given) {
  key = given;
}

export const hasKey = () => key !== null;

/** Words of a name that tells tabs with the same key from others, and tells nobody the key. */
export async function callerName() {
  if (key === null) return "local";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`tuner page ${key}`));
  return Array.from(new Uint8Array(digest, 0, 12), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} path
 * @param {{ method?: string, json?: unknown, body?: BodyInit, headers?: Record<string, string>, signal?: AbortSignal }} [options]
 * @returns {Promise<Response>} an answer that is none of an error
 */
export async function request(path, { method = "GET", json, body, headers = {}, signal } = {}) {
  /** @type {Record<string, string>} */
  const sent = { ...headers };
  if (key !== null) sent.Authorization = `Bearer ${key}`;
  if (json !== undefined) sent["Content-Type"] = "application/json";
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, body: json === undefined ? body : JSON.stringify(json), signal, credentials: "omit", redirect: "error" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem("the service does not answer: see whether it runs, and whether this device is connected");
  }
  if (answer.ok) return answer;
  const requestId = answer.headers.get("x-request-id");
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("key-needed"));
  throw new Problem(said.detail ?? said.title ?? `the service answered ${answer.status}`, { code: said.code ?? `http_${answer.status}`, status: answer.status, requestId });
}

/**
 * @param {string} path
 * @param {Parameters<typeof request>[1]} [options]
 * @returns {Promise<any>} the document that is the answer; null if there is none
 */
export async function ask(path, options) {
  const answer = await request(path, options);
  return answer.status === 204 ? null : answer.json();
}

/** @type {Map<string, Promise<any>>} */
const signals = new Map();

/**
 * @param {string} id
 * @returns {Promise<any>} the signal; asked for once
 */
export function signalOf(id) {
  let found = signals.get(id);
  if (!found) {
    found = ask(`/signals/${id}`);
    found.catch(() => signals.delete(id));
    signals.set(id, found);
  }
  return found;
}

/** Forget what was read under another key. */
export const forget = () => signals.clear();
