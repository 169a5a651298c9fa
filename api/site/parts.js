/** Elements: text goes in as text only, whatever it holds. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, any>} [given] properties of the element, or attributes where it has no such property
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function element(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.includes("-") && key !== "list") /** @type {any} */ (made)[key] = value;
    else made.setAttribute(key, String(value));
  }
  made.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined)));
  return made;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function drawn(name, attributes = {}, ...children) {
  const made = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * Say something where it was not said before: what stays the same is not read aloud again.
 * @param {Element} where
 * @param {string} text
 */
export function say(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/**
 * @param {unknown} error
 * @returns {HTMLElement} what went wrong, its code, and what to do
 */
export function alertOf(error) {
  const { message, code, requestId } = /** @type {any} */ (error);
  const facts = [code && `code ${code}`, requestId && `request ${requestId}`].filter(Boolean).join(", ");
  return element("div", { role: "alert", className: "alert" }, element("p", {}, message ?? String(error)), facts ? element("p", { className: "quiet" }, facts) : null);
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number | null | undefined} count */
export function bytes(count) {
  if (count === null || count === undefined) return "";
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${(count / 1e3).toPrecision(3)} kB` : count < 1e9 ? `${(count / 1e6).toPrecision(3)} MB` : `${(count / 1e9).toPrecision(3)} GB`;
}

/** @param {number | null | undefined} value */
export const decibels = (value) => (value === null || value === undefined ? "" : `${value.toFixed(2)} dB`);

/** @param {string | null | undefined} moment */
export const clock = (moment) => (moment ? new Date(moment).toLocaleString() : "");

/**
 * @param {[string, string][]} pairs those without a text are left out
 * @returns {HTMLElement}
 */
export function facts(pairs) {
  const shown = pairs.filter(([, text]) => text !== "" && text !== undefined);
  return element("dl", { className: "facts" }, ...shown.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))));
}

/** @param {string} title @param {...Node} children */
export const panel = (title, ...children) => element("section", { className: "panel", "aria-label": title }, element("h2", {}, title), ...children);

/**
 * Put bytes on the disk of whoever looks on.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
