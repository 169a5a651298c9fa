/** A worker in a row: what it is, how much of its memory is taken, and which fit it has, if that is one's own. */
import { ask, signalOf } from "./api.js";
import { bytes, duration, element, say } from "./parts.js";
import { nameOf, share, standing } from "./status.js";

/** @param {any} first */
export function workerRow(first) {
  const [name, mark, device, heard] = [element("strong"), element("span"), element("span"), element("span", { className: "quiet" })];
  const meter = element("meter", { min: 0, "aria-label": "Memory taken for fits" });
  const taken = element("span", { className: "quiet" });
  const link = element("a");
  const where = element("span", { className: "quiet" });
  const bar = element("progress", { max: 1, "aria-label": "Progress", hidden: true });
  const fit = element("div", { className: "work" }, link, where, bar);
  const root = element("li", { id: first.id }, name, mark, device, element("div", {}, meter, taken), fit, heard);
  const row = { root, update, tell };
  /** @type {string | null} */
  let held = null;

  /** @param {any} worker */
  function update(worker) {
    const state = worker.silent ? "silent" : worker.busy ? "busy" : "idle";
    say(name, worker.name);
    say(mark, state);
    mark.className = `badge ${{ silent: "failed", busy: "running", idle: "" }[state]}`;
    say(device, deviceOf(worker));
    const memory = worker.memory_bytes;
    const used = worker.silent ? null : worker.used_bytes;
    meter.hidden = !memory || used === null;
    if (!meter.hidden) [meter.max, meter.value] = [memory, used];
    say(taken, !memory ? "" : used === null ? bytes(memory) : `${bytes(used)} of ${bytes(memory)}`);
    say(heard, `heard ${worker.age_seconds < 1 ? "just now" : `${duration(worker.age_seconds)} ago`}${worker.release ? `, release ${worker.release}` : ""}`);
    if (worker.fit_id !== held) take(worker.fit_id);
    if (!worker.fit_id) say(where, worker.busy ? "with a fit of somebody else" : "");
  }

  /** @param {string | null} id the fit that it has now, if that is one's own */
  function take(id) {
    held = id;
    link.hidden = id === null;
    bar.hidden = true;
    say(where, "");
    say(link, id ?? "");
    if (id === null) return;
    link.href = `#/fits/${id}`;
    // One that has been deleted meanwhile stays a link that says so.
    ask(`/fits/${id}`).then((found) => (tell(found), signalOf(found.signal_id))).then((signal) => held === id && say(link, nameOf(signal, id)), () => {});
  }

  /** @param {any} found a fit as it is now, be it this worker's or not */
  function tell(found) {
    if (found.id !== held) return;
    say(where, standing(found) || found.status);
    const done = share(found);
    bar.hidden = done === null;
    bar.value = done ?? 0;
  }

  take(null);
  return row;
}

/** @param {any} worker */
function deviceOf({ device, device_name: name, threads }) {
  if (!device) return "device unknown";
  const kind = device === "cpu" ? "CPU" : device.replace("cuda", "GPU");
  return [kind, name, threads ? `${threads} ${threads === 1 ? "thread" : "threads"}` : ""].filter(Boolean).join(", ");
}
