"""Debian's chromium under playwright, and a server of this machine that is told how fast to be."""

import importlib.util
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.serving import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
HAS_PLAYWRIGHT = importlib.util.find_spec("playwright") is not None
MISSING = " and ".join(
    name
    for name, is_there in (
        ("chromium (apt install chromium)", CHROMIUM is not None),
        ("playwright (the extra `browser`)", HAS_PLAYWRIGHT),
    )
    if not is_there
)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    if MISSING:
        pytest.skip(f"not run: without {MISSING}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: "Browser") -> "Iterator[Page]":
    """A new tab; at the end it must have logged no error, and asked nobody but this machine."""
    page = browser.new_page(viewport={"width": 900, "height": 700})
    errors: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:", "http://127.0.0.1:"))] == []


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site
