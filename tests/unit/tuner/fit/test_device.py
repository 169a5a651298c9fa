"""Every trainer on a second device: the same numbers, nothing left on the CPU, and few waits in a step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.device import NAME, Elsewhere, MixedDevices, second_device, waits
from tests.signals import torus
from tuner.fit import Budget, FitConfig, FitResult, fit, fit_batch
from tuner.fit.config import EikonalConfig, FirstOrderConfig, NaturalGradientConfig, Rule, Schedule, WatchConfig
from tuner.network.sines.config import NetworkConfig
from tuner.signal.mesh import distance_signal
from tuner.signal.signal import Signal

Fitted = Callable[[str, int], list[FitResult]]

NATURAL = NaturalGradientConfig()
ADAM = FirstOrderConfig(learning_rate=2e-2, batch_samples=60)
TURNING = replace(NATURAL, train_phases=True)
SHORT, LONG = 3, 5  # steps
RING = torus()
FIELD = distance_signal(RING, 10)


def picture(shape: tuple[int, ...] = (18, 14), turn: int = 0) -> Signal:
    """A few waves in two channels."""
    axes = np.meshgrid(*(np.linspace(0, 1, side) for side in shape), indexing="ij")
    phase = sum((3 + 2 * turn + d) * axis for d, axis in enumerate(axes))
    values = 0.5 + 0.4 * np.sin(phase)[..., None] * np.array([1.0, 0.5])
    return Signal(values=values.astype(np.float32))


def configured(trainer: FirstOrderConfig | NaturalGradientConfig | EikonalConfig, steps: int) -> FitConfig:
    network = NetworkConfig(frequencies=20, hidden=(12, 9), low_limit=0.15)
    return FitConfig(network=network, trainer=trainer, budget=Budget(max_steps=steps), seed=1)


def alone(
    trainer: FirstOrderConfig | NaturalGradientConfig | EikonalConfig,
    shape: tuple[int, ...] = (18, 14),
    watch: WatchConfig | None = None,
) -> Fitted:
    return lambda device, steps: [fit(picture(shape), replace(configured(trainer, steps), watch=watch), device=device)]


def eikonal(device: str, steps: int) -> list[FitResult]:
    trainer = EikonalConfig(start_steps=2, points=40)
    return [fit(FIELD, configured(trainer, steps), surface=RING, device=device)]


def coarsely(device: str, steps: int) -> list[FitResult]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.fit.natural.coarse.MIN_SAMPLES", 60)
        patch.setattr("tuner.fit.natural.coarse.MIN_AXIS", 4)
        unseen = np.arange(18 * 14).reshape(18, 14) % 11 == 0
        config = configured(replace(NATURAL, coarse_steps=2), steps)
        return [fit(picture(), config, device=device, held_out=unseen)]


def batched(device: str, steps: int) -> list[FitResult]:
    results = fit_batch([picture(turn=turn) for turn in range(3)], configured(NATURAL, steps), device=device)
    return [result for result in results if isinstance(result, FitResult)]


@dataclass(frozen=True, slots=True)
class Case:
    """A trainer in one regime, and how often one of its steps may wait."""

    fitted: Fitted
    waits: float


CASES = {
    "natural": Case(alone(NATURAL), 6),
    "natural, on a line": Case(alone(NATURAL, (120,)), 6),
    "natural, turning phases": Case(alone(TURNING), 7),
    "natural, turning phases on a line": Case(alone(TURNING, (120,)), 6),
    "natural, with a prior": Case(alone(replace(NATURAL, prior=1.0)), 10),
    "natural, on coarser samples first": Case(coarsely, 6),
    "natural, watched": Case(alone(NATURAL, watch=WatchConfig(share=0.1)), 15),
    "natural, a batch": Case(batched, 6),
    "first order": Case(alone(ADAM), 1),
    "first order, watched": Case(alone(ADAM, watch=WatchConfig(share=0.1)), 15),
    "first order, whole grid": Case(alone(replace(ADAM, batch_samples=None)), 1),
    "first order, on a line": Case(alone(ADAM, (120,)), 1),
    "first order, trained readout": Case(alone(replace(ADAM, solve_readout=False)), 1),
    "Muon": Case(alone(replace(ADAM, rule=Rule.MUON)), 1),
    "schedule-free": Case(alone(replace(ADAM, rule=Rule.SCHEDULE_FREE, schedule=Schedule.CONSTANT)), 1),
    "L-BFGS": Case(alone(FirstOrderConfig(rule=Rule.LBFGS, learning_rate=1.0, schedule=Schedule.CONSTANT)), 8),
    "eikonal": Case(eikonal, 2),
}


def torch_sines(z: Tensor, sine: Tensor, cosine: Tensor) -> None:
    torch.sin(z, out=sine)
    torch.cos(z, out=cosine)


@cache
def elsewhere(name: str) -> tuple[list[FitResult], dict[str, float]]:
    """Results of a short fit on the second device, and waits of one step by kind: those of a longer fit less these."""
    counts = []
    for steps in (SHORT, LONG):
        with second_device() as seen:
            results = CASES[name].fitted(NAME, steps)
            counts.append(dict(seen))
    kinds = {kind: (count - counts[0].get(kind, 0)) / (LONG - SHORT) for kind, count in counts[1].items()}
    return results, kinds


@pytest.mark.parametrize("name", CASES)
def test_a_fit_is_the_same_elsewhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mixed operation raises; what is computed is what the CPU computes, but for the sines that a GPU takes."""
    there, _ = elsewhere(name)
    monkeypatch.setattr("tuner.fit.natural.activations.sine_cosine", torch_sines)
    here = CASES[name].fitted("cpu", LONG)
    assert len(here) == len(there) > 0
    for own, other in zip(here, there, strict=True):
        assert own.history == other.history
        assert (own.steps, own.psnr_db, own.outcome) == (other.steps, other.psnr_db, other.outcome)
        tensors = other.network.state_dict()
        for key, tensor in own.network.state_dict().items():
            assert isinstance(tensors[key], Elsewhere), key
            assert torch.equal(tensor, tensors[key].held), key


