/** The element `<tnr-image src alt>`: a picture that loads when it is near, coarse first, and can be zoomed into without end. */
import { TnrError } from "./errors.js";
import { listen } from "./gestures.js";
import { canvasOf } from "./samples.js";
import { open } from "./tnr.js";
import { View } from "./view.js";

const STYLE = `
  :host { display: inline-block; position: relative; max-width: 100%; overflow: hidden; vertical-align: bottom;
          touch-action: pan-x pan-y; object-fit: contain; font: 0.875rem/1.4 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  :host(:focus-visible) { outline: 3px solid Highlight; outline-offset: 2px; }
  :host(:state(zoomed)) { touch-action: none; cursor: grab; }
  canvas { display: block; inline-size: 100%; block-size: 100%; object-fit: inherit; object-position: inherit; }
  p { margin: 0; padding: 0.5em; color: CanvasText; background: Canvas; border: 1px solid; }
  [hidden] { display: none; }
`;
/** Of a file that is there at once, a beginning of at most this share of it is shown first. */
const FIRST_SHARE = 0.16;
/** Device pixels for a sample in the frame that comes first while a picture is moved. */
const QUICK = 4;
/** Pixels that are sampled between two looks at whether the picture has been moved again. */
const BAND = 2 ** 15;
/** Of a picture in tiles, samples for a device pixel from which on coarse levels do. */
const FAR = 2;
/** Up to this share of the canvas is sampled at once as finely as the screen can, where a move has uncovered it. */
const UNCOVERED_SHARE = 0.25;

