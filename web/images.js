/** `<img src="x.tnr">` on pages as they are: each picture is decoded when it is near, and shown in its own `<img>`. */
import { canvasOf } from "./samples.js";
import { open } from "./tnr.js";

/** Pixels along the longer side that a picture in tiles becomes at most. */
const MOST_OF_TILES = 2048;

/** @type {WeakSet<HTMLImageElement>} */
const seen = new WeakSet();

/**
 * Show all .tnr pictures of a page or a part of it, those that are added later, too.
 * @param {ParentNode & Node} [root]
 * @returns {() => void} ends it
 */
export function upgradeImages(root = document) {
  const nearing = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        nearing.unobserve(target);
        show(/** @type {HTMLImageElement} */ (target));
      }
    },
    { rootMargin: "256px" },
  );
  const look = (/** @type {ParentNode} */ part) => {
    for (const image of part.querySelectorAll("img")) {
      if (seen.has(image) || !/\.tnr([?#]|$)/.test(image.getAttribute("src") ?? "")) continue;
      seen.add(image);
      nearing.observe(image);
    }
  };
  look(root);
  const watching = new MutationObserver(() => look(root));
  watching.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
  return () => {
    watching.disconnect();
    nearing.disconnect();
  };
}

/** @param {HTMLImageElement} image */
async function show(image) {
  let file = null;
  try {
    // The browser asks for every `src` it meets: its cache has the bytes, unless the server forbids that.
    file = await open(new URL(image.src), { cache: "force-cache" });
    await draw(image, file);
    await file.whole;
    if (file.info.missing === 0) await draw(image, file);
  } catch (error) {
    image.dispatchEvent(new CustomEvent("tnr-error", { detail: error, bubbles: true }));
  } finally {
    file?.close();
    seen.delete(image);
  }
}

/**
 * @param {HTMLImageElement} image
 * @param {import("./tnr.js").TnrFile} file
 */
async function draw(image, file) {
  const { shape, tiles } = file.info;
  const fewer = Math.min(1, MOST_OF_TILES / Math.max(...shape));
  const part = tiles && fewer < 1 ? { shape: shape.map((count) => Math.max(1, Math.round(count * fewer))), quick: true } : {};
  const canvas = canvasOf(await file.pixels({ as: "rgba", ...part }));
  const address = URL.createObjectURL(await canvas.convertToBlob());
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  image.src = address;
}
