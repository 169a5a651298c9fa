"""Times of pictures in Chromium without a GPU: python -m tests.browser.times FILE.tnr [--rounds 6].

Cold, from the end of parsing until a canvas has the picture, and until the screen has the first of anything; of a page
that fetches joined module, core and file (page.html), and of one that `tuner view` writes (held.html). Either way
nothing of the page is in any cache and its process is a new one: once the whole browser starts, too, as after a login,
once it has shown another page before and opens a window with a storage of its own, for which Chromium runs some hundred
scripts of its own interface at the same time, and once it opens a tab beside that page, as most visitors do. Rounds of
all six take turns, so that whatever else the machine does meets all of them. Moving: a view of 1280 x 720 that is
dragged, and one that is zoomed, by a step at every frame of the browser.
"""

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, OPTIONS
from tests.browser.serving import Site, compressed_bytes
from tuner.view.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright, ViewportSize

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>Times</title>
<link rel="preload" as="fetch" crossorigin href="/picture.tnr">
<link rel="preload" as="fetch" crossorigin href="/tuner/core/core.wasm"><link rel="modulepreload" href="/web/joined.js">
<body style="margin: 0"><tnr-image src="/picture.tnr" loading="eager" alt="A picture"
style="inline-size: 1280px; block-size: 720px"></tnr-image>
<script type="module">
import { configure, define } from "/web/joined.js";
configure({ core: "/tuner/core/core.wasm" });
define();
</script></body></html>"""
OTHER = b'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Another page</title><p>Words.'
SETTLED_MILLISECONDS = 500
SCREEN: "ViewportSize" = {"width": 1280, "height": 720}
EVENTS = {"coarse": "first frame", "load": "whole picture", "painted": "anything on the screen"}
STARTS = ("a browser that starts", "a new window of a browser that runs", "a new tab of a browser that runs")
# From the end of parsing on, which is when modules run.
LISTEN = """window.times = {};
window.parsed = () => performance.getEntriesByType("navigation")[0].domInteractive;
for (const name of ["coarse", "load", "error"]) document.addEventListener(name, (event) => {
  if (event.target.localName === "tnr-image") times[name] = performance.now() - parsed();
}, true);"""
PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (entry.name === "first-contentful-paint") done({ ...times, painted: entry.startTime - parsed() });
})).observe({ type: "paint", buffered: true }))"""
# A frame counts from its step to what the canvas shows next; `fine` from the last step until nothing is left to sample.
MOVING = """async ([steps, how]) => {
  const picture = document.querySelector("tnr-image");
  const settled = async () => { while (picture.isDrawing) await new Promise((done) => setTimeout(done, 1)); };
  picture.view.reset();
  picture.view.zoomBy(%s / picture.view.scale);
  picture.changed();
  await settled();
  const frames = [];
  let last = performance.now(), work = [], shown = [], exact = 0;
  picture.addEventListener("view", (event) => { shown.push(performance.now() - last); exact += event.detail.isFine; });
  for (let step = 0; step < steps; step++) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
    if (how === "pan") picture.view.moveBy(-17, -9);
    else picture.view.zoomBy(step < steps / 2 ? 1.03 : 1 / 1.03);
    picture.changed();
    work.push(performance.now() - now);
  }
  const stopped = performance.now();
  await settled();
  return { frames: frames.slice(1), work, shown, exact, fine: performance.now() - stopped };
}"""


def opened(browser: "Browser | BrowserContext", address: str) -> "Page":
    tab = browser.new_page()
    tab.set_viewport_size(SCREEN)
    tab.add_init_script(LISTEN)
    tab.goto(address)
    tab.evaluate("() => new Promise((done) => setInterval(() => (times.load || times.error) && done(), 5))")
    return tab


def cold(playwright: "Playwright", site: Site, name: str, start: str) -> dict[str, float]:
    """Milliseconds of one round in a process of its own."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
    window = browser.new_context() if "starts" not in start else None
    if window:
        other = window.new_page()
        other.goto(f"{site.address}/other.html".replace("127.0.0.1", "localhost"))  # another site: nothing is shared
        other.wait_for_timeout(SETTLED_MILLISECONDS)
    found: dict[str, float] = opened(
        window if window and "tab" in start else browser, f"{site.address}/{name}"
    ).evaluate(PAINTED)
    browser.close()
    return found


def moving(browser: "Browser", address: str, scale: float, how: str) -> dict[str, Any]:
    tab = opened(browser, f"{address}/page.html")
    found: dict[str, Any] = tab.evaluate(MOVING % scale, [60, how])
    tab.close()
    return found


def say(text: str) -> None:
    """A line with the load of the machine, without which a time says little."""
    sys.stdout.write(f"{text}; load {os.getloadavg()[0]:.1f}\n")


def main() -> None:
    """Print a line for each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    say(f"tnr.js, worker.js and the core, as gzip: {compressed_bytes()} bytes")
    with sync_playwright() as playwright, Site() as site:
        site.put("/page.html", PAGE.encode())
        site.put("/picture.tnr", given.file.read_bytes())
        site.put("/held.html", page(given.file.read_bytes(), given.file.name).encode())
        site.put("/other.html", OTHER)
        kinds = [(name, start) for name in ("page.html", "held.html") for start in STARTS]
        rounds = [{kind: cold(playwright, site, *kind) for kind in kinds} for _ in range(given.rounds)]
        for name, start in kinds:
            for event, text in EVENTS.items():
                times = sorted(one[name, start][event] for one in rounds)
                say(f"{name} in {start}, {text}: best {times[0]:.0f} ms, median {median(times):.0f} ms")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        for scale in (4, 16):
            for how in ("pan", "zoom"):
                found = moving(browser, site.address, scale, how)
                frames, work, shown = (sorted(found[name]) for name in ("frames", "work", "shown"))
                late = frames[int(len(frames) * 0.95)]
                sampled = f"{len(shown)} times sampled, {found['exact']} finely, {median(shown):.0f} ms after a step"
                say(f"{how} at {scale} pixels a sample: frame median {median(frames):.0f} ms, 95% {late:.0f} ms")
                say(f"  on the page {median(work):.1f} ms; {sampled}; fine {found['fine']:.0f} ms after the last one")
        browser.close()


if __name__ == "__main__":
    main()
