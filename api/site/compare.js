/** Two results side by side: pictures, curves on one pair of axes, and numbers beside each other. */
import { ask, signalOf } from "./api.js";
import { Curve } from "./curve.js";
import { Story } from "./fit.js";
import { alertOf, bytes, decibels, duration, element } from "./parts.js";
import { shownResult } from "./shown.js";
import { nameOf } from "./status.js";

/**
 * @param {import("./main.js").Session} session
 * @param {string[]} ids
 * @returns {import("./main.js").View}
 */
export function compareView(session, ids) {
  const body = element("div", {}, element("p", { role: "status" }, "Loading …"));
  /** @type {(() => void)[]} */
  let closing = [];
  let isStopped = false;

  async function load() {
    try {
      const sides = await Promise.all(
        ids.slice(0, 2).map(async (id) => {
          const story = new Story(id);
          const [fit, metrics] = await Promise.all([ask(`/fits/${id}`), ask(`/fits/${id}/metrics`), story.read()]);
          const name = nameOf(await signalOf(fit.signal_id).catch(() => null), id);
          return { id, fit, metrics, name, story };
        }),
      );
      const curve = new Curve();
      curve.draw(sides.map(({ story }, index) => ({ name: `${"AB"[index]}: `, points: story.points() })), null);
      const pictures = await Promise.all(sides.map(({ id, name }, index) => shownResult(id, `${"AB"[index]}, ${name}`)));
      closing = pictures.map(({ close }) => close);
      if (isStopped) return closing.forEach((close) => close());
      /** @type {[string, (side: any) => string][]} */
      const lines = [
        ["Size", ({ metrics }) => bytes(metrics.bytes)],
        ["Quality", ({ metrics }) => decibels(metrics.picture_psnr_db)],
        ["Bits per sample", ({ metrics }) => metrics.bits_per_sample?.toPrecision(3) ?? ""],
        ["Weights", ({ metrics }) => metrics.weights?.toLocaleString() ?? ""],
        ["Training", ({ metrics }) => duration(metrics.fit_seconds)],
        ["Effort", ({ fit }) => fit.spec?.preset ?? ""],
      ];
      body.replaceChildren(
        element("div", { className: "columns even" }, ...sides.map(({ id, name }, index) => element("section", { className: "panel", "aria-label": `Fit ${"AB"[index]}` }, element("h2", {}, `${"AB"[index]}: `, element("a", { href: `#/fits/${id}` }, name)), pictures[index].root))),
        element(
          "table",
          {},
          element("caption", {}, "Numbers"),
          element("thead", {}, element("tr", {}, element("td"), ...sides.map((_, index) => element("th", { scope: "col" }, "AB"[index])))),
          element("tbody", {}, ...lines.map(([title, text]) => element("tr", {}, element("th", { scope: "row" }, title), ...sides.map((side) => element("td", {}, text(side)))))),
        ),
        curve.root,
      );
    } catch (error) {
      if (!isStopped) body.replaceChildren(alertOf(error));
    }
  }
  load();
  return {
    title: "Compare",
    root: element("section", {}, element("h1", {}, "Compare"), body),
    stop: () => {
      isStopped = true;
      closing.forEach((close) => close());
    },
  };
}
