"""`<tnr-image>` and `<img>` on a page of a server: coarse first, no more bytes than wanted, errors in words."""

from typing import TYPE_CHECKING

import numpy as np

from tests.browser.serving import ROOT, Site
from tests.browser.test_conformance import GOLDEN
from tests.browser.test_page import COLOUR, expected, pixels

if TYPE_CHECKING:
    from playwright.sync_api import Page

PLACES = GOLDEN / "v1-core" / "places.tnr"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>
<body>{body}<script type="module">
import {{ define }} from "/web/element.js";
import {{ upgradeImages }} from "/web/images.js";
import {{ configure, open }} from "/web/tnr.js";
configure({{ core: "/tuner/core/core.wasm" }});
window.seen = [];
for (const name of ["coarse", "load", "error"]) document.addEventListener(name, (event) => {{
  if (event.target.localName === "tnr-image") seen.push([name, event.detail?.missing ?? event.detail?.code ?? null]);
}}, true);
define();
upgradeImages();
window.open_ = open;
</script></body></html>"""


def visited(tab: "Page", site: Site, body: str) -> None:
    site.put("/page.html", PAGE.format(body=body).encode())
    tab.goto(f"{site.address}/page.html")


def test_the_coarse_picture_is_there_before_the_rest_of_the_file(tab: "Page", site: Site) -> None:
    served = site.put("/places.tnr", PLACES.read_bytes(), pause_at=5000)
    visited(tab, site, '<figure><tnr-image src="/places.tnr" alt="Noise" width="96"></tnr-image></figure>')
    tab.wait_for_function("seen.length === 1")
    assert tab.evaluate("seen") == [["coarse", 1]]
    assert not tab.evaluate("document.querySelector('tnr-image').complete")
    served.goes_on.set()
    tab.wait_for_function("seen.length === 2")
    assert tab.evaluate("seen")[1][0] == "load"
    assert np.abs(pixels(tab)[..., 0] - expected(PLACES)[..., 0]).max() <= 1
    assert tab.evaluate("document.querySelector('tnr-image').clientWidth") == 96
    assert tab.get_by_role("img", name="Noise").count() == 1


JOINED = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>
<body><tnr-image src="/places.tnr" loading="eager" alt="Noise" width="96"></tnr-image><script type="module">
import { configure, define } from "/joined.js";
configure({ core: "/tuner/core/core.wasm", worker: "/worker.js" });
window.seen = [];
for (const name of ["coarse", "load", "error"]) document.addEventListener(name, (event) => {
  if (event.target.localName === "tnr-image") seen.push([name, event.detail?.missing ?? event.detail?.code ?? null]);
}, true);
define();
</script></body></html>"""


def test_a_small_first_picture_does_not_wait_for_the_worker(tab: "Page", site: Site) -> None:
    joined = (ROOT / "web/joined.js").read_bytes()
    site.put("/joined.js", joined)
    worker = site.put("/worker.js", joined, pause_at=100)
    site.put("/places.tnr", PLACES.read_bytes())
    site.put("/page.html", JOINED.encode())
    tab.goto(f"{site.address}/page.html")
    tab.wait_for_function("seen.length === 2")
    assert tab.evaluate("seen.map(([name]) => name)") == ["coarse", "load"]
    assert worker.sent <= 100  # it has not come meanwhile
    assert np.abs(pixels(tab)[..., 0] - expected(PLACES)[..., 0]).max() <= 1
    worker.goes_on.set()
    tab.evaluate("document.querySelector('tnr-image').view.zoomBy(4)")
    tab.evaluate("document.querySelector('tnr-image').changed()")
    tab.wait_for_function("document.querySelector('tnr-image').shown?.scale > 0")


def test_of_a_larger_first_picture_the_coarse_one_does_not_wait_for_the_worker(tab: "Page", site: Site) -> None:
    joined = (ROOT / "web/joined.js").read_bytes()
    few = joined.replace(b"MOST_SAMPLES = 2 ** 19", b"MOST_SAMPLES = 2 ** 10")
    assert few != joined
    site.put("/joined.js", few)
    worker = site.put("/worker.js", joined, pause_at=100)
    site.put("/places.tnr", PLACES.read_bytes())
    site.put("/page.html", JOINED.encode())
    tab.goto(f"{site.address}/page.html")
    tab.wait_for_function("seen.length === 1")
    assert tab.evaluate("seen") == [["coarse", 2]]
    assert worker.sent <= 100  # it has not come meanwhile
    assert pixels(tab).shape == (24, 24, 4)
    worker.goes_on.set()
    tab.wait_for_function("seen.length === 2")
    assert tab.evaluate("seen")[1][0] == "load"
    assert np.abs(pixels(tab)[..., 0] - expected(PLACES)[..., 0]).max() <= 1


