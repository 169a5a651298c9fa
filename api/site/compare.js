/** Results side by side, and other formats of the same bytes: pictures in one view, curves on one pair of axes, numbers. */
import { ask, signalOf } from "./api.js";
import { Curve } from "./curve.js";
import { Story } from "./fit.js";
import { alertOf, bytes, decibels, duration, element } from "./parts.js";
import { SharedView, rivalsOf } from "./rivals.js";
import { shownResult } from "./shown.js";
import { nameOf } from "./status.js";

/**
 * @param {import("./main.js").Session} session
 * @param {string[]} ids one or two
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
      const shared = new SharedView();
      closing = [...pictures.map(({ close }) => close), () => shared.stop()];
      if (isStopped) return closing.forEach((close) => close());
      const shapes = pictures.map(({ file }) => file?.info.shape.join());
      // The other formats are those of the first, whatever the second is; that goes along if it is of the same size.
      pictures.forEach(({ picture }, index) => {
        if (picture && shapes[index] === shapes[0]) shared.add(picture);
      });
      const others = element("section", { className: "panel", "aria-label": "Other formats", hidden: !shapes[0] }, element("h2", {}, sides.length > 1 ? "A in other formats" : "In other formats"));
      /** @type {[string, (side: any) => string][]} */
      const lines = [
        ["Size", ({ metrics }) => bytes(metrics.bytes)],
        ["Quality", ({ metrics }) => decibels(metrics.picture_psnr_db)],
        ["Bits per sample", ({ metrics }) => metrics.bits_per_sample?.toPrecision(3) ?? ""],
        ["Weights", ({ metrics }) => metrics.weights?.toLocaleString() ?? ""],
        ["Training", ({ metrics }) => duration(metrics.fit_seconds)],
        ["Network", ({ fit }) => fit.resolved?.network_kind ?? ""],
        ["Effort", ({ fit }) => fit.spec?.preset ?? ""],
      ];
      body.replaceChildren(
        element("div", { className: "columns even" }, ...sides.map(({ id, name }, index) => element("section", { className: "panel", "aria-label": `Fit ${"AB"[index]}` }, element("h2", {}, `${"AB"[index]}: `, element("a", { href: `#/fits/${id}` }, name)), pictures[index].root))),
        others,
        element(
          "table",
          {},
          element("caption", {}, "Numbers"),
          element("thead", {}, element("tr", {}, element("td"), ...sides.map((_, index) => element("th", { scope: "col" }, "AB"[index])))),
          element("tbody", {}, ...lines.map(([title, text]) => element("tr", {}, element("th", { scope: "row" }, title), ...sides.map((side) => element("td", {}, text(side)))))),
        ),
        curve.root,
      );
      const [{ file, picture }] = pictures;
      if (!file || !picture) return;
      if (!picture.complete) await new Promise((done) => ["load", "error"].forEach((name) => picture.addEventListener(name, done)));
      const waiting = element("p", { role: "status" }, "Encoding …");
      others.append(waiting);
      waiting.replaceWith(await rivalsOf(sides[0].fit.signal_id, file, shared).catch(alertOf));
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
