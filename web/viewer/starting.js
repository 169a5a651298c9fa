/** First script of a page that holds everything itself: its worker starts while the browser reads the rest of the page. */
const startOfPage = () => {
  const text = document.getElementById("tnr-worker")?.textContent ?? "";
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const running = new Worker(address);
  const started = { address, running: /** @type {Worker | null} */ (running) };
  // Another one says why, when it is asked for.
  running.addEventListener("error", () => (started.running = null));
  return started;
};
Object.assign(globalThis, { tnrWorker: startOfPage() });
