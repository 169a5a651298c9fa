/** A new fit: a file is sent, or that of another fit taken; a target is set, its cost foreseen, and the fit asked for. */
import { ask, signalOf } from "./api.js";
import { alertOf, bytes, decibels, duration, element, facts, say } from "./parts.js";
import { upload } from "./upload.js";

/** @type {Record<string, { words: string, first: number, step: string }>} */
const TARGETS = {
  psnr_db: { words: "Quality at least, in dB", first: 35, step: "any" },
  bytes: { words: "Bytes at most", first: 20000, step: "1" },
  bits_per_sample: { words: "Bits per sample at most", first: 1, step: "any" },
  max_error: { words: "Largest difference, as a share of the range", first: 0.05, step: "any" },
  seconds: { words: "Seconds of training", first: 60, step: "any" },
};

/**
 * @param {import("./main.js").Session} session
 * @param {string} [original] id of a fit that the new one is like, but for what is chosen here
 * @returns {import("./main.js").View}
 */
export function newView({ capabilities }, original) {
  let sending = new AbortController();
  /** @type {any} */
  let signal = null;
  const trouble = element("div");
  const progress = element("progress", { max: 1, hidden: true, "aria-label": "Progress of the upload" });
  const words = element("p", { role: "status" });
  const about = element("div");
  const input = element("input", { type: "file", id: "file", onchange: () => input.files?.[0] && send(input.files[0]) });
  const drop = element(
    "div",
    { className: "drop" },
    element("label", { htmlFor: "file" }, "Drop a picture, sound, volume, video, mesh or array here, or choose a file"),
    input,
    element("p", { className: "quiet" }, `In one request up to ${bytes(capabilities.limits.upload_bytes)}, in parts up to ${bytes(capabilities.limits.large_upload_bytes)}.`),
  );
  for (const kind of ["dragover", "dragleave", "drop"])
    drop.addEventListener(kind, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      const file = kind === "drop" ? event.dataTransfer?.files[0] : null;
      if (file) send(file);
    });

  const kind = element("select", { id: "kind", onchange: choose });
  for (const { name } of capabilities.targets) if (name in TARGETS) kind.append(element("option", { value: name }, TARGETS[name].words));
  const value = element("input", { id: "value", type: "number", required: true, min: "0", oninput: estimateSoon });
  const preset = element("select", { id: "preset", onchange: estimateSoon });
  for (const { name } of capabilities.presets) preset.append(element("option", { value: name, selected: name === "balanced" }, name));
  const labels = element("input", { id: "labels", placeholder: "album=garden, draft=1" });
  const foreseen = element("div", { "aria-live": "polite" });
  const begin = element("button", { type: "submit", className: "main" }, "Fit");
  // One name for one wish: pressed twice, it is one fit.
  let wish = wishName();
  const form = element(
    "form",
    { className: "panel", hidden: true, onsubmit: submit },
    element("h2", {}, "Target"),
    element("div", { className: "fields" }, ...pair("kind", "Target", kind), ...pair("value", "Value", value), ...pair("preset", "Effort", preset), ...pair("labels", "Labels", labels)),
    foreseen,
    begin,
  );

  function choose() {
    value.value = String(TARGETS[kind.value].first);
    value.step = TARGETS[kind.value].step;
    estimateSoon();
  }

  const wanted = () => ({ signal_id: signal.id, preset: preset.value, target: { [kind.value]: Number(value.value) } });

  /** @param {File} file */
  async function send(file) {
    sending.abort();
    const mine = (sending = new AbortController());
    signal = null;
    form.hidden = true;
    trouble.replaceChildren();
    about.replaceChildren();
    progress.hidden = false;
    progress.removeAttribute("value");
    say(words, `Sending ${file.name} …`);
    try {
      const found = await upload(file, {
        limits: capabilities.limits,
        signal: mine.signal,
        onProgress: (share, doing) => {
          if (share > 0) progress.value = share;
          say(words, `${doing} ${file.name} …`);
        },
      });
      if (mine.signal.aborted) return;
      say(words, `${file.name} is there.`);
      use(found);
      choose();
      kind.focus();
    } catch (error) {
      if (mine.signal.aborted) return;
      say(words, "");
      trouble.replaceChildren(alertOf(error));
    } finally {
      if (mine === sending) progress.hidden = true;
    }
  }

  /** @param {any} found signal that is to be fitted */
  function use(found) {
    signal = found;
    const { facts: what } = found;
    about.replaceChildren(
      facts([
        ["Kind", what.kind],
        ["Format", what.format],
        ["Samples", what.shape.join(" × ")],
        ["Channels", String(what.channels)],
        ["Size", bytes(found.bytes)],
      ]),
    );
    form.hidden = false;
  }

  /** @param {string} id of the fit to begin with */
  async function begunFrom(id) {
    drop.hidden = true;
    say(words, "Loading …");
    try {
      const fit = await ask(`/fits/${id}`);
      const found = await signalOf(fit.signal_id);
      if (sending.signal.aborted) return;
      say(words, `Like the fit of ${found.filename ?? found.id}, but for what is different here.`);
      use(found);
      const target = Object.entries(fit.spec?.target ?? {}).find(([, value]) => value !== null);
      if (target) kind.value = target[0];
      choose();
      if (target) value.value = String(target[1]);
      preset.value = fit.spec?.preset ?? "balanced";
      labels.value = Object.entries(fit.labels).map((one) => one.join("=")).join(", ");
    } catch (error) {
      say(words, "");
      trouble.replaceChildren(alertOf(error));
    }
  }

  /** @type {any} */
  let timer = 0;
  let turn = 0;
  function estimateSoon() {
    wish = wishName();
    clearTimeout(timer);
    timer = setTimeout(estimate, 250);
  }

  async function estimate() {
    const mine = ++turn;
    if (!signal || !form.checkValidity()) return void foreseen.replaceChildren(element("p", { className: "quiet" }, "A number is missing."));
    foreseen.setAttribute("aria-busy", "true");
    try {
      const found = await ask("/fits?validate_only=true", { method: "POST", json: wanted() });
      if (mine !== turn) return;
      foreseen.replaceChildren(
        facts([
          ["Expected size", bytes(found.bytes)],
          ["Expected quality", decibels(found.psnr_db)],
          ["Bits per sample", found.bits_per_sample?.toPrecision(3) ?? ""],
          ["Time on a worker", `${duration(found.seconds)}${found.speed_is_measured ? "" : ", roughly"}`],
        ]),
        element("p", { className: "quiet" }, found.unforeseen ?? ""),
      );
      begin.disabled = false;
    } catch (error) {
      if (mine !== turn) return;
      foreseen.replaceChildren(alertOf(error));
      begin.disabled = true;
    }
    foreseen.removeAttribute("aria-busy");
  }

  async function submit(/** @type {Event} */ event) {
    event.preventDefault();
    begin.disabled = true;
    try {
      const named = labels.value.split(",").map((/** @type {string} */ pair) => pair.trim()).filter(Boolean).map((/** @type {string} */ pair) => [pair.split("=")[0].trim(), pair.split("=").slice(1).join("=").trim()]);
      const { signal_id: _, ...changed } = wanted();
      const [address, json] = original ? [`/fits/${original}/clone`, changed] : ["/fits", wanted()];
      const fit = await ask(address, { method: "POST", json: { ...json, labels: Object.fromEntries(named) }, headers: { "Idempotency-Key": wish } });
      location.hash = `#/fits/${fit.id}`;
    } catch (error) {
      trouble.replaceChildren(alertOf(error));
      begin.disabled = false;
    }
  }

  if (original) begunFrom(original);
  return {
    title: "New fit",
    root: element("section", {}, element("h1", {}, original ? "Clone" : "New fit"), drop, progress, words, trouble, about, form),
    stop: () => {
      turn++;
      clearTimeout(timer);
      sending.abort();
    },
  };
}

/** @param {string} id @param {string} text @param {HTMLElement} field */
const pair = (id, text, field) => [element("label", { htmlFor: id }, text), field];

const wishName = () => `page-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
