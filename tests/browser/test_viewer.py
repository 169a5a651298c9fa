"""What the page of a file shows beside the signal, held to numpy and the library: by pixels and by words."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.browser.test_conformance import GOLDEN
from tests.browser.test_page import COLOUR, expected, pixels, shown
from tuner.codec.decode import load

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANALYSIS = Path(__file__).parents[2] / "web/viewer/analysis.js"
SPECTRA = """
const [analysis, picture, sound] = process.argv.slice(1);
const { bitsByCell, histogramOf, spectrogramOf, spectrumOf } = await import(analysis);
const latents = Int32Array.from({ length: 64 }, (_, at) => (at >= 16 && at % 16 === 5 ? 3 : 0));
const levels = [{ nodes: [4, 4], subbands: 1 }, { nodes: [4, 4], subbands: 3 }];
const list = ([key, one]) => [key, one.length ? [...one] : one];
const plain = (found) => Object.fromEntries(Object.entries(found).map(list));
console.log(JSON.stringify({
  picture: [...spectrumOf(Float32Array.from(JSON.parse(picture)), 16, 32)],
  sound: plain(spectrogramOf(Float32Array.from(JSON.parse(sound)), 64)),
  bits: plain(bitsByCell({ latents, levels }, [8, 8], 1000, 2)),
  counts: histogramOf(Float32Array.from([-1, -0.5, 0, 0, 0.5, 1]), 5),
}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_spectra_are_those_of_numpy_and_bits_lie_where_latents_are() -> None:
    picture = np.random.default_rng(3).normal(size=(16, 32)).astype(np.float32)
    tone = np.sin(2 * np.pi * 0.125 * np.arange(2048)).astype(np.float32)
    texts = [json.dumps(array.ravel().tolist()) for array in (picture, tone)]
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SPECTRA, str(ANALYSIS), *texts],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)

    windows = [0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(count) + 0.5) / count) for count in picture.shape]
    power = np.abs(np.fft.fftshift(np.fft.fft2((picture - picture.mean()) * np.outer(*windows)))) ** 2
    assert np.allclose(np.reshape(found["picture"], picture.shape), 10 * np.log10(power / power.max()), atol=1e-3)

    loudness = np.reshape(found["sound"]["decibels"], (found["sound"]["windows"], found["sound"]["bins"]))
    assert (loudness[1:-1].argmax(axis=1) == 0.125 * 2 * found["sound"]["bins"]).all()

    bits = np.reshape(found["bits"]["bits"], (4, 4))
    assert bits.sum() == pytest.approx(1000)
    assert bits.argmax() == 5
    assert found["counts"] == {"reach": 1, "counts": [1, 1, 2, 1, 1]}


def pressed(tab: "Page", button: str, label: str) -> tuple[npt.NDArray[np.int64], str]:
    """Press a button of the page, and give the canvas that it shows, and the words below."""
    tab.get_by_role("button", name=button, exact=True).click()
    figure = tab.locator("figure", has=tab.get_by_role("img", name=label))
    words = figure.locator("figcaption")
    words.filter(has_not_text="Working").filter(has_text=".").wait_for()
    return pixels(tab, f"document.querySelector('canvas[aria-label^=\"{label}\"]')"), words.inner_text()