const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class TnrImage extends Base {
  static observedAttributes = ["src", "alt", "width", "height", "static", "region"];

  constructor() {
    super();
    this.root = this.attachShadow({ mode: "open" });
    this.sheet = new CSSStyleSheet();
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [style, this.sheet];
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = 1;
    this.message = document.createElement("p");
    this.message.hidden = true;
    this.root.append(this.canvas, this.message);
    this.internals = this.attachInternals();
    this.view = new View();
    /** @type {import("./tnr.js").TnrFile | null} */
    this.file = null;
    /** A file that has been opened already, instead of an address; it stays open. @type {import("./tnr.js").TnrFile | null} */
    this.given = null;
    this.turn = 0;
    this.frame = 0;
    this.isDrawing = false;
    this.stop = () => {};
    /** The last frame, where it lies, and pixels for a sample if it is a fine one. @type {{bitmap: OffscreenCanvas, region: any, scale: number} | null} */
    this.shown = null;
    /** Ends the wait for tiles that are seen no longer. */
    this.looking = new AbortController();
  }

  /** Address of the file. */
  get src() {
    return this.getAttribute("src") ?? "";
  }
  set src(address) {
    this.setAttribute("src", address);
  }

  /** What the picture shows, for whoever does not see it; an empty one says that it is decoration. */
  get alt() {
    return this.getAttribute("alt") ?? "";
  }
  set alt(text) {
    this.setAttribute("alt", text);
  }

  /** Part of the picture that is shown first, as `tuner decode` takes it: from:to of rows, a comma, from:to of columns. */
  get region() {
    return this.getAttribute("region") ?? "";
  }
  set region(part) {
    this.setAttribute("region", part);
  }

  /** Whether the file is in tiles, so that all of it is a view like any other. */
  get isInTiles() {
    return !!this.file?.info?.tiles;
  }

  /** Whether the picture is in tiles and so far away that coarse ones do. */
  get isFar() {
    return this.isInTiles && this.view.scale * FAR < 1;
  }

  /** Whether one picture of all of it is shown, which the page scales. */
  get isHome() {
    return this.view.isHome && !this.isInTiles;
  }

  /** Whether all of the file is shown. */
  get complete() {
    return !!this.file && this.file.info?.missing === 0 && this.isShown;
  }

  connectedCallback() {
    this.describe();
    this.resizing = new ResizeObserver(() => this.resized());
    this.resizing.observe(this);
    if (this.getAttribute("loading") === "eager") this.load();
    else {
      this.nearing = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.load(), { rootMargin: "256px" });
      this.nearing.observe(this);
    }
  }

  disconnectedCallback() {
    this.resizing?.disconnect();
    this.nearing?.disconnect();
    this.stop();
    this.stop = () => {};
    this.unload();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    this.describe();
    if (name === "src" && this.isConnected && (this.file || this.isLoading)) this.load(true);
  }

  /** The accessible name, and keys where there is something to zoom. */
  describe() {
    if (!this.isConnected) return;
    const isStatic = this.hasAttribute("static");
    // Attributes and not internals: not everything that reads pages aloud, or checks them, sees these yet.
    this.setAttribute("role", this.getAttribute("alt") === "" && isStatic ? "presentation" : "img");
    if (this.alt) this.setAttribute("aria-label", this.alt);
    else this.removeAttribute("aria-label");
    if (!isStatic && !this.hasAttribute("tabindex")) this.tabIndex = 0;
    const [width, height] = [this.getAttribute("width"), this.getAttribute("height")].map(Number);
    const size = width && height ? [width, height] : this.file?.info ? [this.columns, this.lines] : null;
    const ratio = size ? `aspect-ratio: ${size[0]} / ${size[1]};` : "";
    this.sheet.replaceSync(`:host { ${ratio} inline-size: ${width || (size ? (height ? (height * size[0]) / size[1] : size[0]) : 300)}px; }`);
  }

  /** @param {boolean} [again] */
  async load(again = false) {
    if ((this.file || this.isLoading) && !again) return;
    this.nearing?.disconnect();
    this.unload();
    const turn = ++this.turn;
    if (!this.src && !this.given) return;
    this.isLoading = true;
    try {
      const onLevel = (/** @type {import("./tnr.js").Info} */ info) => void (turn === this.turn && this.file && this.drawHome(info.missing));
      const file = this.given ?? (await open(new URL(this.src, document.baseURI), { onLevel, onPage: true }));
      if (turn !== this.turn) return void (file === this.given || file.close());
      this.file = file;
      await this.begin(file, turn);
      await file.whole;
      if (turn !== this.turn) return;
      if (!this.isInTiles) await this.drawHome(0);
      this.isShown = true;
      this.dispatchEvent(new Event("load"));
    } catch (error) {
      if (turn === this.turn) this.refuse(/** @type {Error} */ (error));
    } finally {
      if (turn === this.turn) this.isLoading = false;
    }
  }

  /**
   * The first frame.
   * @param {import("./tnr.js").TnrFile} file
   * @param {number} turn
   */
  async begin(file, turn) {
    const { shape, places, bytes, missing, kind } = file.info;
    if (kind !== "image" || shape.length !== 2) {
      throw new TnrError("unsupported", `the file is of kind ${kind} with ${shape.length} axes, expected an image: open it in the viewer`);
    }
    const early = places.filter((place) => place.missing > missing && place.end <= FIRST_SHARE * bytes).pop();
    this.view.show(shape[1], shape[0]);
    this.message.hidden = true;
    this.describe();
    // Before anything needs to know how large the picture is, for which the page would be laid out.
    if (!this.isInTiles) await this.drawHome(missing || !early ? missing : early.missing);
    if (turn !== this.turn) return;
    // The canvas has it, whatever the page lays out now.
    if (!this.isInTiles) this.dispatchEvent(new CustomEvent("coarse", { detail: { missing: missing || early?.missing || 0 } }));
    if (turn !== this.turn) return;
    // Whoever shows all of it need not know before the page is laid out by itself.
    if (this.isInTiles || this.region) this.resized();
    if (!this.hasAttribute("static")) this.stop = listen(this, this.view, () => this.changed());
    this.lookAtRegion();
    if (this.isInTiles || !this.isHome) this.changed();
    if (this.isInTiles) await this.sampling;
  }

  /** Begin with a part of the picture, if there is one to begin with. */
  lookAtRegion() {
    const ends = this.region.match(/^\s*(\d*):(\d*)\s*,\s*(\d*):(\d*)\s*$/)?.slice(1);
    if (!ends) return;
    const [top, bottom, left, right] = ends.map((end, at) => (end ? Number(end) : at % 2 ? [this.lines, this.columns][at >> 1] : 0));
    this.view.lookAt({ left, top, right, bottom });
  }

  unload() {
    this.turn++;
    this.looking.abort();
    this.isLoading = false;
    this.isShown = false;
    this.shown = null;
    if (this.file !== this.given) this.file?.close();
    this.file = null;
    this.stop();
    this.stop = () => {};
  }

  /** @param {Error} error */
  refuse(error) {
    this.message.textContent = this.alt ? `${this.alt} (${error.message})` : error.message;
    this.message.hidden = false;
    if (!this.alt) this.setAttribute("aria-label", error.message);
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }

  get columns() {
    return this.file?.info.shape[1] ?? 1;
  }

  get lines() {
    return this.file?.info.shape[0] ?? 1;
  }

  resized() {
    const ratio = globalThis.devicePixelRatio || 1;
    this.view.screenWidth = Math.max(1, Math.round(this.clientWidth * ratio));
    this.view.screenHeight = Math.max(1, Math.round(this.clientHeight * ratio));
    if (this.file?.info && !this.isHome && (this.isShown || !this.isInTiles)) this.changed();
  }

  /**
   * All of the picture, with as many pixels as there are details in it; the page scales it as it does any picture.
   * @param {number} missing
   */
  async drawHome(missing) {
    const { file, turn } = this;
    if (!file) return;
    const pixels = await file.pixels({ as: "rgba", missing, every: 2 ** Math.max(0, missing - 1) });
    if (turn !== this.turn) return;
    this.home = canvasOf(pixels);
    this.isShown = true;
    if (this.view.isHome) this.paintHome();
    else this.changed();
  }

  paintHome() {
    if (!this.home) return;
    this.paint(this.home.width, this.home.height, (context) => context.drawImage(/** @type {OffscreenCanvas} */ (this.home), 0, 0));
  }

  /**
   * @param {number} width
   * @param {number} height
   * @param {(context: CanvasRenderingContext2D) => void} draw
   */
  paint(width, height, draw) {
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, width, height);
    draw(context);
  }

  /** The view is another one: what there is moves at once, and is then sampled anew, coarsely and finely. */
  changed() {
    const { states } = this.internals;
    if (this.view.isHome) states?.delete("zoomed");
    else states?.add("zoomed");
    if (this.isHome) {
      this.shown = null;
      this.frame++;
      this.paintHome();
      this.dispatchEvent(new CustomEvent("view", { detail: { scale: this.view.scale, isFine: true } }));
      return;
    }
    this.frame++;
    this.paintMoved();
    this.looking.abort();
    this.looking = new AbortController();
    if (!this.isDrawing) this.sampling = this.sample();
  }

  paintMoved() {
    const { screenWidth, screenHeight } = this.view;
    this.paint(screenWidth, screenHeight, (context) => {
      if (this.home) context.drawImage(this.home, ...this.view.place({ left: 0, top: 0, right: this.columns, bottom: this.lines }));
      if (this.shown) context.drawImage(this.shown.bitmap, ...this.view.place(this.shown.region));
    });
  }

  /** Sample what the canvas shows until it has been shown as finely as the screen can. */
  async sample() {
    this.isDrawing = true;
    const { turn } = this;
    try {
      for (let coarseness = this.isFar ? 1 : QUICK; this.file && !this.isHome; ) {
        const { frame } = this;
        const moved = await this.uncovered();
        if (turn !== this.turn || this.isHome) return;
        if (moved) {
          this.shown = moved;
          this.paintMoved();
          this.dispatchEvent(new CustomEvent("view", { detail: { scale: this.view.scale, isFine: frame === this.frame } }));
          if (frame === this.frame) return;
          continue;
        }
        const shown = await this.sampled(coarseness, () => turn === this.turn && (coarseness > 1 || frame === this.frame));
        if (turn !== this.turn || this.isHome) return;
        if (shown) {
          this.shown = shown;
          this.paintMoved();
          const isFine = coarseness === 1 && frame === this.frame;
          this.dispatchEvent(new CustomEvent("view", { detail: { scale: this.view.scale, isFine } }));
          if (isFine) return;
        }
        coarseness = frame === this.frame || this.isFar ? 1 : QUICK;
      }
    } catch (error) {
      if (this.isInTiles && !this.isShown) throw error;
      if (turn === this.turn && !(error instanceof TnrError && error.code === "closed")) this.refuse(/** @type {Error} */ (error));
    } finally {
      this.isDrawing = false;
    }
  }

  /**
   * What the canvas shows, sampled, or nothing if that is no longer wanted.
   * @param {number} coarseness
   * @param {() => boolean} isWanted
   */
  async sampled(coarseness, isWanted) {
    const { region, shape } = this.view.part(coarseness);
    const [rows, columns] = shape;
    const height = region.bottom - region.top;
    if (this.isInTiles && height > FAR * rows) return this.seenFromAfar(region, shape, isWanted);
    const scale = coarseness === 1 ? this.view.scale : 0;
    // On its samples the core is quick, and cannot be asked for a band of whole samples only.
    const band = rows > height ? Math.max(8, Math.floor(BAND / columns)) : rows;
    const bitmap = new OffscreenCanvas(columns, rows);
    for (let first = 0; first < rows; first += band) {
      const some = Math.min(band, rows - first);
      const from = region.top + (height * first) / rows;
      const to = first + some === rows ? region.bottom : region.top + (height * (first + some)) / rows;
      const pixels = await this.asked([[from, to], [region.left, region.right]], [some, columns]);
      if (!pixels || !isWanted()) return null;
      bitmap.getContext("2d")?.drawImage(canvasOf(pixels), 0, first);
    }
    return { bitmap, region, scale };
  }

  /**
   * Pixels, or nothing if nobody waits for them any longer.
   * @param {[number, number][]} region
   * @param {number[]} shape
   * @param {boolean} [quick]
   */
  async asked(region, shape, quick) {
    const { signal } = this.looking;
    try {
      return await this.file?.pixels({ region, shape, as: "rgba", quick, signal });
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  /**
   * A picture in tiles from afar, which is shown row by row of tiles as they come; what there was stays until then.
   * @param {{left: number, top: number, right: number, bottom: number}} region
   * @param {number[]} shape
   * @param {() => boolean} isWanted
   */
  async seenFromAfar(region, [rows, columns], isWanted) {
    const bitmap = new OffscreenCanvas(columns, rows);
    const context = bitmap.getContext("2d");
    if (this.isShown) context?.drawImage(this.canvas, ...this.view.place(region), 0, 0, columns, rows);
    const height = region.bottom - region.top;
    const stride = /** @type {import("./tnr.js").TilesOfFile} */ (this.file?.info.tiles).strides[0];
    const band = Math.max(1, Math.round((stride * rows) / height));
    for (let first = 0; first < rows; first += band) {
      const last = Math.min(rows, first + band);
      const from = region.top + (height * first) / rows;
      const to = last === rows ? region.bottom : region.top + (height * last) / rows;
      const pixels = await this.asked([[from, to], [region.left, region.right]], [last - first, columns], true);
      if (!pixels || !isWanted()) return null;
      context?.clearRect(0, first, columns, last - first);
      context?.drawImage(canvasOf(pixels), 0, first);
      this.shown = { bitmap, region, scale: 0 };
      this.paintMoved();
    }
    return { bitmap, region, scale: 0 };
  }

  /** After a move by whole pixels: the last fine frame in its new place, and only what it does not cover sampled. */
  async uncovered() {
    const { shown, view } = this;
    const scale = view.scale;
    if (!shown || shown.scale !== scale || scale <= 1) return null;
    const { region, shape } = view.part(1);
    const [rows, columns] = shape;
    const exact = [(shown.region.left - region.left) * scale, (shown.region.top - region.top) * scale];
    const [x, y] = exact.map(Math.round);
    if (rows !== shown.bitmap.height || columns !== shown.bitmap.width || Math.hypot(exact[0] - x, exact[1] - y) > 0.01) return null;
    const [left, right, top, bottom] = [Math.max(0, x), Math.min(columns, columns + x), Math.max(0, y), Math.min(rows, rows + y)];
    if (rows * columns - Math.max(0, right - left) * Math.max(0, bottom - top) > UNCOVERED_SHARE * rows * columns) return null;
    const bitmap = new OffscreenCanvas(columns, rows);
    const context = bitmap.getContext("2d");
    context?.drawImage(shown.bitmap, x, y);
    const strips = [[0, columns, 0, top], [0, columns, bottom, rows], [0, left, top, bottom], [right, columns, top, bottom]];
    for (const [fromX, toX, fromY, toY] of strips) {
      if (fromX >= toX || fromY >= toY) continue;
      const lowest = Math.min(this.lines, region.top + toY / scale);
      const rightmost = Math.min(this.columns, region.left + toX / scale);
      const part = /** @type {[number, number][]} */ ([[region.top + fromY / scale, lowest], [region.left + fromX / scale, rightmost]]);
      const pixels = await this.asked(part, [toY - fromY, toX - fromX]);
      if (!pixels) return null;
      context?.drawImage(canvasOf(pixels), fromX, fromY);
    }
    return { bitmap, region, scale };
  }
}

/**
 * Make `<tnr-image>` known to the page.
 * @param {string} [name]
 */
export function define(name = "tnr-image") {
  if (!customElements.get(name)) customElements.define(name, TnrImage);
}
