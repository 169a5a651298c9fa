/** One fit: how far it is, its curve, what happened to it, what came of it, and what can be done with it. */
import { Problem, ask, hasKey, request, signalOf } from "./api.js";
import { Curve } from "./curve.js";
import { alertOf, bytes, clock, decibels, duration, element, facts, save, say } from "./parts.js";
import { recipes } from "./recipes.js";
import { shownResult } from "./shown.js";
import { ENDED, badge, nameOf, share, standing } from "./status.js";
import { timeline } from "./timeline.js";

const EVENTS = 1000;
const TARGET_WORDS = /** @type {Record<string, string>} */ ({ psnr_db: "dB at least", bytes: "bytes at most", bits_per_sample: "bits per sample at most", max_error: "of the range as largest difference", seconds: "seconds of training" });

/** Events of a fit that are known, and those that came since. */
export class Story {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    /** @type {import("./timeline.js").FitEvent[]} */
    this.events = [];
  }

  async read() {
    for (let more = true; more; ) {
      const page = await ask(`/fits/${this.id}/events?limit=${EVENTS}&after=${this.events.at(-1)?.seq ?? 0}`);
      this.events.push(...page.data);
      more = page.next_after !== null;
    }
  }

  /** @returns {import("./curve.js").Point[]} */
  points() {
    return this.events.filter(({ data }) => typeof data.psnr_db === "number" && typeof data.step === "number").map(({ data, attempt }) => ({ step: data.step, psnr: data.psnr_db, attempt }));
  }
}

/**
 * @param {import("./main.js").Session} session
 * @param {string} id
 * @returns {import("./main.js").View}
 */
