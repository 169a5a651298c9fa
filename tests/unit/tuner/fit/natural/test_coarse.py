"""Coarser versions of a grid's samples, and fits that begin on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tuner.fit import Budget, FitConfig, FitResult, fit, fit_batch
from tuner.fit.config import NaturalGradientConfig
from tuner.fit.natural.coarse import MIN_AXIS, MIN_SAMPLES, coarser
from tuner.fit.progress import Progress, Verdict
from tuner.fit.state import FitState
from tuner.network.sines.config import NetworkConfig
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.kind import SignalKind
from tuner.signal.signal import Signal

CONFIG = FitConfig(
    network=NetworkConfig(frequencies=24, hidden=(16,), low_limit=0.15),
    budget=Budget(max_steps=3),
    trainer=NaturalGradientConfig(coarse_steps=3),
)
UNCHANGED = replace(CONFIG, trainer=NaturalGradientConfig())


@pytest.fixture
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small signals have coarser versions, too."""
    monkeypatch.setattr("tuner.fit.natural.coarse.MIN_SAMPLES", 60)
    monkeypatch.setattr("tuner.fit.natural.coarse.MIN_AXIS", 4)


def picture(shape: tuple[int, int] = (36, 30), turn: float = 0.0) -> Signal:
    y, x = np.meshgrid(*(np.linspace(0, 1, side) for side in shape), indexing="ij")
    values = 0.5 + 0.3 * np.sin(9 * x + turn) * np.cos(7 * y) + 0.2 * (x + y > 1.1)
    return Signal(values=np.stack([values, 1 - values], -1).astype(np.float32))


def places(shape: tuple[int, ...]) -> FloatArray:
    return Grid(shape, 2.5).coords().reshape(*shape, len(shape))


@pytest.mark.parametrize("shape", [(256, 384), (300, 260), (40, 40, 48), (40_000,)], ids=str)
def test_samples_lie_at_the_middle_of_their_cells(shape: tuple[int, ...]) -> None:
    versions = coarser(Signal(values=places(shape), kind=SignalKind.ARRAY))
    sizes = [np.prod(version.grid_shape) for version, _ in versions]
    assert sizes == sorted(sizes)
    assert versions[-1][0].grid_shape == tuple(side // 2 for side in shape)
    for version, unknown in versions:
        assert unknown is None
        assert version.kind is SignalKind.ARRAY
        np.testing.assert_allclose(version.values, places(version.grid_shape), atol=1e-5)


def test_what_an_odd_axis_shares_counts_by_its_part() -> None:
    values = np.random.default_rng(0).random((255, 131, 1)).astype(np.float32)
    ((version, _),) = coarser(Signal(values=values))[-1:]
    cells, width = version.grid_shape[0], 255 / 127
    weights = np.zeros((cells, 255))
    for cell in range(cells):
        for sample in range(255):
            weights[cell, sample] = max(0.0, min(sample + 1, (cell + 1) * width) - max(sample, cell * width)) / width
    across = values[..., 0].astype(np.float64).cumsum(1)
    edges = np.arange(66) * (131 / 65)
    integral = np.stack([np.interp(edges, np.arange(132), np.r_[0.0, row]) for row in across])
    expected = weights @ (np.diff(integral, axis=1) * 65 / 131)
    assert version.grid_shape == (127, 65)
    np.testing.assert_allclose(version.values[..., 0], expected, atol=1e-6)


def test_nothing_of_what_is_held_out_is_seen() -> None:
    signal, held_out = picture((180, 201)), np.random.default_rng(0).random((180, 201)) < 0.2
    held_out[32:64, 64:96] = True
    other = replace(signal, values=np.where(held_out[..., None], 1e6, signal.values).astype(np.float32))
    versions = coarser(signal, held_out)
    assert versions
    for (version, unknown), (changed, same) in zip(versions, coarser(other, held_out), strict=True):
        assert unknown is not None
        assert same is not None
        assert np.array_equal(unknown, same)
        assert np.array_equal(version.values[~unknown], changed.values[~unknown])
        assert abs(version.values[~unknown] - 0.5).max() <= 0.6
    unknown = versions[-1][1]
    assert unknown is not None
    assert unknown[16:32, 32:47].all()
    assert unknown.mean() < 0.1


@pytest.mark.parametrize("shape", [(127, 128), (2 * MIN_SAMPLES - 1,), (2 * MIN_AXIS - 1,) * 3], ids=str)
def test_what_is_small_has_no_coarser_version(shape: tuple[int, ...]) -> None:
    assert coarser(Signal(values=np.zeros((*shape, 1), np.float32), kind=SignalKind.ARRAY)) == []


def test_a_short_axis_stays() -> None:
    ((version, _),) = coarser(Signal(values=np.zeros((10, 128, 48, 1), np.float32), kind=SignalKind.ARRAY))
    assert version.grid_shape == (10, 64, 24)


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_a_fit_that_begins_on_them_is_ahead_and_tells_the_loss_of_all_samples(prior: float) -> None:
    signal = picture()
    plain, ahead = (
        fit(signal, replace(config, trainer=replace(config.trainer, prior=prior)))  # type: ignore[arg-type]
        for config in (UNCHANGED, CONFIG)
    )
    assert ahead.history[0] < 0.5 * plain.history[0]
    assert len(ahead.history) == 3
    values = ahead.network(torch.tensor(Grid(signal.grid_shape, ahead.network.period).coords())).detach().numpy()
    assert ahead.history[-1] == pytest.approx(np.mean((values - signal.values.reshape(-1, 2)) ** 2), rel=1e-3)


@pytest.mark.usefixtures("of_any_size")
def test_a_fit_does_not_learn_from_what_is_held_out() -> None:
    signal, held_out = picture(), np.random.default_rng(1).random((36, 30)) < 0.1
    other = replace(signal, values=np.where(held_out[..., None], 0.0, signal.values).astype(np.float32))
    assert fit(signal, CONFIG, held_out=held_out).history == fit(other, CONFIG, held_out=held_out).history
    assert fit(signal, CONFIG).history != fit(other, CONFIG).history


@pytest.mark.usefixtures("of_any_size")
def test_a_fit_that_goes_on_does_not_begin_again() -> None:
    captured: list[FitState] = []

    def after_first(progress: Progress) -> Verdict:
        captured.append(progress.capture())
        return Verdict.CONTINUE

    whole = fit(picture(), CONFIG, on_step=after_first)
    resumed = fit(picture(), CONFIG, resume=captured[0])
    assert resumed.history == whole.history


@pytest.mark.usefixtures("of_any_size")
def test_a_batch_is_separate_fits() -> None:
    signals = [picture((32, 32), turn=0.4 * i) for i in range(3)]
    for result, signal in zip(fit_batch(signals, CONFIG), signals, strict=True):
        assert isinstance(result, FitResult)
        assert result.history == fit(signal, CONFIG).history


def test_a_small_signal_is_fitted_as_ever() -> None:
    assert fit(picture(), CONFIG).history == fit(picture(), UNCHANGED).history
