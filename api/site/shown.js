/** The result of a fit, decoded from its very file by this browser. */
import { request } from "./api.js";
import { define } from "/page/web/element.js";
import { open } from "/page/web/tnr.js";
import { alertOf, element } from "./parts.js";

define();

/**
 * @param {string} id of a fit that has succeeded
 * @param {string} name
 * @returns {Promise<{ root: HTMLElement, close: () => void }>}
 */
export async function shownResult(id, name) {
  try {
    // The element would ask without a key: bytes are fetched here, and it is given the open file.
    const file = await open(new Uint8Array(await (await request(`/fits/${id}/representation`)).arrayBuffer()));
    const { shape, network } = file.info;
    if (shape.length !== 2) {
      file.close();
      return { root: element("p", {}, `A ${file.info.kind} with ${shape.join(" × ")} samples, by a network of ${network}: the page of the file, below, shows it.`), close: () => {} };
    }
    const picture = /** @type {import("/page/web/element.js").TnrImage} */ (document.createElement("tnr-image"));
    picture.alt = `Result of ${name}`;
    picture.setAttribute("loading", "eager");
    picture.given = file;
    const trouble = element("div");
    picture.addEventListener("error", (/** @type {any} */ event) => trouble.replaceChildren(alertOf(event.error ?? new Error("this browser cannot draw the file: download it, and open it with `tuner view`"))));
    return { root: element("div", { className: "stage" }, picture, trouble, element("p", { className: "quiet" }, "Zoom with +, −, 0 or two fingers, move with arrows: each pixel is asked of the network.")), close: () => file.close() };
  } catch (error) {
    return { root: alertOf(error), close: () => {} };
  }
}
