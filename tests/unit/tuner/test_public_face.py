"""What a user can get wrong is refused by name, and what they ask for lies where they asked for it."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.networks import random_representation
from tests.signals import AFFINE, SIGNALS, blob, chirp
from tuner.errors import ConfigError, InvalidSignal, TunerError
from tuner.fit.config import Budget, FirstOrderConfig, FitConfig, NaturalGradientConfig
from tuner.fit.sines.fit import fit
from tuner.network.sines.config import NetworkConfig
from tuner.representation import Representation
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails, DistanceDetails, VideoDetails, VolumeDetails
from tuner.signal.grid import Grid
from tuner.signal.samples import SampleFormat, Scaling
from tuner.signal.scattered import ScatteredSignal, scattered_signal
from tuner.signal.signal import Signal, SignalKind

REPRESENTATION = random_representation()
CONFIG = FitConfig(
    network=NetworkConfig(frequencies=40, hidden=(12,)), trainer=NaturalGradientConfig(), budget=Budget(max_steps=12)
)
NAN = np.array([[0.0, np.nan]], np.float32)
Call = Callable[[], object]

WRONG: dict[str, tuple[Call, type[TunerError], str]] = {
    "values without channels": (lambda: Signal(values=np.zeros(4, np.float32)), InvalidSignal, "channels"),
    "five axes": (lambda: Signal(values=np.zeros((1,) * 6, np.float32)), InvalidSignal, "1 to 4 axes"),
    "an empty axis": (lambda: Signal(values=np.zeros((4, 0, 1), np.float32)), InvalidSignal, "none of them empty"),
    "nan": (lambda: Signal(values=NAN), InvalidSignal, "1 of 2 values are NaN"),
    "infinity": (lambda: Signal(values=np.array([[np.inf]], np.float32)), InvalidSignal, "NaN or infinite"),
    "details of another kind": (
        lambda: Signal(values=chirp(), details=AudioDetails(sample_rate=1)),
        InvalidSignal,
        "the details of another",
    ),
    "a sample rate of zero": (lambda: AudioDetails(sample_rate=0), InvalidSignal, "sample_rate is 0"),
    "a rate without frames": (lambda: VideoDetails(rate=(0, 1)), InvalidSignal, "rate is"),
    "half an affine": (lambda: VolumeDetails(affine=AFFINE[:12]), InvalidSignal, "affine is"),
    "cells without size": (
        lambda: DistanceDetails(origin=(0.0, 0.0, 0.0), spacing=(1.0, 0.0, 1.0)),
        InvalidSignal,
        "spacing is",
    ),
    "a negative scale": (lambda: Scaling(-1.0), InvalidSignal, "above 0"),
    "an array of words": (lambda: array_signal(np.array(["a"])), InvalidSignal, "expected integers or floats"),
    "an array of nothing": (lambda: array_signal(np.zeros(0)), InvalidSignal, "no empty axis"),
    "a period within the domain": (lambda: NetworkConfig(frequencies=4, period=2.0), ConfigError, "more than 2"),
    "a grid within the domain": (lambda: Grid((4,), 1.9), ConfigError, "the length of the domain"),
    "a band limit over nyquist": (lambda: NetworkConfig(frequencies=4, band_limit=1.01), ConfigError, "Nyquist"),
    "a low box over the band": (
        lambda: NetworkConfig(frequencies=4, low_limit=0.5),
        ConfigError,
        "not above band_limit",
    ),
    "coordinates of another dimension": (
        lambda: REPRESENTATION.at(np.zeros((3, 3), np.float32)),
        ConfigError,
        "(points, 2)",
    ),
    "coordinates that are one point": (lambda: REPRESENTATION.at(np.zeros(2, np.float32)), ConfigError, "(points, 2)"),
    "coordinates that are no numbers": (
        lambda: REPRESENTATION.at(np.zeros((1, 2), complex)),
        ConfigError,
        "expected floats",
    ),
    "a coordinate that is nan": (lambda: REPRESENTATION.gradient(NAN), ConfigError, "NaN or infinite"),
    "a shape of another dimension": (lambda: REPRESENTATION.render((4,)), ConfigError, "2 axes"),
    "a shape without samples": (lambda: REPRESENTATION.render((4, 0)), ConfigError, "at least one sample"),
    "a scale of zero": (lambda: REPRESENTATION.render(scale=0.0), ConfigError, "above 0"),
    "a region of one axis": (lambda: REPRESENTATION.render(region=[(-1, 1)]), ConfigError, "2 pairs"),
    "a region that ends before it begins": (
        lambda: REPRESENTATION.render(region=[(0.5, 0.5), (-1, 1)]),
        ConfigError,
        "low < high",
    ),
    "a region beyond the signal": (
        lambda: REPRESENTATION.render(region=[(-1, 1.5), (-1, 1)]),
        ConfigError,
        "high <= 1",
    ),
    "a representation of another grid": (lambda: replace(REPRESENTATION, grid_shape=(4,)), ConfigError, "2 axes"),
    "a mask of another shape": (
        lambda: fit(Signal(values=blob((6, 5))), CONFIG, held_out=np.zeros((5, 6), bool)),
        ConfigError,
        "expected bool (6, 5)",
    ),
    "a mask that leaves nothing": (
        lambda: fit(Signal(values=blob((6, 5))), CONFIG, held_out=np.ones((6, 5), bool)),
        ConfigError,
        "at least one not set",
    ),
    "all but nothing held out": (
        lambda: fit(Signal(values=blob((6, 5))), CONFIG, held_out=1.0),
        ConfigError,
        "less than 1",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    call, error, message = WRONG[name]
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_a_flipped_view_is_fitted_like_its_copy() -> None:
    """Torch takes no array that runs backwards."""
    values = blob((14, 12))[::-1, ::-1]
    for trainer in (CONFIG.trainer, FirstOrderConfig()):
        config = replace(CONFIG, trainer=trainer)
        view, copy = (fit(Signal(values=given), config) for given in (values, values.copy()))
        assert view.history == copy.history
    coords = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)[::-1]
    samples = ScatteredSignal(coords=coords, values=coords, grid_shape=(7, 7))
    assert fit(samples, CONFIG).history == fit(scattered_signal(coords, coords), CONFIG).history


def test_doubles_are_refused() -> None:
    """In a process of its own: here annotations are checked, and no double would come so far."""
    code = """
