"""The learning rate follows its schedule: constant, or half a cosine down to a hundredth."""

from collections.abc import Callable

import pytest
import torch

from tests.cases import colours
from tests.unit.tuner.experiment.worlds import colour_samples, recipe
from tuner.experiment.methods import REGIMES, Regime, make_network
from tuner.experiment.training import train
from tuner.fit.config import FirstOrderConfig, Schedule
from tuner.fit.first_order.blocks import SignalBlocks
from tuner.fit.first_order.optimizers import Adam
from tuner.fit.first_order.trainer import FirstOrderTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

STEPS = 10


def by_a_fit(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    rates: list[float] = []
    taken = Adam.step

    def step(self: Adam, slope: Callable[[], tuple[float, list[torch.Tensor]]], rate: float) -> float:
        rates.append(rate)
        return taken(self, slope, rate)

    monkeypatch.setattr(Adam, "step", step)
    signal, grid = Signal(values=colours()), Grid((24, 40), 2.5)
    network = SineNetwork.initial(NetworkConfig(frequencies=12, hidden=(6,)), grid, 3, seed=0)
    config = FirstOrderConfig(learning_rate=1e-2, schedule=schedule)
    blocks = SignalBlocks(signal, grid, torch.device("cpu"))
    trainer = FirstOrderTrainer(network, blocks, config, total_steps=STEPS, seed=0)
    for _ in range(STEPS + 1):
        trainer.step()
    return rates


def by_an_experiment(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    rates: list[float] = []
    taken = torch.optim.Adam.step

    def step(self: torch.optim.Adam) -> None:
        rates.append(min(group["lr"] for group in self.param_groups))
        taken(self)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    network = make_network(REGIMES[Regime.FIXED_BOUNDS], colour_samples().grid, 3, widths=(12, 6), seed=0)
    settings = {"learning_rate": 1e-2, "schedule": schedule}
    train(network, colour_samples(), recipe(STEPS, **settings), seed=0)  # type: ignore[arg-type]
    return rates


@pytest.mark.parametrize("record", [by_a_fit, by_an_experiment])
def test_the_rate_follows_its_schedule(
    record: Callable[[Schedule, pytest.MonkeyPatch], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        assert record(Schedule.CONSTANT, patch)[:STEPS] == [pytest.approx(1e-2)] * STEPS
    rates = record(Schedule.COSINE, monkeypatch)
    assert rates[0] == pytest.approx(1e-2)
    assert rates[STEPS // 2] == pytest.approx(1e-2 * (0.01 + 0.99 / 2))
    assert rates[:STEPS] == sorted(rates[:STEPS], reverse=True)
    if len(rates) > STEPS:
        assert rates[STEPS] == pytest.approx(1e-4)
