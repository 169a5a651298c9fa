/** Beginning of a page that holds decoder, core and file itself: takes them out of its own markup, and asks nobody. */
import { configure } from "../tnr.js";
import { showFile } from "./viewer.js";

const heldText = (/** @type {string} */ id) => document.getElementById(id)?.textContent ?? "";
const heldBytes = (/** @type {string} */ id) => {
  const text = heldText(id).trim();
  const Bytes = /** @type {any} */ (Uint8Array);
  return Bytes.fromBase64 ? Bytes.fromBase64(text) : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
};

const heldWorker = () => new Worker(URL.createObjectURL(new Blob([heldText("tnr-worker")], { type: "text/javascript" })));
configure({ core: heldBytes("tnr-core"), worker: heldWorker });
const stageOfPage = document.getElementById("viewer");
if (stageOfPage) showFile(stageOfPage, heldBytes("tnr-file"), document.title);
