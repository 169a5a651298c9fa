"""Pictures of every view, wide and as a phone, light and dark: python -m tests.browser.screenshots FOLDER [FILE ...].

Of files, the pages that `tuner view` writes, with all of their maps. With --server, of the page of a service that runs
already, such as one of `tunerd demo`; nothing is changed there.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, OPTIONS
from tuner.view.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOOKS: list[tuple[Literal["light", "dark"], int]] = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]
SETTLED_MILLISECONDS = 1500


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
            _of_file(tab, source, given.folder)
        if given.server:
            _of_service(tab, given.server, given.folder)
        browser.close()


def _of_file(tab: "Page", source: Path, folder: Path) -> None:
    with TemporaryDirectory() as pages:
        html = Path(pages) / "page.html"
        html.write_text(page(source.read_bytes(), source.name), encoding="utf-8")
        for scheme, width in LOOKS:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme)
            tab.goto(html.as_uri())
            tab.wait_for_selector("#viewer[data-shown]", state="attached")
            for button in tab.query_selector_all(".maps button"):
                button.click()
            tab.wait_for_selector("figcaption:has-text('Working')", state="detached")
            tab.wait_for_timeout(SETTLED_MILLISECONDS)
            tab.screenshot(path=folder / f"{source.stem}-{width}-{scheme}.png", full_page=True)


def _of_service(tab: "Page", server: str, folder: Path) -> None:
    fits = tab.request.get(f"{server}/fits?status=succeeded&limit=2").json()["data"]
    ids = [fit["id"] for fit in fits]
    views = {"fits": "", "new": "new", "usage": "usage"}
    views |= {"fit": f"fits/{ids[0]}"} if ids else {}
    views |= {"compare": f"compare/{','.join(ids)}"} if len(ids) == 2 else {}
    for name, address in views.items():
        for scheme, width in LOOKS:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme)
            tab.goto("about:blank")
            tab.goto(f"{server}/page#/{address}")
            tab.wait_for_timeout(SETTLED_MILLISECONDS)
            tab.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)


if __name__ == "__main__":
    main()
