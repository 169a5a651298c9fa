/** Keys of the tenant, without their secrets: which there are, what each allows, and when it was last used. */
import { ask } from "./api.js";
import { alertOf, clock, element, panel, say } from "./parts.js";

/** @returns {HTMLElement} */
export function keysPanel() {
  const note = element("p", { role: "status", className: "quiet" }, "Loading …");
  const list = element("ul", { className: "rows" });
  const trouble = element("div");
  const more = element("button", { type: "button", hidden: true, onclick: () => load() }, "Show more keys");
  /** @type {string | null} */
  let cursor = null;

  async function load() {
    try {
      const page = await ask(`/keys?limit=50${cursor ? `&cursor=${cursor}` : ""}`);
      trouble.replaceChildren();
      list.append(...page.data.map(rowOf));
      cursor = page.next_cursor;
      more.hidden = cursor === null;
      say(note, list.children.length ? "" : "There are no keys.");
    } catch (error) {
      say(note, "");
      // A key that may not look after keys is an ordinary one.
      if (/** @type {any} */ (error).status === 403) return say(note, "The key that you signed in with may not see keys: that takes the scope keys:read.");
      trouble.replaceChildren(alertOf(error), element("button", { type: "button", onclick: load }, "Try again"));
    }
  }
  load();
  return panel("Keys", trouble, note, list, more);
}

/** @param {any} key */
function rowOf(key) {
  const isOver = key.expires_at && new Date(key.expires_at) <= new Date();
  const state = key.revoked_at ? "revoked" : isOver ? "expired" : "valid";
  const words = [key.last_used_at ? `last used ${clock(key.last_used_at)}` : "never used", key.expires_at && state === "valid" ? `valid until ${clock(key.expires_at)}` : ""];
  return element(
    "li",
    { id: key.id },
    element("span", {}, key.name || "without a name", " ", element("code", {}, key.prefix)),
    element("span", { className: `badge ${state === "valid" ? "succeeded" : state === "expired" ? "expired" : "failed"}` }, state),
    element("span", { className: "quiet" }, key.scopes.join(", ")),
    element("span", { className: "quiet" }, words.filter(Boolean).join(", ")),
  );
}
