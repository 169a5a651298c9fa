/** The viewer: shows any file by what it is, a picture, a line, slices of a solid or frames, all from the file alone. */
import { define } from "../element.js";
import { open } from "../tnr.js";
import { showFrames } from "./frames.js";
import { showLine } from "./line.js";
import { mapsOf } from "./maps.js";
import { showPicture } from "./picture.js";
import { showSlices } from "./slices.js";
import { showSurface } from "./surface.js";
import { TEXT_OF_KIND, element, inGroups } from "./parts.js";

export { TEXT_OF_KIND };

/**
 * @param {HTMLElement} root what is in it is replaced
 * @param {Uint8Array} bytes of a file
 * @param {string} name of the file, as it is shown
 * @returns {Promise<() => void>} closes the file
 */
export async function showFile(root, bytes, name) {
  define();
  root.replaceChildren(element("p", { role: "status" }, `Reading ${name} …`));
  let close = () => {};
  try {
    const file = await open(bytes, { onPage: true });
    close = () => file.close();
    const { info } = file;
    const facts = element("dl", { className: "facts" });
    for (const [term, text] of factsOf(info)) facts.append(element("div", {}, element("dt", {}, term), element("dd", {}, text)));
    const stage = element("div", { className: "stage" });
    const { buttons, figures } = mapsOf(file, name);
    const maps = element("section", { className: "maps", "aria-label": "Maps" }, element("div", { className: "tools", role: "group", "aria-label": "Show" }, ...buttons), ...figures);
    root.replaceChildren(stage, maps, facts);
    if (info.network === "sines") await file.pixels({ region: info.shape.map(() => [0, 1]) });
    if (info.shape.length === 1) await showLine(stage, file, name);
    else if (info.kind === "video" && info.shape.length === 3) await showFrames(stage, file, name);
    else if (info.shape.length === 2) await showPicture(stage, file, name);
    else {
      await showSlices(stage, file, name);
      if (info.kind === "sdf" && info.shape.length === 3) await showSurface(stage, file, name);
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const stage = root.querySelector(".stage") ?? root;
    root.querySelector(".maps")?.remove();
    stage.replaceChildren(element("p", { role: "alert" }, `${name} cannot be shown: ${message}`));
  }
  root.dataset.shown = name;
  root.dispatchEvent(new CustomEvent("shown"));
  return close;
}

/**
 * @param {import("../tnr.js").Info} info
 * @returns {[string, string][]}
 */
function factsOf({ kind, shape, channels, sampleFormat, network, bytes, tiles }) {
  const samples = shape.reduce((all, count) => all * count, 1);
  return [
    ["Kind", TEXT_OF_KIND[kind]],
    ["Samples", shape.join(" × ")],
    ["Channels", String(channels)],
    ["Samples were", sampleFormat],
    ["Network", tiles ? `${network} in ${tiles.counts.join(" × ")} tiles` : network],
    ["Size", `${inGroups(bytes)} bytes`],
    ["Rate", `${((8 * bytes) / samples).toPrecision(3)} bits per sample`],
  ];
}
