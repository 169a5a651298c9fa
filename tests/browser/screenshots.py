"""Pictures of every view, wide and as a phone, light and dark: python -m tests.browser.screenshots FOLDER [FILE ...].

Of files, the pages that `tuner view` writes, with all of their maps. With --server, of the page of a service that runs
already, such as one of `tunerd demo`; nothing is changed there.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, OPTIONS
from tuner.view.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOOKS: list[tuple[Literal["light", "dark"], int]] = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]
PLACES = {"fits": "", "new": "new", "fleet": "fleet", "usage": "usage"}
HEIGHT = 700
SETTLED_MILLISECONDS = 1500
# A picture, or whatever else the viewer shows; of what has no result, why, or that it has none yet.
SHOWN = "tnr-image, .viewer[data-shown], main :is(.badge.failed, .badge.cancelled, .badge.running)"
# No picture is still a coarse one, and what is encoded has been.
DRAWN = """() => Array.from(document.querySelectorAll("tnr-image"), ({ complete, isDrawing }) => complete && !isDrawing)
  .every(Boolean) && !document.body.innerText.includes("Encoding")"""


def main() -> None:
    """Write one PNG for each view and look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("files", type=Path, nargs="*", help=".tnr files whose pages are shown")
    parser.add_argument("--server", help="address of a service without keys")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        tab = browser.new_page()
        for source in given.files:
            of_file(tab, source, given.folder)
        if given.server:
            fits = _of_fits(tab, given.server)
            of_service(tab, given.server, PLACES | fits, given.folder)
        browser.close()


def of_file(tab: "Page", source: Path, folder: Path, name: str | None = None) -> None:
    """One PNG in each look of the page that `tuner view` writes, with all of its maps; by default named like it."""
    with TemporaryDirectory() as pages:
        html = Path(pages) / "page.html"
        html.write_text(page(source.read_bytes(), source.name), encoding="utf-8")
        for scheme, width in LOOKS:
            tab.set_viewport_size({"width": width, "height": HEIGHT})
            tab.emulate_media(color_scheme=scheme)
            tab.goto(html.as_uri())
            tab.wait_for_selector("#viewer[data-shown]", state="attached")
            for button in tab.query_selector_all(".maps button"):
                button.click()
            tab.wait_for_selector("figcaption:has-text('Working')", state="detached")
            tab.wait_for_timeout(SETTLED_MILLISECONDS)
            tab.screenshot(path=folder / f"{name or source.stem}-{width}-{scheme}.png", full_page=True)


def of_service(tab: "Page", server: str, views: Mapping[str, str], folder: Path, key: str | None = None) -> None:
    """One PNG in each look of views of a service's page, whose addresses are given by name; with a key, signed in."""
    for name, address in views.items():
        for scheme, width in LOOKS:
            tab.set_viewport_size({"width": width, "height": HEIGHT})
            tab.emulate_media(color_scheme=scheme)
            tab.goto("about:blank")
            tab.goto(f"{server}/page#/{address}")
            if key is not None:
                tab.get_by_label("API key").fill(key)
                tab.keyboard.press("Enter")
                tab.locator("#leave").wait_for()
            tab.wait_for_timeout(SETTLED_MILLISECONDS)
            if address.startswith(("fits/", "compare/")):
                tab.wait_for_selector(SHOWN, state="attached")
            tab.wait_for_function(DRAWN)
            tab.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)


def _of_fits(tab: "Page", server: str) -> dict[str, str]:
    """Addresses of the newest fit of each kind of signal, and of two pictures side by side, by name."""
    by_kind: dict[str, list[str]] = {}
    for fit in tab.request.get(f"{server}/fits?status=succeeded&limit=100").json()["data"]:
        signal = tab.request.get(f"{server}/signals/{fit['signal_id']}").json()
        by_kind.setdefault(signal["facts"]["kind"], []).append(fit["id"])
    pictures = by_kind.pop("image", [])[:2]
    views = {"fit": f"fits/{pictures[0]}"} if pictures else {}
    views |= {"compare": f"compare/{','.join(pictures)}"} if len(pictures) == 2 else {}
    return views | {f"fit-{kind}": f"fits/{ids[0]}" for kind, ids in by_kind.items()}


if __name__ == "__main__":
    main()
