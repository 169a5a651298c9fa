"""Scattered samples: fitted, asked, rendered, saved and read; and one clear error for each way to get them wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tuner import Representation, ScatteredSignal, scattered_signal, signal_config
from tuner.codec.decode import load
from tuner.codec.encode import save
from tuner.errors import ConfigError, InvalidSignal
from tuner.fit import Budget, FitConfig, eikonal_config, fit
from tuner.fit.config import FirstOrderConfig
from tuner.network.sines.config import NetworkConfig

ANY = np.zeros((4, 2))


def measurements(points: int, dimensions: int, channels: int = 1) -> ScatteredSignal:
    coords = np.random.default_rng(0).uniform(-1, 1, (points, dimensions))
    return scattered_signal(coords, truth(coords, channels))


def truth(coords: np.ndarray, channels: int = 1) -> np.ndarray:
    return np.stack([0.5 + 0.4 * np.sin(2.5 * coords.sum(1) + c) * np.cos(coords[:, 0]) for c in range(channels)], 1)


@pytest.mark.parametrize(
    ("points", "dimensions", "channels", "least_db"),
    [(150, 1, 1, 30), (500, 2, 3, 28), (800, 3, 1, 28), (2000, 4, 2, 20)],
)
def test_between_the_samples_the_truth_is_found(points: int, dimensions: int, channels: int, least_db: float) -> None:
    samples = measurements(points, dimensions, channels)
    config = FitConfig(
        network=NetworkConfig(frequencies=40, hidden=(16,)),
        trainer=signal_config(samples).trainer,
        budget=Budget(max_steps=15),
    )
    result = fit(samples, config)
    assert result.psnr_db > 27.0
    elsewhere = np.random.default_rng(1).uniform(-0.9, 0.9, (200, dimensions))
    found = Representation.of(result.network.parameters_numpy(), samples).at(elsewhere)
    assert -10 * np.log10(np.mean(np.square(found - truth(elsewhere, channels)))) > least_db


def test_what_comes_out_is_a_representation_like_any_other(tmp_path: Path) -> None:
    samples = measurements(400, 2)
    for trainer in (signal_config(samples).trainer, FirstOrderConfig(batch_samples=100)):
        result = fit(samples, replace(signal_config(samples, "fast"), trainer=trainer))
        representation = Representation.of(result.network.parameters_numpy(), samples)
        save(representation, tmp_path / "a.tnr")
        back = load(tmp_path / "a.tnr")
        assert (back.grid_shape, back.channels, back.kind.value) == ((20, 20), 1, "array")
        np.testing.assert_allclose(back.at(samples.coords), representation.at(samples.coords), atol=1e-3)
        rendered = back.render((30, 50))
        assert rendered.grid_shape == (30, 50)
        assert np.abs(rendered.values - 0.5).max() < 0.7


def test_two_samples_and_equal_points_are_no_reason_to_fail() -> None:
    coords, values = np.array([0.3, 0.3, -0.5]), np.array([1, 2, 0])
    samples = scattered_signal(coords, values)
    assert (samples.grid_shape, samples.channels) == ((3,), 1)
    found = Representation.of(fit(samples, signal_config(samples)).network.parameters_numpy(), samples).at(
        coords[:, None]
    )
    np.testing.assert_allclose(found[:, 0], [1.5, 1.5, 0.0], atol=0.02)


def test_a_long_line_of_scattered_samples_is_not_cut_into_windows() -> None:
    line = scattered_signal(np.linspace(-1, 1, 50_000), np.zeros(50_000))
    assert signal_config(line, "fast").network.windows == 1


def test_how_finely_to_look_is_the_users_choice() -> None:
    samples = scattered_signal(ANY, ANY, (300, 70))
    assert samples.grid_shape == (300, 70)
    fine, coarse = (signal_config(s).network.frequencies for s in (samples, scattered_signal(ANY, ANY)))
    assert fine > coarse


WRONG = {
    "no points": (np.zeros((0, 2)), np.zeros((0, 1)), None, "grid|empty axis"),
    "no dimensions": (np.zeros((4, 0)), ANY, (), "1 to 4 dimensions"),
    "five dimensions": (np.zeros((4, 5)), ANY, None, "1 to 4 dimensions"),
    "a grid of coordinates": (np.zeros((4, 2, 2)), ANY, None, "1 to 4 dimensions"),
    "no channels": (ANY, np.zeros((4, 0)), None, "empty axis"),
    "one value less than points": (ANY, np.zeros((3, 1)), None, r"expected \(4, channels\)"),
    "a single value": (ANY, np.array(1.0), None, r"expected \(4, channels\)"),
    "a grid of another dimension": (ANY, ANY, (4,), "2 axes"),
    "an empty grid": (ANY, ANY, (4, 0), "at least one sample"),
    "nan among values": (ANY, np.full((4, 1), np.nan), None, "4 of 4 values are NaN"),
    "nan among coordinates": (np.full((4, 2), np.nan), ANY, None, r"coordinates span \[nan, nan\]"),
    "infinity among coordinates": (np.full((4, 2), np.inf), ANY, None, r"coordinates span \[inf, inf\]"),
    "a point outside": (np.array([[0.0, 0.0], [0.5, 1.2]]), ANY[:2], None, r"\[0, 1.2\], expected \[-1, 1\]"),
    "words": (np.array([["a", "b"]]), ANY[:1], None, "coordinates are <U1"),
    "complex values": (ANY, ANY.astype(complex), None, "values are complex128"),
    "values beyond float32": (ANY, np.full(4, 1e300), None, "NaN or infinite"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    coords, values, grid_shape, message = WRONG[name]
    with pytest.raises(InvalidSignal, match=message):
        scattered_signal(coords, values, grid_shape)


def test_a_fit_that_needs_a_grid_says_so() -> None:
    samples = measurements(50, 3)
    with pytest.raises(ConfigError, match="distance field on its grid"):
        fit(samples, eikonal_config(signal_config(samples)))
    line = measurements(50, 1)
    with pytest.raises(ConfigError, match="windows=1"):
        fit(line, replace(signal_config(line), network=NetworkConfig(frequencies=9, windows=2)))
    with pytest.raises(ConfigError, match=r"expected bool \(50,\)"):
        fit(line, signal_config(line), held_out=np.zeros((5, 10), np.bool_))
