"""represent(): one call from what a program has at hand to a file."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tuner
from tests.cases import colours
from tests.signals import SIGNALS
from tuner.errors import ConfigError
from tuner.fit.progress import Progress, Verdict
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.quality.thumbnail import thumbnail_png

PIXELS = np.rint(255 * np.clip(colours(), 0, 1)).astype(np.uint8)


def test_a_quality_is_met_and_measured(tmp_path: Path) -> None:
    result = tuner.represent(PIXELS, psnr_db=30.0, effort="fast")
    assert result.is_met
    assert result.psnr_db >= 29.9
    result.save(tmp_path / "a.tnr")
    again = tuner.load(tmp_path / "a.tnr")
    written = again.render()
    samples = written.storage.to_samples(written.values).astype(float)
    error = (samples - PIXELS) / 255.0
    assert -10.0 * np.log10(np.mean(error**2)) == pytest.approx(result.psnr_db, abs=0.01)
    assert np.abs(error).max() == pytest.approx(result.max_error, abs=1e-6)
    assert f"{len(result.content)} bytes" in result.summary


def test_sizes_are_kept_by_both_kinds_of_network() -> None:
    for network in ("sines", "wavelets"):
        result = tuner.represent(PIXELS, bytes=1500, effort="fast", network=network, max_steps=6)
        assert len(result.content) <= 1500
        assert isinstance(result.representation.parameters, WaveletParameters) == (network == "wavelets")


def test_a_missed_target_is_said_and_not_raised() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    result = tuner.represent(noise, psnr_db=90.0, effort="fast", max_steps=2, network="sines")
    assert not result.is_met
    assert "missed" in result.message


def test_seconds_alone_are_a_target_and_beside_one_a_limit() -> None:
    alone = tuner.represent(PIXELS, seconds=0.5, effort="fast")
    assert "0.5 seconds" in alone.message
    beside = tuner.represent(PIXELS, psnr_db=80.0, seconds=1.5, effort="fast", network="sines")
    assert "80 dB" in beside.message


def test_arrays_come_back_with_their_dtype() -> None:
    heights = np.add.outer(np.arange(20.0), np.arange(30.0) ** 2)
    result = tuner.represent(heights, psnr_db=40.0, effort="fast")
    found = result.representation.render()
    samples = found.storage.to_samples(found.values)[..., 0]
    assert samples.dtype == np.float64
    assert np.abs(samples - heights).mean() < 0.02 * heights.max()


def test_two_targets_or_a_stop_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="psnr_db, bytes"):
        tuner.represent(PIXELS, psnr_db=30.0, bytes=1000)
    with pytest.raises(ConfigError, match="sines, wavelets"):
        tuner.represent(PIXELS, network="tuner")

    def stop(progress: Progress) -> Verdict:
        return Verdict.STOP

    with pytest.raises(ConfigError, match="on_step has stopped"):
        tuner.represent(PIXELS, psnr_db=30.0, effort="fast", on_step=stop)


def test_a_result_shows_itself() -> None:
    result = tuner.represent(PIXELS, bytes=1500, effort="fast", max_steps=4)
    assert repr(result) == f"<Result: {result.summary}>"
    png = result._repr_png_()
    picture = Image.open(BytesIO(png))
    assert picture.size == PIXELS.shape[1::-1]
    html = result._repr_html_()
    assert "data:image/png;base64," in html
    assert result.summary in html


@pytest.mark.parametrize("name", SIGNALS)
def test_every_kind_of_signal_has_a_picture(name: str) -> None:
    result = tuner.represent(SIGNALS[name], effort="fast", max_steps=2, network="sines")
    picture = Image.open(BytesIO(thumbnail_png(result.representation, 64)))
    assert 1 <= max(picture.size) <= 128
    if max(SIGNALS[name].grid_shape) > 1:
        assert np.asarray(picture).std() > 0.0


def test_public_names_are_offered_for_completion() -> None:
    assert {"represent", "load", "save", "Representation"} <= set(dir(tuner))
    assert "HOMES" not in dir(tuner)


@pytest.mark.parametrize(
    "psnr_db", [pytest.param(3.0, marks=pytest.mark.long), 8.0, pytest.param(20.0, marks=pytest.mark.long)]
)
def test_a_low_quality_of_noise_is_met_as_well(psnr_db: float) -> None:
    """What a fit aims at and what rounding leaves of it lie apart by decibels there."""
    noise = np.random.default_rng(0).normal(size=(6, 5, 7)).astype(np.float32)
    result = tuner.represent(noise, psnr_db=psnr_db, effort="fast", max_steps=2, progress=False)
    assert result.is_met
    assert result.psnr_db >= psnr_db
