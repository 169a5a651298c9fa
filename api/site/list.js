/** The list of fits: what each one is doing, filters, and what can be done with many at once. */
import { ask, signalOf } from "./api.js";
import { alertOf, clock, element, say } from "./parts.js";
import { ENDED, badge, nameOf, share, standing } from "./status.js";

const PAGE = 50;
/** Fits whose place in the queue is asked for, each by itself; further ones only say that they wait. */
const MOST_PLACES = 10;

/**
 * @param {import("./main.js").Session} session
 * @returns {import("./main.js").View}
 */
export function listView({ changes, capabilities }) {
  /** @type {Map<string, ReturnType<typeof rowOf>>} */
  const rows = new Map();
  /** @type {string | null} */
  let cursor = null;
  let turn = 0;
  const note = element("p", { role: "status", className: "quiet" }, "Loading …");
  const list = element("ul", { className: "fits" });
  const trouble = element("div");
  const more = element("button", { type: "button", hidden: true, onclick: () => load(false) }, "Show more");
  const status = element("select", { id: "status", onchange: () => load(true) }, element("option", { value: "" }, "any status"));
  for (const word of capabilities.fit_statuses) status.append(element("option", { value: word }, word));
  const label = element("input", { id: "label", placeholder: "album=garden", onchange: () => load(true) });
  const order = element("select", { id: "order", onchange: () => load(true) }, element("option", { value: "newest" }, "newest first"), element("option", { value: "oldest" }, "oldest first"));
  const chosen = () => Array.from(rows.values()).filter((row) => row.box.checked);
  const cancel = element("button", { type: "button", onclick: cancelChosen }, "Cancel");
  const remove = element("button", { type: "button", onclick: removeChosen }, "Delete");
  const compare = element("button", { type: "button", onclick: () => (location.hash = `#/compare/${chosen().map(({ fit }) => fit.id).join(",")}`) }, "Compare");
  const all = element("input", { type: "checkbox", id: "all", onchange: () => (rows.forEach((row) => (row.box.checked = all.checked)), count()) });
  const counted = element("span", { className: "quiet", role: "status" });
  const bar = element("div", { className: "tools", role: "group", "aria-label": "Chosen fits" }, all, element("label", { htmlFor: "all" }, "All shown"), cancel, remove, compare, counted);

  function count() {
    const fits = chosen().map(({ fit }) => fit);
    say(counted, fits.length ? `${fits.length} chosen` : "");
    cancel.disabled = !fits.some(({ status }) => !ENDED.has(status));
    remove.disabled = !fits.some(({ status }) => ENDED.has(status));
    compare.disabled = fits.length !== 2 || fits.some(({ status }) => status !== "succeeded");
  }

  /** @param {any} fit */
  const isWanted = (fit) => {
    const [name, ...value] = label.value.trim().split("=");
    return (!status.value || fit.status === status.value) && (!label.value.trim() || fit.labels[name] === value.join("="));
  };

  /** @param {boolean} again from the beginning */
  async function load(again) {
    const mine = ++turn;
    const asked = new URLSearchParams({ limit: String(again ? Math.min(Math.max(rows.size, PAGE), 100) : PAGE), order: order.value });
    if (status.value) asked.set("status", status.value);
    if (label.value.trim()) asked.set("label", label.value.trim());
    if (!again && cursor) asked.set("cursor", cursor);
    try {
      const page = await ask(`/fits?${asked}`);
      if (mine !== turn) return;
      trouble.replaceChildren();
      const ids = new Set(page.data.map((/** @type {any} */ fit) => fit.id));
      if (again) for (const [id, row] of rows) if (!ids.has(id)) (row.root.remove(), rows.delete(id));
      for (const fit of page.data) put(fit, true);
      cursor = page.next_cursor;
      more.hidden = cursor === null;
      settle();
      await places();
    } catch (error) {
      if (mine !== turn) return;
      say(note, "");
      trouble.replaceChildren(alertOf(error), element("button", { type: "button", onclick: () => load(true) }, "Try again"));
    }
  }

  /** @param {any} fit @param {boolean} atEnd */
  function put(fit, atEnd) {
    const row = rows.get(fit.id);
    if (row) row.update(fit);
    else {
      const made = rowOf(fit, count);
      rows.set(fit.id, made);
      if (atEnd) list.append(made.root);
      else if (order.value === "newest") list.prepend(made.root);
      else if (more.hidden) list.append(made.root);
      else rows.delete(fit.id);
    }
  }

  function settle() {
    bar.hidden = rows.size === 0;
    const filtered = status.value || label.value.trim();
    say(note, rows.size ? "" : filtered ? "No fit is like that." : "There are no fits yet: begin with New fit.");
    count();
  }

  async function places() {
    const waiting = Array.from(rows.values()).filter(({ fit }) => fit.status === "queued").slice(0, MOST_PLACES);
    await Promise.all(waiting.map(async (row) => row.update(await ask(`/fits/${row.fit.id}`).catch(() => row.fit))));
  }

  /** @type {any} */
  let soon = 0;
  function changed(/** @type {any} */ { detail: fit }) {
    if (isWanted(fit)) put(fit, false);
    else if (rows.has(fit.id)) (rows.get(fit.id)?.root.remove(), rows.delete(fit.id));
    settle();
    soon ||= setTimeout(() => ((soon = 0), places()), 1000);
  }

  async function cancelChosen() {
    const ids = chosen().filter(({ fit }) => !ENDED.has(fit.status)).map(({ fit }) => fit.id);
    await attempt(async () => void (await ask("/fits/cancel", { method: "POST", json: { ids } })));
  }

  async function removeChosen() {
    const ids = chosen().filter(({ fit }) => ENDED.has(fit.status)).map(({ fit }) => fit.id);
    if (!confirm(`Delete ${ids.length === 1 ? "this fit and its file" : `these ${ids.length} fits and their files`}? Nothing brings them back.`)) return;
    await attempt(async () => {
      for (const id of ids) await ask(`/fits/${id}`, { method: "DELETE" });
    });
  }

  /** @param {() => Promise<void>} act */
  async function attempt(act) {
    let failure = null;
    await act().catch((error) => (failure = error));
    all.checked = false;
    await load(true);
    if (failure) trouble.replaceChildren(alertOf(failure));
  }

  const hello = () => load(true);
  changes.addEventListener("hello", hello);
  changes.addEventListener("fit", changed);
  load(true);
  return {
    title: "Fits",
    root: element(
      "section",
      {},
      element("div", { className: "tools" }, element("h1", {}, "Fits"), element("a", { className: "button main", href: "#/new" }, "New fit")),
      element("div", { className: "tools", role: "group", "aria-label": "Filters" }, ...[["Status", status], ["Label", label], ["Order", order]].map(([text, field]) => element("span", { className: "pair" }, element("label", { htmlFor: field.id }, text), field))),
      bar,
      trouble,
      note,
      list,
      more,
    ),
    stop: () => {
      turn++;
      clearTimeout(soon);
      changes.removeEventListener("hello", hello);
      changes.removeEventListener("fit", changed);
    },
  };
}

