"""Pictures of every view of the page, wide and as a phone, light and dark: python -m tests.browser.screenshots FOLDER.

It looks at a service that runs already, such as one of `tunerd demo`, and changes nothing there.
"""

import argparse
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, OPTIONS

LOOKS: list[tuple[Literal["light", "dark"], int]] = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]
SETTLED_MILLISECONDS = 1500


def main() -> None:
    """Write one PNG for each view and look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="address of a service without keys")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        tab = browser.new_page()
        fits = tab.request.get(f"{given.server}/fits?status=succeeded&limit=2").json()["data"]
        ids = [fit["id"] for fit in fits]
        views = {"fits": "", "new": "new", "usage": "usage"}
        views |= {"fit": f"fits/{ids[0]}"} if ids else {}
        views |= {"compare": f"compare/{','.join(ids)}"} if len(ids) == 2 else {}
        for name, address in views.items():
            for scheme, width in LOOKS:
                tab.set_viewport_size({"width": width, "height": 900})
                tab.emulate_media(color_scheme=scheme)
                tab.goto("about:blank")
                tab.goto(f"{given.server}/page#/{address}")
                tab.wait_for_timeout(SETTLED_MILLISECONDS)
                tab.screenshot(path=given.folder / f"{name}-{width}-{scheme}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
