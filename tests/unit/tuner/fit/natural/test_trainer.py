"""The default trainer on small signals: what it promises at every step, and on the signals that break trainers."""

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
import pytest
import torch

from tuner.errors import StateMismatch
from tuner.fit.config import Budget, FitConfig, NaturalGradientConfig
from tuner.fit.natural.fourier import FourierLine
from tuner.fit.natural.samples import grid_sweeps, scattered_sweeps
from tuner.fit.natural.trainer import NaturalGradientTrainer
from tuner.fit.progress import Progress, Verdict
from tuner.fit.sines.fit import fit
from tuner.fit.sines.module import SineNetwork
from tuner.fit.state import FitState
from tuner.network.sines.config import NetworkConfig
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal


def picture(height: int = 24, width: int = 20, channels: int = 3) -> Signal:
    """Smooth shapes with an edge and a little noise."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    layers = [0.5 + 0.3 * np.sin(5 * x + c) * np.cos(4 * y * (c + 1)) + 0.2 * (x + y > 1.1) for c in range(channels)]
    noise = np.random.default_rng(0).normal(0, 0.02, (height, width, channels))
    return Signal(values=np.clip(np.stack(layers, -1) + noise, 0, 1).astype(np.float32))


def config(hidden: tuple[int, ...] = (16,), steps: int = 12, **trainer: float) -> FitConfig:
    return FitConfig(
        network=NetworkConfig(frequencies=24, hidden=hidden, low_limit=0.15),
        budget=Budget(max_steps=steps),
        trainer=NaturalGradientConfig(**trainer),  # type: ignore[arg-type]
    )


def trainer_for(signal: Signal, settings: FitConfig) -> NaturalGradientTrainer:
    assert isinstance(settings.trainer, NaturalGradientConfig)
    network = SineNetwork.initial(
        settings.network, Grid(signal.grid_shape, settings.network.period), signal.channels, settings.seed
    )
    return NaturalGradientTrainer(network, grid_sweeps(network, signal, settings.trainer), settings.trainer)


def exact_mse(network: SineNetwork, signal: Signal) -> float:
    coords = torch.tensor(Grid(signal.grid_shape, network.period).coords())
    with torch.no_grad():
        values = network(coords).numpy().astype(np.float64)
    return float(np.mean((values - signal.values.reshape(values.shape)) ** 2))


@pytest.mark.parametrize("hidden", [(16,), (12, 10), (10, 8, 8)], ids=str)
@pytest.mark.parametrize("phases", [False, True])
def test_every_step_lowers_the_loss_within_the_bounds(hidden: tuple[int, ...], phases: bool) -> None:
    signal = picture()
    trainer = trainer_for(signal, replace(config(hidden), trainer=NaturalGradientConfig(train_phases=phases)))
    before = trainer.network.phases_M.detach().clone()
    losses = []
    for _ in range(15):
        losses.append(trainer.step())
        assert losses[-1] == pytest.approx(exact_mse(trainer.network, signal), rel=1e-3)
        for layer in trainer.network.layers:
            assert layer.bounds_M is not None
            assert bool((layer.weight_HM.abs() <= layer.bounds_M).all())
    assert all(later <= earlier for earlier, later in pairwise(losses))
    assert losses[-1] < 0.5 * losses[0]
    assert bool((trainer.network.phases_M == before).all()) is not phases


def test_bounds_are_reached_and_respected() -> None:
    signal = picture()
    tight = replace(config(), network=replace(config().network, bound_low=0.2, bound_high=0.1))
    trainer = trainer_for(signal, tight)
    losses = [trainer.step() for _ in range(10)]
    (layer,) = trainer.network.layers
    assert layer.bounds_M is not None
    touching = layer.weight_HM.abs() == layer.bounds_M
    assert bool(touching.any())
    assert bool((layer.weight_HM.abs() <= layer.bounds_M).all())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("train_phases", [False, True])
def test_scattered_samples_of_a_grid_give_the_same_fit(train_phases: bool) -> None:
    signal, settings = picture(), NaturalGradientConfig(train_phases=train_phases)
    on_grid = trainer_for(signal, replace(config(), trainer=settings))
    network = trainer_for(signal, config()).network
    coords = torch.tensor(Grid(signal.grid_shape, network.period).coords())
    values = torch.tensor(signal.values).reshape(-1, signal.channels)
    scattered = NaturalGradientTrainer(network, scattered_sweeps(network, coords, values, settings), settings)
    for _ in range(3):
        assert scattered.step() == pytest.approx(on_grid.step(), rel=2e-2)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("shape", [(40,), (9, 8, 7)], ids=str)
def test_any_channels_and_dimensions(shape: tuple[int, ...], channels: int) -> None:
    random = np.random.default_rng(1)
    values = np.cumsum(random.normal(0, 0.1, (prod(shape), channels)), 0).reshape(*shape, channels)
    trainer = trainer_for(Signal(values=values.astype(np.float32)), config())
    losses = [trainer.step() for _ in range(6)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("width", "lines"), [(32, 32), (600, 4), (3000, 1), (2000, 2)])
def test_a_tile_has_several_lines_of_a_picture_unless_they_are_long(width: int, lines: int) -> None:
    """A series along the first axis is one product for all lines of a tile, and slow for one."""
    picture = Signal(values=np.zeros((64, width, 1), dtype=np.float32))
    network = SineNetwork.initial(NetworkConfig(frequencies=200, hidden=(256,)), Grid((64, width), 2.5), 1, 0)
    sines = grid_sweeps(network, picture, NaturalGradientConfig()).sines
    assert sines.tiles[0].box[0] == slice(0, lines)


def test_a_long_line_is_fitted_by_transforms() -> None:
    time = np.linspace(0, 1, 2000, dtype=np.float32)
    chirp = Signal(values=(0.5 * np.sin(40 * time + 300 * time**2))[:, None].astype(np.float32))
    settings = replace(config(), network=NetworkConfig(frequencies=260, hidden=(16,)))
    assert isinstance(settings.trainer, NaturalGradientConfig)
    trainer = trainer_for(chirp, settings)
    assert isinstance(grid_sweeps(trainer.network, chirp, settings.trainer).sines, FourierLine)
    losses = [trainer.step() for _ in range(5)]
    assert losses[-1] == pytest.approx(exact_mse(trainer.network, chirp), rel=1e-2)
    assert losses[-1] < 0.5 * losses[0]


def test_resume_ends_with_the_same_bytes() -> None:
    signal, settings = picture(), config(steps=8)
    states: list[bytes] = []

    def watch(progress: Progress) -> Verdict:
        states.append(progress.capture().to_bytes())
        return Verdict.CONTINUE

    whole = fit(signal, settings, on_step=watch)
    for step in (1, 5):
        resumed = fit(signal, settings, resume=FitState.from_bytes(states[step - 1]))
        assert resumed.history == whole.history
        for name, tensor in whole.network.state_dict().items():
            assert tensor.numpy().tobytes() == resumed.network.state_dict()[name].numpy().tobytes(), name


def test_a_checkpoint_of_another_network_is_refused() -> None:
    wide = trainer_for(picture(), config((20,)))
    with pytest.raises(StateMismatch, match=r"point\.layer\.0"):
        trainer_for(picture(), config((16,))).load_tensors(wide.tensors())


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(fit(picture(64, 48), config((32,), steps=4)).history)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


FLAT = np.full((12, 10, 3), 0.25, dtype=np.float32)
CHECKERS = (np.indices((16, 16)).sum(0) % 2)[..., None].astype(np.float32)
NOISE = np.random.default_rng(2).random((16, 16, 3)).astype(np.float32)
ROW = np.linspace(0, 1, 30, dtype=np.float32).reshape(1, 30, 1)
POINT = np.full((1, 1, 3), 0.5, dtype=np.float32)


@pytest.mark.parametrize(
    ("values", "least_db"),
    [(FLAT, 100), (np.zeros_like(FLAT), 100), (CHECKERS, 6.5), (NOISE, 13), (ROW, 45), (POINT, 100)],
    ids=["constant", "black", "checkerboard", "noise", "row", "point"],
)
def test_degenerate_pictures_end_with_a_sentence(values: FloatArray, least_db: float) -> None:
    budget = Budget(max_steps=30, target_psnr_db=60.0, plateau_steps=10)
    result = fit(Signal(values=values), replace(config(steps=30), budget=budget))
    assert all(np.isfinite(result.history))
    assert all(later <= earlier for earlier, later in pairwise(result.history))
    assert result.psnr_db > least_db
    assert result.outcome.advice
    for parameter in result.network.parameters():
        assert bool(torch.isfinite(parameter).all())
