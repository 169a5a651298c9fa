"""Files in tiles behind a server that counts: web/ reads the tiles that it needs, and finds what the library finds."""

import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.build import MODULE
from tests.browser.serving import ROOT, Site
from tests.browser.test_conformance import GOLDEN
from tests.browser.test_element import visited
from tests.browser.test_page import pixels, shown
from tests.tiles import ask_none, random_tiles, tiled
from tests.wavelets import random_wavelets
from tuner.codec.decode import decode, load
from tuner.codec.encode import encode
from tuner.codec.file.container import Chunk, ChunkType, read_container, write_container
from tuner.codec.file.header import checksum, pack_header
from tuner.codec.file.primitives import pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.codec.region import load_region
from tuner.codec.tiles.chunk import join_tiles, pack_tile
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.tiles.synthesis import values_on_samples
from tuner.shapes import FloatArray
from tuner.signal.samples import SampleFormat, Storage

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

PROGRAM = ROOT / "tests/browser/tiles.mjs"
# Of which the first request reads the smaller part.
SHAPE = (400, 330)
DATA = encode(replace(tiled(random_tiles(SHAPE, (60, 50), (12, 9), channels=3)), sample_format=SampleFormat.U8))
PICTURE = decode(DATA)
FIRST_STRETCH = 1 << 15
LARGE = 8192
# A few pixels of a canvas, whose reading takes a while.
MIDDLE = """(() => { const { canvas } = document.querySelector("tnr-image"); const few = new OffscreenCanvas(8, 8);
  few.getContext("2d").drawImage(canvas, 4 - canvas.width / 2, 4 - canvas.height / 2); return few; })()"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


@pytest.fixture(autouse=True)
def _unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_none(monkeypatch)


def asked(address: str, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    command = ["node", str(PROGRAM), str(MODULE), address, *map(json.dumps, questions)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


def limited(values: FloatArray) -> FloatArray:
    """Values within what samples of 8 bits hold, as pixels() gives them."""
    within: FloatArray = np.clip(values, 0, 1).astype(np.float32)
    return within


def large() -> bytes:
    """A file of 8192 x 8192 samples whose tiles are all the same, nearly all of its latents 0."""
    grid = TileGrid((LARGE, LARGE), (510, 510), (32, 32))
    network = random_wavelets(grid.tile_shape(0), scales=5, colours=2, channels=3, seed=3)
    random = np.random.default_rng(4)
    thinned = tuple((codes * (random.uniform(size=codes.shape) < 0.06)).astype("i4") for codes in network.latents)
    header, _ = read_container(DATA, DecodeLimits())
    header = replace(header, shape=grid.shape, period=network.period)
    payload = join_tiles(grid, [pack_tile(replace(network, latents=thinned))] * grid.tiles)
    return write_container(header, [Chunk(ChunkType.TILES, payload)])


@needs_node
def test_what_is_asked_by_ranges_is_what_the_library_finds(site: Site) -> None:
    served = site.put("/tiles.tnr", DATA)
    points = np.random.default_rng(5).uniform(-1.05, 1.05, (40, 2)).astype(np.float32)
    region = [(290, 360), (240, 300)]
    between = [(100.5, 120.25), (90.0, 101.0)]
    answers = asked(
        f"{site.address}/tiles.tnr",
        {"region": region},
        {"region": region, "shape": [7, 15]},
        {"region": between, "shape": [50, 33]},
        {"at": points.ravel().tolist()},
        {"every": 5},
        {},
    )
    found = [np.array(each["answer"], np.float32) for each in answers if isinstance(each["answer"], list)]
    whole = PICTURE.render().values
    part = whole[290:360, 240:300]
    assert isinstance(PICTURE.parameters, TiledParameters)
    unlimited = values_on_samples(PICTURE.parameters, region)
    np.testing.assert_array_equal(found[0], limited(part).ravel())
    np.testing.assert_allclose(found[1], limited(unlimited.reshape(7, 10, 15, 4, 3).mean((1, 3))).ravel(), atol=1e-5)
    ends = [(2 * start / n - 1, 2 * stop / n - 1) for (start, stop), n in zip(between, SHAPE, strict=True)]
    finer = PICTURE.render((50, 33), region=ends).values
    np.testing.assert_allclose(found[2], limited(finer).ravel(), atol=2e-5)
    np.testing.assert_array_equal(found[3], limited(whole[2::5, 2::5]).ravel())
    np.testing.assert_array_equal(found[4], limited(whole).ravel())
    values, gradients = PICTURE.at(points), PICTURE.gradient(points)
    np.testing.assert_allclose(answers[3]["answer"]["values"], values.ravel(), atol=2e-5 * np.abs(values).max())
    np.testing.assert_allclose(
        answers[3]["answer"]["gradients"], gradients.ravel(), atol=1e-4 * np.abs(gradients).max()
    )
    # The first stretch, then four tiles: what was read is what the server sent, and tiles are read once.
    read = [each["bytes"] for each in answers]
    assert served.ranges[0] == f"bytes=0-{FIRST_STRETCH - 1}"
    assert read[0] < FIRST_STRETCH + 8 * len(DATA) / answers[0]["tiles"]
    assert read[1] == read[0]
    assert read[-1] == served.sent < len(DATA) + 2 * len(DATA) / answers[0]["tiles"]


@needs_node
@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_server_without_ranges_sends_the_file_as_a_whole(site: Site, knows_ranges: bool) -> None:
    served = site.put("/tiles.tnr", DATA)
    served.knows_ranges = knows_ranges
    region = [(350, 380), (10, 40)]
    (answer,) = asked(f"{site.address}/tiles.tnr", {"region": region})
    np.testing.assert_array_equal(
        np.array(answer["answer"], np.float32), limited(PICTURE.render().values[350:380, 10:40]).ravel()
    )
    assert (served.sent == len(DATA)) == (not knows_ranges)
    assert answer["bytes"] == served.sent


@needs_node
def test_chunks_behind_the_tiles_and_damage_in_a_tile_are_seen(site: Site) -> None:
    header, payloads = read_container(DATA, DecodeLimits())
    behind = pack_header(replace(header, chunks=2))
    for kind, payload in ((ChunkType.TILES, payloads[ChunkType.TILES]), (ChunkType.ICC_PROFILE, bytes(500))):
        chunk = bytes([kind]) + pack_varint(len(payload)) + payload
        behind += chunk + checksum(chunk)
    site.put("/behind.tnr", behind)
    (answer,) = asked(f"{site.address}/behind.tnr", {"region": [(0, 3), (0, 3)]})
    assert answer["profile"] == 500

    damaged = bytearray(DATA)
    damaged[-200] ^= 1
    site.put("/damaged.tnr", bytes(damaged))
    corner, other = asked(
        f"{site.address}/damaged.tnr", {"region": [(390, 400), (320, 330)]}, {"region": [(0, 3), (0, 3)]}
    )
    assert corner["answer"]["code"] == "corrupt_file"
    assert "checksum of tile" in corner["answer"]["message"]
    assert len(other["answer"]) == 27


@needs_node
def test_who_waits_no_longer_ends_the_fetching_of_tiles(site: Site) -> None:
    served = site.put("/tiles.tnr", DATA)
    served.pause_at = FIRST_STRETCH  # of the rest, which one request asks for, that much comes
    cancelled, answered = asked(
        f"{site.address}/tiles.tnr", {"region": [[200, 400], [0, 330]], "cancel": 300}, {"region": [[0, 3], [0, 3]]}
    )
    assert cancelled["answer"] == "AbortError"
    assert len(answered["answer"]) == 27
    assert answered["bytes"] < len(DATA) / 2


def test_a_region_of_a_large_picture_takes_a_twentieth_of_its_bytes(tab: "Page", site: Site) -> None:
    data = large()
    served = site.put("/large.tnr", data)
    body = (
        '<tnr-image src="/large.tnr" region="4032:4160,5050:5178" alt="Spots" '
        'style="width: 128px; height: 128px"></tnr-image>'
    )
    visited(tab, site, body)
    tab.wait_for_function("seen.length")
    assert tab.evaluate("seen") == [["load", None]]
    assert served.sent <= 0.05 * len(data)
    region = load_region(data, [(4032, 4160), (5050, 5178)])
    samples = Storage(SampleFormat.U8, None).to_samples(region.values).astype(int)
    assert np.abs(pixels(tab)[..., :3] - samples).max() <= 1

    # A step to the side fetches what that uncovers; a tile that is seen again is not fetched again.
    before = served.sent  # of four tiles
    tab.get_by_role("img", name="Spots").focus()
    for key in ("ArrowRight", "ArrowLeft"):
        for _ in range(8):
            tab.keyboard.press(key)
        tab.wait_for_function("!document.querySelector('tnr-image').isDrawing")
    assert before < served.sent <= 0.05 * len(data)


def test_the_page_of_a_file_in_tiles_shows_all_of_it_and_where_its_bits_are(tab: "Page", tmp_path: "Path") -> None:
    source = GOLDEN / "v1-tiles" / "picture.tnr"
    shown(tab, source, tmp_path)
    assert tab.get_by_text("wavelets in 2 × 2 tiles").count() == 1
    # Grey and opaque or not: in the middle four tiles meet.
    opacity = np.clip(load(source).at(np.zeros((1, 2), np.float32))[0, 1], 0, 1)
    assert np.abs(pixels(tab, MIDDLE)[3:5, 3:5, 3] - 255 * opacity).max() <= 8
    tab.get_by_role("button", name="Where the bits are").click()
    tab.get_by_text("Bytes of each of 4 tiles").wait_for()
