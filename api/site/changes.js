/** The one stream of all changes: one tab reads it, the others listen to that tab, since a browser opens six connections. */
import { callerName, request } from "./api.js";

/** Milliseconds without a byte after which a connection is taken for dead; the service speaks every 15 seconds. */
const SILENCE = 45_000;
const PAUSES = [500, 1000, 2000, 4000];

/** Events: `hello` (read the lists again), `fit` (with the fit in `detail`), `state` (`live`, `away` or `connecting`). */
export class Changes extends EventTarget {
  constructor() {
    super();
    this.state = "connecting";
    this.ending = new AbortController();
    this.isLeader = false;
  }

  async start() {
    const { signal } = this.ending;
    // Both are there for pages of this machine and of https only; elsewhere each tab has its own stream.
    if (!navigator.locks || !globalThis.BroadcastChannel) return void this.lead(signal);
    const name = `tuner-changes-${await callerName()}`;
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }) => {
      if (data.type !== "who") this.tell(data.type, data.detail);
      else if (this.isLeader) this.channel?.postMessage({ type: "state", detail: this.state });
    };
    this.channel.postMessage({ type: "who" });
    navigator.locks.request(name, { signal }, () => this.lead(signal)).catch(() => {});
  }

  stop() {
    this.ending.abort();
    this.channel?.close();
  }

  /** @param {AbortSignal} signal */
  async lead(signal) {
    this.isLeader = true;
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        await this.follow(signal, () => (tries = 0));
      } catch (error) {
        const { status } = /** @type {any} */ (error);
        if (status === 401 || status === 403) return this.pass("state", "refused");
      }
      if (signal.aborted) return;
      this.pass("state", "away");
      await new Promise((resolve) => setTimeout(resolve, PAUSES[Math.min(tries, PAUSES.length - 1)]));
    }
  }

  /**
   * @param {AbortSignal} signal
   * @param {() => void} onHello
   */
  async follow(signal, onHello) {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE);
    try {
      const answer = await request("/fits/changes", { headers: { Accept: "text/event-stream" }, signal: AbortSignal.any([signal, silent.signal]) });
      const reader = /** @type {ReadableStream<any>} */ (answer.body).pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE);
        const messages = (rest + value).split("\n\n");
        rest = messages.pop() ?? "";
        for (const message of messages) {
          const [type, data] = ["event", "data"].map((field) => message.match(new RegExp(`^${field}: (.*)$`, "m"))?.[1]);
          if (!type || !data) continue;
          if (type === "hello") {
            onHello();
            this.pass("state", "live");
          }
          this.pass(type, JSON.parse(data));
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Tell this tab and the others.
   * @param {string} type
   * @param {any} detail
   */
  pass(type, detail) {
    this.channel?.postMessage({ type, detail });
    this.tell(type, detail);
  }

  /**
   * @param {string} type
   * @param {any} detail
   */
  tell(type, detail) {
    if (type === "state") this.state = detail;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