export function fitView({ changes }, id) {
  const story = new Story(id);
  const curve = new Curve();
  /** @type {any} */
  let [fit, signal, metrics] = [null, null, null];
  let [isStopped, isReading, isBehind, isShown] = [false, false, false, false];
  let close = () => {};

  const heading = element("h1", {}, "Fit");
  const mark = element("span");
  const where = element("p", { role: "status", id: "where" }, "Loading …");
  const bar = element("progress", { max: 1, hidden: true, "aria-label": "Progress" });
  const [trouble, why, about, results, history, others] = Array.from({ length: 6 }, () => element("div"));
  const stage = element("div", { id: "result" });
  /** @type {[string, HTMLButtonElement, (fit: any) => boolean][]} */
  const moves = [
    ["cancel", button("Cancel", () => move("cancel")), ({ status }) => !ENDED.has(status) && status !== "cancelling"],
    ["pause", button("Pause", () => move("pause")), (fit) => ["queued", "running"].includes(fit.status) && !fit.pause_requested],
    ["resume", button("Resume", () => move("resume")), (fit) => fit.status === "paused" || fit.pause_requested],
    ["retry", button("Retry", () => move("retry")), ({ status, result }) => ["failed", "cancelled", "expired"].includes(status) || Boolean(result?.damage)],
    ["clone", button("Clone", () => (location.hash = `#/new/${id}`)), () => true],
    ["remove", button("Delete", remove), ({ status }) => ENDED.has(status)],
  ];
  const curvePanel = element("section", { className: "panel", "aria-label": "Curve" }, element("h2", {}, "Quality"), curve.root);
  const root = element(
    "article",
    { id },
    element("div", { className: "tools" }, heading, mark),
    where,
    bar,
    element("div", { className: "tools", role: "group", "aria-label": "Actions" }, ...moves.map(([, made]) => made)),
    trouble,
    why,
    element("div", { className: "columns" }, element("div", {}, curvePanel, stage), element("div", {}, results, about, history, others)),
  );
  moves.forEach(([, made]) => (made.hidden = true));

  async function refresh() {
    if (isReading) return void (isBehind = true);
    isReading = true;
    try {
      do {
        isBehind = false;
        // The fit first: if it has ended, its last event is among those that are read next.
        fit = await ask(`/fits/${id}`);
        await story.read();
        signal ??= await signalOf(fit.signal_id).catch(() => null);
        if (fit.status === "succeeded") metrics ??= await ask(`/fits/${id}/metrics`);
        if (isStopped) return;
        draw();
      } while (isBehind);
    } catch (error) {
      if (isStopped) return;
      const isGone = /** @type {any} */ (error).status === 404;
      if (!fit || isGone) {
        say(where, isGone ? "There is no such fit, or it was deleted." : "");
        moves.forEach(([, made]) => (made.hidden = true));
      }
      trouble.replaceChildren(alertOf(error), button("Try again", refresh));
    } finally {
      isReading = false;
    }
  }

  function draw() {
    const name = nameOf(signal, id);
    trouble.replaceChildren();
    say(heading, name);
    document.title = `${fit.status}: ${name} · Tuner`;
    mark.replaceChildren(badge(fit));
    // Why it failed stands below.
    say(where, fit.status === "failed" && fit.error ? "" : [standing(fit), fit.outcome, fit.waits_because].filter(Boolean).join(" · ") || fit.status);
    const done = share(fit);
    bar.hidden = fit.status !== "running" || done === null;
    bar.value = done ?? 0;
    for (const [, made, isPossible] of moves) made.hidden = !isPossible(fit);
    why.replaceChildren(...(fit.error ? [errorOf(fit)] : []));
    const target = Object.entries(fit.spec?.target ?? {}).find(([, value]) => value !== null);
    const points = story.points();
    curvePanel.hidden = points.length === 0 && ENDED.has(fit.status);
    curve.draw([{ name: "", points }], target?.[0] === "psnr_db" ? Number(target[1]) : null);
    about.replaceChildren(
      panel(
        "Request",
        facts([
          ["Target", target ? `${target[1]} ${TARGET_WORDS[target[0]] ?? target[0]}` : "none"],
          ["Effort", fit.spec?.preset ?? ""],
          ["Network", fit.resolved?.network_kind ?? ""],
          ["Attempts", String(fit.attempts)],
          ["Asked for", clock(fit.created_at)],
          ["Ended", clock(fit.finished_at)],
          ["Kept until", clock(fit.expires_at)],
          ["Labels", Object.entries(fit.labels).map((pair) => pair.join("=")).join(", ")],
        ]),
      ),
    );
    const openThere = history.querySelector("details")?.open;
    history.replaceChildren(panel("What happened", timeline(story.events)));
    if (openThere) history.querySelector("details")?.setAttribute("open", "");
    if (!others.firstChild) others.append(panel("The same by other means", ...recipes(location.origin, fit.spec, name, hasKey()).map(recipe)));
    if (fit.status === "succeeded" && !isShown) {
      isShown = true;
      showResult(name);
    }
  }

  /** @param {string} name */
  async function showResult(name) {
    const file = `${name.replace(/\.[^.]*$/, "")}.tnr`;
    const size = signal?.bytes ? `${(signal.bytes / metrics.bytes).toFixed(1)} times smaller than the file that was sent` : "";
    results.replaceChildren(
      panel(
        "Result",
        facts([
          ["Size", bytes(metrics.bytes)],
          ["Against the upload", size],
          ["Quality", decibels(metrics.picture_psnr_db)],
          ["Quality of derivatives", decibels(metrics.gradient_psnr_db)],
          ["Bits per sample", metrics.bits_per_sample?.toPrecision(3) ?? ""],
          ["Weights", metrics.weights?.toLocaleString() ?? ""],
          ["Steps", metrics.steps?.toLocaleString() ?? ""],
          ["Training", duration(metrics.fit_seconds)],
          ["Compressing", duration(metrics.compress_seconds)],
        ]),
        fit.result?.damage ? alertOf(new Problem(fit.result.damage.message, { code: fit.result.damage.code })) : null,
        element("div", { className: "tools" }, button(`Download ${file}`, () => download("representation", file)), button("Save as a page", () => download("view.html", `${file}.html`))),
      ),
    );
    stage.replaceChildren(element("p", { role: "status" }, "Decoding …"));
    const result = await shownResult(id, name);
    close = result.close;
    if (isStopped) return close();
    const beside = result.picture ? element("a", { className: "button", href: `#/compare/${id}` }, "Beside JPEG, WebP and AVIF of this size") : null;
    stage.replaceChildren(panel(result.title, result.root, beside));
  }

  /** @param {string} what @param {string} name */
  async function download(what, name) {
    try {
      save(await (await request(`/fits/${id}/${what}`)).blob(), name);
    } catch (error) {
      trouble.replaceChildren(alertOf(error));
    }
  }

  /** @param {string} name */
  async function move(name) {
    try {
      const moved = await ask(`/fits/${id}/${name}`, { method: "POST" });
      if (moved.id !== id) location.hash = `#/fits/${moved.id}`;
      else await refresh();
    } catch (error) {
      await refresh();
      trouble.replaceChildren(alertOf(error));
    }
  }

  async function remove() {
    if (!confirm("Delete this fit and its file? Nothing brings them back.")) return;
    try {
      await ask(`/fits/${id}`, { method: "DELETE" });
      location.hash = "#/";
    } catch (error) {
      trouble.replaceChildren(alertOf(error));
    }
  }

  const changed = (/** @type {any} */ { detail }) => void (detail.id === id && refresh());
  changes.addEventListener("hello", refresh);
  changes.addEventListener("fit", changed);
  refresh();
  return {
    title: "Fit",
    root,
    stop: () => {
      isStopped = true;
      close();
      changes.removeEventListener("hello", refresh);
      changes.removeEventListener("fit", changed);
    },
  };
}

/** @param {string} text @param {() => void} act @returns {HTMLButtonElement} */
const button = (text, act) => element("button", { type: "button", onclick: () => act() }, text);

/** @param {string} title @param {...(Node | null)} children */
const panel = (title, ...children) => element("section", { className: "panel", "aria-label": title }, element("h2", {}, title), ...children);

/** @param {any} fit */
function errorOf({ error }) {
  const next = /config|spec/.test(error.code)
    ? "Clone it and ask for something else."
    : /too_large|limit|memory|out_of_time|deadline/.test(error.code)
    ? "Clone it with a smaller target or a smaller signal."
    : /signal|blob|damaged|missing/.test(error.code)
      ? "Send the file again, then retry."
      : "Retry it; if it fails again in the same way, tell whoever runs the service its id and this code.";
  return element("div", { role: "alert", className: "alert" }, element("p", {}, error.message), element("p", { className: "quiet" }, `code ${error.code}`), element("p", {}, next));
}

/** @param {[string, string]} given */
function recipe([name, text]) {
  const told = element("span", { role: "status", className: "quiet" });
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(told, "copied");
    } catch {
      say(told, "this browser does not let pages copy: mark the text instead");
    }
  });
  copy.setAttribute("aria-label", `Copy for ${name}`);
  return element("details", {}, element("summary", {}, name), element("pre", { tabIndex: 0, role: "region", "aria-label": `${name} text` }, text), element("div", { className: "tools" }, copy, told));
}