@pytest.mark.parametrize("name", CASES)
def test_a_step_waits_no_more_often_than_promised(name: str) -> None:
    _, kinds = elsewhere(name)
    assert waits(kinds) <= CASES[name].waits, kinds


def test_what_a_gpu_refuses_is_refused() -> None:
    with second_device() as seen:
        there = torch.tensor([1.0, -2.0, 3.0], device=NAME)
        for mixed in (
            lambda: there + torch.ones(3),
            lambda: torch.ones(3).add_(there),
            lambda: torch.cat([there, torch.ones(1)]),
            lambda: there[torch.tensor([0, 2])],
            lambda: torch.mm(there[None], torch.ones(3, 1)),
        ):
            with pytest.raises(MixedDevices, match="second device"):
                mixed()  # type: ignore[no-untyped-call]
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert dict(seen) == {"upload": 1}


def test_each_wait_is_counted() -> None:
    with second_device() as seen:
        there = torch.tensor([1.0, -2.0, 3.0], device=NAME)
        waiting: dict[str, Callable[[], object]] = {
            "item": there.sum().item,
            "bool": lambda: bool((there > 0).any()),
            "list": there.tolist,
            "copy": there.cpu,
            "to": lambda: there.to("cpu", torch.float64),
            "into the CPU's": lambda: torch.zeros(3).copy_(there),
            "nonzero": (there > 0).nonzero,
            "mask": lambda: there[there > 0],
            "write by mask": lambda: there.clone().__setitem__(there > 0, 0.0),
            "unique": lambda: torch.unique(there),
            "eigenvalues": lambda: torch.linalg.eigh(torch.outer(there, there)),
        }
        for kind, wait in waiting.items():
            before = waits(seen)
            wait()
            assert waits(seen) == before + 1, kind
        before = waits(seen)
        (there * 2.0 + torch.tensor(1.0)).sin_().sum()
        there.add_(torch.ones(3, device=NAME))
        assert waits(seen) == before
        assert there.tolist() == [2.0, -1.0, 4.0]
