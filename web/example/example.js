/** A page with both ways to show a picture; the core lies where the library has it. */
import { define } from "../element.js";
import { upgradeImages } from "../images.js";
import { configure } from "../tnr.js";

configure({ core: new URL("../../tuner/core/core.wasm", import.meta.url) });
define();
upgradeImages();