import numpy as np
from tuner import ScatteredSignal, Signal, TunerError
doubles = np.zeros((3, 2))
arguments = {Signal: {}, ScatteredSignal: {"coords": doubles, "grid_shape": (2, 2)}}
for kind, others in arguments.items():
    try:
        kind(values=doubles, **others)
    except TunerError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [
        "values are float64, expected float32: convert them with .astype(numpy.float32)",
        "coordinates are float64 and values float64, expected float32 both",
    ]


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
@pytest.mark.parametrize("hidden", [(8,), (7, 6), (5, 6, 4)])
def test_gradients_are_slopes_in_any_dimension_and_depth(dimensions: int, hidden: tuple[int, ...]) -> None:
    representation = random_representation((3,) * dimensions, frequencies=6, hidden=hidden, channels=2)
    points = np.random.default_rng(0).uniform(-1, 1, (5, dimensions)).astype(np.float32)
    slopes = representation.gradient(points)
    assert slopes.shape == (5, 2, dimensions)
    for d in range(dimensions):
        step = np.float32(1e-3) * np.eye(dimensions, dtype=np.float32)[d]
        difference = (representation.at(points + step) - representation.at(points - step)) / 2e-3
        np.testing.assert_allclose(slopes[:, :, d], difference, rtol=2e-2, atol=5e-2)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_region_lies_where_it_says(name: str) -> None:
    signal = SIGNALS[name]
    parameters = random_representation(signal.grid_shape, frequencies=5, channels=signal.channels).parameters
    representation = replace(Representation.of(parameters, signal), sample_format=SampleFormat.F32, scaling=None)
    whole = representation.render()
    cells = [(0, max(1, n // 2)) for n in signal.grid_shape]
    region = [(2 * low / n - 1, 2 * high / n - 1) for (low, high), n in zip(cells, signal.grid_shape, strict=True)]
    part = representation.render(region=region)
    np.testing.assert_allclose(part.values, whole.values[tuple(slice(low, high) for low, high in cells)], atol=2e-5)
    fine = representation.render(scale=3).values
    np.testing.assert_allclose(fine[(slice(1, None, 3),) * len(signal.grid_shape)], whole.values, atol=2e-5)


def test_details_follow_the_grid() -> None:
    def placed(name: str, **options: object) -> object:
        signal = SIGNALS[name]
        parameters = random_representation(signal.grid_shape, frequencies=5, channels=signal.channels).parameters
        return Representation.of(parameters, signal).render(**options).details  # type: ignore[arg-type]

    assert placed("sound", scale=0.5) == AudioDetails(sample_rate=4000)
    assert placed("video", scale=2) == VideoDetails(rate=(60000, 1001))
    volume = placed("volume", region=[(0.0, 1.0), (-1.0, 1.0), (-1.0, 1.0)])
    assert isinstance(volume, VolumeDetails)
    assert volume.affine is not None
    affine = np.array(volume.affine).reshape(4, 4)
    # The first voxel of the second half is voxel 6 of 12.
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], np.array(AFFINE).reshape(4, 4) @ [6, 0, 0, 1])
    coarse = placed("volume", scale=0.5)
    assert isinstance(coarse, VolumeDetails)
    assert coarse.affine is not None
    np.testing.assert_allclose(
        np.array(coarse.affine).reshape(4, 4) @ [0, 0, 0, 1], np.array(AFFINE).reshape(4, 4) @ [0.5, 0.5, 0.5, 1]
    )
    mesh, field = placed("mesh", scale=2), SIGNALS["mesh"].details
    assert isinstance(mesh, DistanceDetails)
    assert isinstance(field, DistanceDetails)
    np.testing.assert_allclose(mesh.spacing, np.array(field.spacing) / 2)
    np.testing.assert_allclose(mesh.origin, np.array(field.origin) - np.array(field.spacing) / 4)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_grids_of_one_to_four_axes_are_fitted(dimensions: int, channels: int) -> None:
    values = np.repeat(blob([(60,), (14, 12), (9, 8, 7), (7, 6, 5, 4)][dimensions - 1]), channels, axis=-1)
    result = fit(Signal(values=values, kind=SignalKind.ARRAY), CONFIG)
    assert result.psnr_db > 22
