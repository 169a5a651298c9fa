"""Coarser versions of a grid's samples, and fits that begin on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.signals import torus
from tuner.errors import ConfigError
from tuner.fit import Budget, FitConfig, FitResult, fit, fit_batch
from tuner.fit.config import EikonalConfig, NaturalGradientConfig
from tuner.fit.natural.coarse import MIN_AXIS, MIN_SAMPLES, coarser
from tuner.fit.natural.descent import Descent
from tuner.fit.natural.samples import grid_sweeps
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.natural.trainer import starting_point
from tuner.fit.progress import Progress, Verdict
from tuner.fit.sines.module import SineNetwork
from tuner.fit.state import FitState
from tuner.network.sines.config import NetworkConfig
from tuner.shapes import BoolArray, FloatArray
from tuner.signal.grid import Grid
from tuner.signal.kind import SignalKind
from tuner.signal.mesh import distance_signal
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


@pytest.mark.parametrize(
    ("shape", "coarse"),
    [
        ((256, 384), [(128, 192)]),
        ((400, 520), [(100, 130), (200, 260)]),
        ((44, 40, 48), [(22, 20, 24)]),
        ((400_000,), [(25_000,), (100_000,)]),
    ],
    ids=str,
)
def test_samples_lie_at_the_middle_of_their_cells(shape: tuple[int, ...], coarse: list[tuple[int, ...]]) -> None:
    versions = coarser(Signal(values=places(shape), kind=SignalKind.ARRAY))
    assert [version.grid_shape for version, _ in versions] == coarse
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


@pytest.mark.parametrize("shape", [(127, 128), (4 * MIN_SAMPLES - 1,), (2 * MIN_AXIS - 1,) * 3], ids=str)
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
def test_the_prior_sleeps_until_all_samples_are_seen() -> None:
    """On few samples it is strong; and it has no strength before the first step on all of them has ended."""
    histories = [
        fit(picture(), replace(CONFIG, trainer=NaturalGradientConfig(coarse_steps=3, prior=prior))).history
        for prior in (0.5, 30.0)
    ]
    assert histories[0][:2] == histories[1][:2]
    assert histories[0][2] != histories[1][2]


@pytest.mark.usefixtures("of_any_size")
def test_each_version_goes_on_with_the_previous_step_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []
    directions = Descent._directions

    def seen(self: Descent) -> object:
        asked.append((self._sweeps.samples, self._moved))
        return directions(self)

    monkeypatch.setattr(Descent, "_directions", seen)
    fit(picture(), replace(CONFIG, budget=Budget(max_steps=2)))
    versions = [9 * 7] * 3 + [18 * 15] * 3 + [36 * 30]
    assert asked == list(zip(versions, [False, *[True] * 6], strict=True))


@pytest.mark.usefixtures("of_any_size")
def test_a_fit_does_not_learn_from_what_is_held_out() -> None:
    signal, held_out = picture(), np.random.default_rng(1).random((36, 30)) < 0.1
    other = replace(signal, values=np.where(held_out[..., None], 0.0, signal.values).astype(np.float32))
    learnt = fit(signal, CONFIG, held_out=held_out)
    assert learnt.history == fit(other, CONFIG, held_out=held_out).history
    assert fit(signal, CONFIG).history != fit(other, CONFIG).history
    assert learnt.held_out_psnr_db is not None
    assert learnt.held_out_psnr_db > 25.0


@pytest.mark.usefixtures("of_any_size")
def test_cells_that_nothing_is_known_of_weigh_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    signal, held_out = picture(), np.zeros((36, 30), np.bool_)
    held_out[4:16, 8:20] = True
    plain = fit(signal, CONFIG, held_out=held_out).history

    def filled(signal: Signal, held_out: BoolArray | None) -> list[tuple[Signal, BoolArray | None]]:
        return [
            (replace(version, values=np.where(hidden[..., None], np.float32(9.0), version.values)), hidden)
            for version, hidden in coarser(signal, held_out)
            if hidden is not None
        ]

    monkeypatch.setattr("tuner.fit.natural.samples.coarser", filled)
    assert fit(signal, CONFIG, held_out=held_out).history == plain


@pytest.mark.usefixtures("of_any_size")
def test_steps_on_coarser_samples_are_a_step_of_their_own() -> None:
    one, two = (fit(picture(), replace(CONFIG, budget=Budget(max_steps=steps))) for steps in (1, 2))
    assert len(one.history) == 1
    assert one.history[0] == two.history[0] > two.history[1]


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize("samples", [18 * 15, 36 * 30])
def test_a_step_without_memory_begins_anew(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    """Else its coarser versions would be learnt from twice."""
    plain = fit(picture(), CONFIG).history
    advance = Descent._advance
    failed: list[bool] = []

    def without_memory_once(self: Descent) -> None:
        if self._sweeps.samples == samples and not failed:
            failed.append(True)
            raise MemoryError
        advance(self)

    monkeypatch.setattr(Descent, "_advance", without_memory_once)
    assert fit(picture(), CONFIG).history == pytest.approx(plain, rel=0.02)
    assert failed


@pytest.mark.usefixtures("of_any_size")
def test_members_that_are_kept_before_the_first_step_have_their_own_losses() -> None:
    grid, settings = Grid((36, 30), CONFIG.network.period), NaturalGradientConfig()
    signals = [picture(), picture(turn=1.0)]
    network = SineNetwork.initial(CONFIG.network, grid, 2, 0)
    one = grid_sweeps(network, signals[0], settings, members=2)
    targets = torch.stack([one.sines.arrange(torch.tensor(signal.values)) for signal in signals])

    def descent() -> Descent:
        sweeps = Sweeps(one.sines, targets, one.widths, keep=False, threads=1)
        return Descent(sweeps, starting_point([network, network]), [network.layers[0].bounds_M], settings)

    turned = descent()
    turned.keep(torch.tensor([1, 0]))
    assert turned.losses.tolist() == descent().losses.tolist()[::-1]


@pytest.mark.usefixtures("of_any_size")
def test_a_surface_without_steps_of_the_start_has_none_on_coarser_versions() -> None:
    ring = torus()
    field = distance_signal(ring, 16)

    def losses(coarse_steps: int) -> tuple[float, ...]:
        start = NaturalGradientConfig(coarse_steps=coarse_steps)
        trainer = EikonalConfig(start=start, start_steps=0, points=40)
        return fit(field, replace(CONFIG, trainer=trainer), surface=ring).history

    assert losses(3) == losses(0)


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="coarse_steps is -1, expected 0 or more"):
        NaturalGradientConfig(coarse_steps=-1)


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