def test_a_zoom_takes_what_the_page_has_decoded(tab: "Page", site: Site) -> None:
    joined = (ROOT / "web/joined.js").read_bytes()
    worker = joined.replace(b"expectFine(core_decode());", b"expectFine(5);")
    assert worker != joined
    site.put("/joined.js", joined)
    site.put("/worker.js", worker)
    site.put("/places.tnr", PLACES.read_bytes())
    site.put("/page.html", JOINED.encode())
    tab.goto(f"{site.address}/page.html")
    tab.wait_for_function("seen.length === 2")
    tab.evaluate("document.querySelector('tnr-image').view.zoomBy(4)")
    tab.evaluate("document.querySelector('tnr-image').changed()")
    tab.wait_for_function("document.querySelector('tnr-image').shown?.scale > 0 || seen.length > 2")
    assert tab.evaluate("seen.map(([name]) => name)") == ["coarse", "load"]  # a worker that decodes would say why not


def test_a_file_that_is_on_its_way_is_asked_for_once(tab: "Page", site: Site) -> None:
    link = '<link rel="preload" as="fetch" crossorigin href="/places.tnr">'
    site.put("/joined.js", (ROOT / "web/joined.js").read_bytes())
    site.put("/worker.js", (ROOT / "web/joined.js").read_bytes())
    served = site.put("/places.tnr", PLACES.read_bytes())
    site.put("/page.html", JOINED.replace("<body>", f"{link}<body>").encode())
    tab.goto(f"{site.address}/page.html")
    tab.wait_for_function("seen.length === 2")
    assert tab.evaluate("seen.map(([name]) => name)") == ["coarse", "load"]
    assert served.ranges == [None]


def test_a_coarse_picture_takes_no_more_bytes_than_it_needs(tab: "Page", site: Site) -> None:
    served = site.put("/places.tnr", PLACES.read_bytes())
    visited(tab, site, "")
    tab.wait_for_function("!!window.open_")
    info = tab.evaluate("open_('/places.tnr', { missing: 2 }).then((file) => file.info)")
    assert info["missing"] in {1, 2}
    assert served.ranges == ["bytes=0-4095"]
    assert served.sent == 4096 < len(served.data)


def test_what_is_far_below_is_not_asked_for_until_it_comes_near(tab: "Page", site: Site) -> None:
    served = site.put("/colour.tnr", COLOUR.read_bytes())
    visited(tab, site, '<div style="height: 4000px"></div><tnr-image src="/colour.tnr" alt="Stripes"></tnr-image>')
    tab.wait_for_timeout(300)
    assert served.sent == 0
    tab.evaluate("scrollTo(0, 4000)")
    tab.wait_for_function("seen.some(([name]) => name === 'load')")
    assert served.sent == len(served.data)


def test_what_cannot_be_shown_is_said_in_words(tab: "Page", site: Site) -> None:
    site.put("/cut.tnr", COLOUR.read_bytes()[:-9])
    visited(tab, site, '<tnr-image src="/cut.tnr" alt="Stripes"></tnr-image>')
    tab.wait_for_function("seen.length === 1")
    assert tab.evaluate("seen") == [["error", "corrupt_file"]]
    assert "truncated" in tab.evaluate("document.querySelector('tnr-image').message.textContent")
    assert tab.get_by_role("img", name="Stripes").count() == 1


def test_a_plain_img_shows_the_file_and_asks_for_it_once_itself(tab: "Page", site: Site) -> None:
    served = site.put("/colour.tnr", COLOUR.read_bytes())
    visited(tab, site, '<img src="/colour.tnr" alt="Stripes">')
    shown = "(({ src, naturalWidth }) => src.startsWith('blob:') && naturalWidth)(document.querySelector('img'))"
    tab.wait_for_function(shown)
    drawn = """(() => { const image = document.querySelector("img"); const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      canvas.getContext("2d").drawImage(image, 0, 0); return canvas; })()"""
    assert np.abs(pixels(tab, drawn)[..., :3] - expected(COLOUR)).max() <= 1
    # The browser may have asked by itself, before the module ran, and not have its answer yet.
    assert served.ranges in ([None], [None, None])
    assert tab.get_by_role("img", name="Stripes").count() == 1
