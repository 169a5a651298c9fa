/** Beginning of the page: who is asking, which view the address names, and one stream of changes for all of them. */
import { ask, forget, hasKey, useKey } from "./api.js";
import { Changes } from "./changes.js";
import { compareView } from "./compare.js";
import { fitView } from "./fit.js";
import { fleetView } from "./fleet.js";
import { listView } from "./list.js";
import { newView } from "./new.js";
import { alertOf, element, say } from "./parts.js";
import { usageView } from "./usage.js";

/**
 * @typedef {{ title: string, root: HTMLElement, stop?: () => void }} View
 * @typedef {{ changes: Changes, capabilities: any }} Session
 */

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const line = /** @type {HTMLElement} */ (document.getElementById("line"));
const leave = /** @type {HTMLButtonElement} */ (document.getElementById("leave"));
const STATES = /** @type {Record<string, string>} */ ({
  live: "Live",
  connecting: "Connecting …",
  away: "No connection: trying again …",
  refused: "Not allowed to follow fits",
});

/** @type {Session | null} */
let session = null;
/** @type {View | null} */
let shown = null;

/**
 * @param {Session} session
 * @returns {View}
 */
function viewOf(session) {
  const [, name, id] = location.hash.split("/");
  if (name === "new") return newView(session, id ? decodeURIComponent(id) : undefined);
  if (name === "fleet") return fleetView(session);
  if (name === "usage") return usageView(session);
  if (name === "fits" && id) return fitView(session, decodeURIComponent(id));
  if (name === "compare" && id) return compareView(session, decodeURIComponent(id).split(","));
  return listView(session);
}

/** @param {boolean} byHand whether somebody followed a link, and the focus goes along */
function show(byHand) {
  if (!session) return;
  shown?.stop?.();
  shown = viewOf(session);
  main.replaceChildren(shown.root);
  document.title = `${shown.title} · Tuner`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === (location.hash || "#/")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (byHand) main.focus({ preventScroll: true });
}

function end() {
  shown?.stop?.();
  session?.changes.stop();
  shown = session = null;
  forget();
}

/** @param {any} capabilities */
async function begin(capabilities) {
  const changes = new Changes();
  session = { changes, capabilities };
  const tell = () => {
    say(line, STATES[changes.state] ?? "");
    line.dataset.state = changes.state;
  };
  changes.addEventListener("state", tell);
  tell();
  leave.hidden = !hasKey();
  show(false);
  await changes.start();
}

/**
 * @param {any} capabilities
 * @param {unknown} [error]
 */
function signIn(capabilities, error) {
  end();
  useKey(null);
  leave.hidden = true;
  say(line, "");
  document.title = "Sign in · Tuner";
  // A field of this kind is one that password managers fill; it has no name, and the form goes nowhere.
  const field = element("input", { type: "password", id: "key", required: true, autocomplete: "current-password", spellcheck: false });
  const form = element(
    "form",
    {
      className: "panel",
      onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        const given = field.value.trim();
        field.value = "";
        if (!/^[\x21-\x7e]+$/.test(given)) return signIn(capabilities, new Error("a key consists of letters, digits and signs without spaces: copy it once more"));
        useKey(given);
        try {
          await ask("/fits?limit=1");
          await begin(capabilities);
        } catch (refusal) {
          signIn(capabilities, refusal);
        }
      },
    },
    element("h1", {}, "Sign in"),
    error ? alertOf(error) : null,
    element("p", { className: "pair" }, element("label", { htmlFor: "key" }, "API key"), field),
    element("p", { className: "quiet" }, "It stays in the memory of this tab: whoever reloads the page signs in again."),
    element("button", { type: "submit", className: "main" }, "Sign in"),
  );
  main.replaceChildren(form);
  field.focus();
}

async function start() {
  main.replaceChildren(element("p", { role: "status" }, "Loading …"));
  /** @type {any} */
  let capabilities;
  try {
    capabilities = await ask("/capabilities");
  } catch (error) {
    main.replaceChildren(element("h1", {}, "Tuner"), alertOf(error), element("button", { type: "button", onclick: start }, "Try again"));
    return;
  }
  let isAsking = false;
  document.addEventListener("key-needed", () => {
    // While somebody signs in, the form says itself what is wrong.
    if (session && !isAsking) {
      isAsking = true;
      signIn(capabilities, new Error("the key is not valid any more: sign in with another"));
      isAsking = false;
    }
  });
  leave.addEventListener("click", () => signIn(capabilities));
  window.addEventListener("hashchange", () => show(true));
  if (capabilities.asks_for_keys) signIn(capabilities);
  else await begin(capabilities);
}

await start();