/**
 * @param {any} first
 * @param {() => void} onChosen
 */
function rowOf(first, onChosen) {
  const link = element("a", { href: `#/fits/${first.id}` }, first.id);
  const box = element("input", { type: "checkbox", "aria-label": `Choose ${first.id}`, onchange: onChosen });
  const [mark, where, words, when] = [element("span"), element("span", { className: "where" }), element("span", { className: "quiet" }), element("time", { className: "quiet" })];
  const bar = element("progress", { max: 1, "aria-label": "Progress" });
  const root = element("li", { id: first.id }, box, link, mark, where, bar, words, when);
  const row = { root, box, fit: first, update };
  signalOf(first.signal_id).then((signal) => {
    link.textContent = nameOf(signal, first.id);
    box.setAttribute("aria-label", `Choose ${nameOf(signal, first.id)}`);
  }, () => {});

  /** @param {any} fit */
  function update(fit) {
    row.fit = fit;
    mark.replaceChildren(badge(fit));
    say(where, standing(fit));
    const done = share(fit);
    bar.hidden = fit.status !== "running" || done === null;
    bar.value = done ?? 0;
    say(words, Object.entries(fit.labels).map(([name, value]) => `${name}=${value}`).join(" "));
    when.dateTime = fit.created_at;
    say(when, clock(fit.created_at));
  }
  update(first);
  return row;
}
