"""What `tuner view` writes, in a browser, offline: the picture, zoom by keys, and what assistive technology is told."""

from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from tests.browser.test_conformance import GOLDEN
from tuner.cli import app
from tuner.codec.decode import load
from tuner.signal.samples import Storage

if TYPE_CHECKING:
    from playwright.sync_api import Page

COLOUR = GOLDEN / "v1-core" / "colour.tnr"
CANVAS = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return { width, height, data: btoa(text) };
}"""
SHOWN = """() => new Promise((resolve) => {
  const isThere = () => document.querySelector("#viewer[data-shown]");
  const done = () => isThere() && (clearInterval(timer), resolve());
  const timer = setInterval(done, 20);
})"""


def written(source: Path, folder: Path) -> Path:
    """The page of a file."""
    page = folder / f"{source.stem}.html"
    app(["view", str(source), "-o", str(page)], standalone_mode=False)
    return page


def shown(tab: "Page", source: Path, folder: Path) -> None:
    """Open the page of a file, and wait until all of the file is shown."""
    tab.goto(written(source, folder).as_uri())
    tab.evaluate(SHOWN)


def pixels(tab: "Page", canvas: str = "document.querySelector('tnr-image').canvas") -> npt.NDArray[np.int64]:
    """What a canvas shows, (height, width, 4)."""
    # As text: playwright looks at each element of a list, which takes half a minute of a large canvas.
    found: dict[str, Any] = tab.evaluate_handle(canvas).evaluate(CANVAS)
    data = np.frombuffer(b64decode(found["data"]), dtype=np.uint8)
    return data.reshape(found["height"], found["width"], 4).astype(np.int64)


def expected(source: Path, **part: Any) -> npt.NDArray[np.int64]:
    """The samples of a file, or of a part of it, as the library renders them."""
    representation = load(source)
    storage = Storage(representation.sample_format, representation.scaling)
    return storage.to_samples(representation.render(**part).values).astype(np.int64)


def test_the_page_draws_the_picture(tab: "Page", tmp_path: Path) -> None:
    shown(tab, COLOUR, tmp_path)
    found = pixels(tab)
    assert (found[..., 3] == 255).all()
    assert np.abs(found[..., :3] - expected(COLOUR)).max() <= 1
    assert tab.title() == "colour.tnr"
    assert tab.get_by_role("img", name="Picture in colour.tnr").count() == 1


def zoomed(tab: "Page", key: str, times: int = 1) -> float:
    """Press a key, wait for the finest frame, and say how many pixels a sample has then."""
    for _ in range(times):
        tab.keyboard.press(key)
    found: float = tab.evaluate("""() => new Promise((resolve) => {
      const picture = document.querySelector("tnr-image");
      const timer = setInterval(() => picture.isDrawing || (clearInterval(timer), resolve(picture.view.scale)), 20);
    })""")
    return found


def expected_view(tab: "Page", source: Path) -> npt.NDArray[np.int64]:
    """What the library says of the part of a picture that a page shows."""
    view = tab.evaluate("(({ view }) => ({ ...view, scale: view.scale }))(document.querySelector('tnr-image'))")
    x, y, width, height, scale = (view[name] for name in ("x", "y", "screenWidth", "screenHeight", "scale"))
    region = [
        (2 * (middle - screen / 2 / scale) / count - 1, 2 * (middle + screen / 2 / scale) / count - 1)
        for middle, screen, count in zip((y, x), (height, width), load(source).grid_shape, strict=True)
    ]
    return expected(source, shape=(height, width), region=region)


def test_a_move_samples_only_what_it_uncovers_and_the_rest_stays_right(tab: "Page", tmp_path: Path) -> None:
    tab.set_viewport_size({"width": 500, "height": 500})
    shown(tab, COLOUR, tmp_path)
    tab.keyboard.press("Tab")
    zoomed(tab, "+", times=5)
    tab.evaluate("""() => {
      const { file } = document.querySelector("tnr-image");
      const { pixels } = file;
      window.sampled = 0;
      file.pixels = (options) => ((window.sampled += options.shape[0] * options.shape[1]), pixels.call(file, options));
    }""")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        zoomed(tab, key)
        found = pixels(tab)[..., :3]
        assert np.abs(found - expected_view(tab, COLOUR)).max() <= 2
    height, width = found.shape[:2]
    assert tab.evaluate("window.sampled") == 64 * (2 * height + width)


def test_keys_zoom_to_a_picture_that_is_smooth_and_that_the_library_agrees_with(tab: "Page", tmp_path: Path) -> None:
    tab.set_viewport_size({"width": 300, "height": 300})
    shown(tab, COLOUR, tmp_path)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.localName") == "tnr-image"
    fitting = zoomed(tab, "+") / 2
    scale = zoomed(tab, "+", times=int(np.ceil(np.log2(64 / fitting))) - 1)
    assert scale >= 64
    found = pixels(tab)[..., :3]
    # Both are drawn at the middles of the same pixels; a copy to the canvas may be off by one.
    assert np.abs(found - expected_view(tab, COLOUR)).max() <= 2
    # At 64 pixels a sample, steps from one sample to the next would be edges.
    edges = max(np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1))
    steps = max(np.abs(np.diff(expected(COLOUR), axis=axis)).max() for axis in (0, 1))
    assert edges <= steps / 8

    before = tab.evaluate("document.querySelector('tnr-image').view.x")
    zoomed(tab, "ArrowRight")
    assert tab.evaluate("document.querySelector('tnr-image').view.x") > before
    zoomed(tab, "0")
    assert np.abs(pixels(tab)[..., :3] - expected(COLOUR)).max() <= 1


KINDS = ["v1-core/colour.tnr", "v1-core/line.tnr", "v1-core/volume.tnr", "v1/colour.tnr"]


@pytest.mark.parametrize("name", KINDS)
def test_the_page_is_no_wider_than_a_phone_with_all_of_its_maps(tab: "Page", tmp_path: Path, name: str) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    shown(tab, GOLDEN / name, tmp_path)
    for button in tab.query_selector_all(".maps button"):
        button.click()
    tab.wait_for_selector("figcaption:has-text('Working')", state="detached")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_no_serious_violation_in_light_and_dark(tab: "Page", tmp_path: Path, name: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="not run: the extra `browser` is missing")
    tab.set_viewport_size({"width": 390, "height": 800})
    shown(tab, GOLDEN / name, tmp_path)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        tab.emulate_media(color_scheme=scheme)
        serious = [
            (violation["id"], [node["html"] for node in violation["nodes"]])
            for violation in axe.Axe().run(tab).response["violations"]
            if violation["impact"] in {"serious", "critical"}
        ]
        assert serious == [], scheme


def test_a_solid_shows_three_slices_that_sliders_move(tab: "Page", tmp_path: Path) -> None:
    source = GOLDEN / "v1-core" / "volume.tnr"
    shown(tab, source, tmp_path)
    samples = expected(source)
    for axis in range(3):
        slider = tab.get_by_role("slider").nth(axis)
        slider.focus()
        slider.press("Home")
    tab.wait_for_timeout(300)
    for axis in range(3):
        found = pixels(tab, f"document.querySelectorAll('canvas.slice')[{axis}]")
        # Grey and opacity: a canvas keeps its colours times the opacity.
        assert np.abs(found[..., 3] - np.take(samples, 0, axis=axis)[..., 1]).max() <= 1
    assert tab.get_by_text("1 of 9").count() == 1


def test_a_line_of_windows_is_shown(tab: "Page", tmp_path: Path) -> None:
    shown(tab, GOLDEN / "v1-kinds" / "windows.tnr", tmp_path)
    assert tab.get_by_role("alert").count() == 0
    assert tab.locator("#viewer canvas").count() >= 1
    assert tab.get_by_text("sines", exact=True).count() == 1


def test_a_name_is_text_whatever_it_holds(tab: "Page", tmp_path: Path) -> None:
    source = tmp_path / "<img src=x onerror=alert(1)>.tnr"
    source.write_bytes(COLOUR.read_bytes())
    shown(tab, source, tmp_path)
    assert tab.title() == source.name
    assert tab.locator("main img").count() == 0