def test_maps_of_a_picture_show_spectrum_bits_slopes_and_weights(tab: "Page", tmp_path: Path) -> None:
    shown(tab, COLOUR, tmp_path)
    spectrum, words = pressed(tab, "Spectrum", "Spectrum")
    assert words == ("Up to 16 cycles across and 16 down, 80 dB from black to white. Rings: 3 input frequencies.")
    height, width = spectrum.shape[:2]
    # Low frequencies are the loudest of a picture, and the corners the quietest.
    middle = spectrum[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8, 1].mean()
    assert middle > spectrum[: height // 8, : width // 8, 1].mean() + 20

    bits, words = pressed(tab, "Where the bits are", "Bits of each region")
    assert bits.shape[:2] == (21, 30)
    assert bits[..., 0].max() == 252
    assert "bits per sample" in words

    slopes, _ = pressed(tab, "How steep it is", "How steep")
    height, width = slopes.shape[:2]
    axes = [(2 * np.arange(count) + 1) / count - 1 for count in (height, width)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
    exact = load(COLOUR).gradient(points) * 2 / np.array([height, width])
    sizes = np.linalg.norm(exact, axis=-1).max(axis=-1).reshape(height, width)
    assert np.abs(slopes[..., 0] - 255 * np.sqrt(sizes / sizes.max())).max() <= 1

    weights, words = pressed(tab, "Weights", "How often weights")
    assert weights[..., 3].any()
    assert not weights[..., 3].all()
    assert words.startswith("375 weights from -")
    assert "Of 7,731 latents" in words


def test_an_original_is_compared_by_a_slider_and_a_map_of_errors(tab: "Page", tmp_path: Path) -> None:
    samples = expected(COLOUR)
    original = samples.copy()
    original[:10, :10] = np.clip(original[:10, :10] + np.where(original[:10, :10] > 128, -40, 40), 0, 255)
    path = tmp_path / "original.png"
    Image.fromarray(original.astype(np.uint8)).save(path)
    shown(tab, COLOUR, tmp_path)
    chooser = tab.get_by_label("Compare with the original")
    chooser.set_input_files(path)
    tab.get_by_text("PSNR").wait_for()
    words = tab.locator(".compare [aria-live]").inner_text()
    psnr = 10 * np.log10(255**2 / np.mean((original - samples) ** 2.0))
    assert words.startswith("original.png: PSNR ")
    assert float(words.split()[2]) == pytest.approx(psnr, abs=0.1)

    errors = pixels(tab, "document.querySelector('canvas.error')")[..., 0]
    assert errors[:10, :10].min() > 200
    assert errors[12:].max() < 20
    left, right = (pixels(tab, f"document.querySelectorAll('.divided canvas')[{at}]")[..., :3] for at in (1, 0))
    assert np.abs(left - original).max() <= 1
    assert np.abs(right - samples).max() <= 1
    clip = "getComputedStyle(document.querySelector('.divided .over')).clipPath"
    half = tab.evaluate(clip)
    tab.get_by_label("Original | file").press("Home")
    assert tab.evaluate(clip) != half

    small = tmp_path / "small.png"
    Image.fromarray(original[:5].astype(np.uint8)).save(small)
    chooser.set_input_files(small)
    tab.get_by_text("small.png has 60 × 5 pixels, expected 60 × 41").wait_for()
    assert tab.locator(".divided").is_hidden()


def test_a_sound_has_a_spectrogram_and_a_click_in_it_seeks(tab: "Page", tmp_path: Path) -> None:
    shown(tab, GOLDEN / "v1-kinds" / "sound.tnr", tmp_path)
    loudness = pixels(tab, "document.querySelector('canvas.spectrogram')")[..., :3].sum(axis=2)
    assert loudness[-20:].mean() > loudness[:20].mean() + 200
    tab.locator("audio").evaluate(
        "(player) => player.readyState || new Promise((done) => (player.onloadedmetadata = () => done()))"
    )
    tab.locator(".track").last.click()
    assert tab.evaluate("document.querySelector('audio').currentTime") == pytest.approx(512 / 8000 / 2, rel=0.05)


def test_the_window_of_a_volume_says_what_is_black_and_white(tab: "Page", tmp_path: Path) -> None:
    source = GOLDEN / "v1-kinds" / "volume.tnr"
    shown(tab, source, tmp_path)
    slice_of = "document.querySelector('canvas.slice')"
    before = pixels(tab, slice_of)[..., 0]
    black = tab.get_by_label("Black")
    black.evaluate("(slider) => { slider.value = 100; slider.dispatchEvent(new Event('input')); }")
    tab.wait_for_timeout(400)
    after = pixels(tab, slice_of)[..., 0]
    assert np.abs(after - np.clip(2 * before - 255, 0, 255)).max() <= 2
    assert after.std() > 0


def test_a_video_is_scrubbed_to_a_frame(tab: "Page", tmp_path: Path) -> None:
    source = GOLDEN / "v1-kinds" / "video.tnr"
    shown(tab, source, tmp_path)
    frames = expected(source)
    assert np.abs(pixels(tab, "document.querySelector('canvas.frame')")[..., :3] - frames[0]).max() <= 1
    tab.get_by_label("Frame", exact=True).press("End")
    tab.get_by_text("6 of 6").wait_for()
    tab.wait_for_timeout(300)
    assert np.abs(pixels(tab, "document.querySelector('canvas.frame')")[..., :3] - frames[-1]).max() <= 1
    tab.get_by_role("button", name="Play").click()
    tab.get_by_role("button", name="Play").wait_for()  # again, after the last frame
    assert tab.get_by_label("Frame", exact=True).input_value() == "5"


def test_a_distance_field_is_a_shaded_surface_that_turns(tab: "Page", tmp_path: Path) -> None:
    shown(tab, GOLDEN / "v1-kinds" / "mesh.tnr", tmp_path)
    surface = "document.querySelector('canvas.surface')"
    tab.wait_for_selector("canvas.surface[data-size='384']")
    before = pixels(tab, surface)
    solid = before[..., 3] == 255
    assert 0.05 < solid.mean() < 0.95
    assert before[..., 0][solid].std() > 10
    turn = tab.get_by_label("Turn")
    turn.press("End")
    tab.get_by_text("359°").wait_for()
    tab.wait_for_timeout(600)
    assert (pixels(tab, surface)[..., 3] == 255).mean() > 0.05
    assert not np.array_equal(pixels(tab, surface), before)
