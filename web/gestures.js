/** Wheel, drag, pinch, double click and keys become steps of a view. */

const KEY_STEP = 64;

/**
 * @param {HTMLElement} element
 * @param {import("./view.js").View} view
 * @param {() => void} changed
 * @returns {() => void} undoes it
 */
export function listen(element, view, changed) {
  const ending = new AbortController();
  const options = { signal: ending.signal };
  const ratio = () => view.screenWidth / Math.max(1, element.clientWidth);
  /** @type {(event: {clientX: number, clientY: number}) => [number, number]} */
  const place = ({ clientX, clientY }) => {
    const { left, top } = element.getBoundingClientRect();
    return [(clientX - left - element.clientLeft) * ratio(), (clientY - top - element.clientTop) * ratio()];
  };
  // A page scrolls as long as a picture is as it was: a wheel zooms with Ctrl, which a pinch on a touchpad is, or once zoomed in.
  element.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && view.isHome) return;
      event.preventDefault();
      view.zoomBy(2 ** (-event.deltaY * (event.deltaMode ? 16 : 1) * (event.ctrlKey ? 0.01 : 0.002)), ...place(event));
      changed();
    },
    { ...options, passive: false },
  );
  element.addEventListener(
    "dblclick",
    (event) => {
      event.preventDefault();
      view.zoomBy(event.shiftKey ? 1 / 4 : 4, ...place(event));
      changed();
    },
    options,
  );
  /** @type {Map<number, [number, number]>} */
  const pointers = new Map();
  element.addEventListener(
    "pointerdown",
    (event) => {
      pointers.set(event.pointerId, place(event));
      if (!view.isHome || pointers.size > 1) element.setPointerCapture(event.pointerId);
    },
    options,
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const after = place(event);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, after);
      if (other) {
        const distance = (/** @type {[number, number]} */ [x, y]) => Math.hypot(x - other[0], y - other[1]);
        view.moveBy((after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
        view.zoomBy(distance(after) / Math.max(1, distance(before)), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
      } else view.moveBy(after[0] - before[0], after[1] - before[1]);
      changed();
    },
    options,
  );
  for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
    element.addEventListener(name, (event) => pointers.delete(event.pointerId), options);
  }
  /** @type {Record<string, () => void>} */
  const keys = {
    "+": () => view.zoomBy(2),
    "=": () => view.zoomBy(2),
    "-": () => view.zoomBy(1 / 2),
    0: () => view.reset(),
    Home: () => view.reset(),
    ArrowLeft: () => view.moveBy(KEY_STEP * ratio(), 0),
    ArrowRight: () => view.moveBy(-KEY_STEP * ratio(), 0),
    ArrowUp: () => view.moveBy(0, KEY_STEP * ratio()),
    ArrowDown: () => view.moveBy(0, -KEY_STEP * ratio()),
  };
  element.addEventListener(
    "keydown",
    (event) => {
      const isMove = event.key.startsWith("Arrow");
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey || (isMove && view.isHome)) return;
      event.preventDefault();
      keys[event.key]();
      changed();
    },
    options,
  );
  return () => ending.abort();
}
