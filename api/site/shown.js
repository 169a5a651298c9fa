/** The result of a fit, decoded from its very file by this browser: a picture at once, anything else by the viewer. */
import { request } from "./api.js";
import { define, open } from "/page/web/joined.js";
import { alertOf, element } from "./parts.js";

define();

/**
 * @typedef {object} Shown
 * @property {string} title
 * @property {HTMLElement} root
 * @property {() => void} close
 * @property {import("/page/web/element.js").TnrImage | null} picture
 * @property {import("/page/web/tnr.js").TnrFile | null} file of the picture
 */

/**
 * @param {string} id of a fit that has succeeded
 * @param {string} name
 * @returns {Promise<Shown>}
 */
export async function shownResult(id, name) {
  try {
    // The element would ask without a key: bytes are fetched here, and it is given the open file.
    const bytes = new Uint8Array(await (await request(`/fits/${id}/representation`)).arrayBuffer());
    const file = await open(bytes, { onPage: true });
    if (file.info.kind !== "image" || file.info.shape.length !== 2) {
      file.close();
      return await viewed(bytes, name, file.info.kind);
    }
    const picture = /** @type {import("/page/web/element.js").TnrImage} */ (document.createElement("tnr-image"));
    picture.alt = `Result of ${name}`;
    picture.setAttribute("loading", "eager");
    picture.given = file;
    const trouble = element("div");
    picture.addEventListener("error", (/** @type {any} */ event) => trouble.replaceChildren(alertOf(event.error ?? new Error("this browser cannot draw the file: download it, and open it with `tuner view`"))));
    const help = element("p", { className: "quiet" }, "Zoom with +, −, 0 or two fingers, move with arrows: each pixel is asked of the network.");
    return { title: "Picture", root: element("div", { className: "stage" }, picture, trouble, help), close: () => file.close(), picture, file };
  } catch (error) {
    return { title: "Result", root: alertOf(error), close: () => {}, picture: null, file: null };
  }
}

/**
 * A sound, a solid, a video or whatever else the viewer shows.
 * @param {Uint8Array} bytes
 * @param {string} name
 * @param {string} kind
 * @returns {Promise<Shown>}
 */
async function viewed(bytes, name, kind) {
  const { TEXT_OF_KIND, showFile } = await import("/page/web/viewer/viewer.js");
  const root = element("div", { className: "viewer" });
  const close = await showFile(root, bytes, name);
  const text = TEXT_OF_KIND[kind];
  return { title: text[0].toUpperCase() + text.slice(1), root, close, picture: null, file: null };
}
