/** Types of element.js. */
import type { TnrFile } from "./tnr.js";

export declare class TnrImage extends HTMLElement {
  src: string;
  alt: string;
  /** Part of the picture that is shown first: from:to of rows, a comma, from:to of columns. */
  region: string;
  /** A file that has been opened already, instead of an address. */
  given: TnrFile | null;
  readonly complete: boolean;
}
export declare function define(name?: string): void;

declare global {
  interface HTMLElementTagNameMap {
    "tnr-image": TnrImage;
  }
}
