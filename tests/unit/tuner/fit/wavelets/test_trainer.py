"""The trainer of wavelets between two steps: what it rounds, what it keeps, and what it refuses to go on from."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import SMALL, picture
from tuner.errors import StateMismatch
from tuner.fit.config import Budget
from tuner.fit.deadline import Deadline
from tuner.fit.progress import Clock
from tuner.fit.trainer import Trainer
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.trainer import WaveletTrainer


def trainer(config: WaveletConfig = SMALL, steps_of: int = 40, taken: int = 0) -> tuple[WaveletTrainer, Clock]:
    """One of a small picture, after some steps."""
    clock = Clock(Budget(max_steps=steps_of))
    made = WaveletTrainer(picture((24, 20)), config, None, clock)
    for _ in range(taken):
        made.step()
        clock.tick(0.0)
    return made, clock


def test_it_is_a_trainer_whose_error_falls() -> None:
    # Of a size, the error may rise until the file is as small as was asked for.
    plenty = replace(SMALL, bits_per_sample=None, psnr_db=45.0)
    made, _ = trainer(plenty)
    assert isinstance(made, Trainer)
    first = made.finish()
    made, _ = trainer(plenty, taken=40)
    assert made.finish() == made.network.mse < first


@pytest.mark.parametrize("taken", [0, 3, 35])
def test_finishing_and_rounding_change_no_later_step(taken: int) -> None:
    (one, _), (other, _) = trainer(taken=taken), trainer(taken=taken)
    one.finish()
    for shift in (0.0, 0.3, 2.0, -0.3):
        if taken:
            one.rounded(shift)
    assert one.step() == other.step()
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


def test_the_network_is_that_of_the_last_step() -> None:
    made, clock = trainer(taken=3)
    before = made.network
    assert made.network is before
    made.step()
    clock.tick(0.0)
    assert made.network is not before


def test_a_shift_trades_size_for_quality() -> None:
    made, _ = trainer(taken=40)
    sums = [
        sum(int(np.abs(codes).sum()) for codes in made.rounded(shift).parameters.latents) for shift in (-0.5, 0.0, 0.5)
    ]
    assert sums == sorted(sums, reverse=True)
    assert made.rounded(0.5).mse > made.rounded(-0.5).mse


def test_weights_are_rounded_in_the_last_share_of_the_clock() -> None:
    quarter = replace(SMALL, rounded_share=0.25)
    for taken, rounds in ((30, False), (31, True)):
        made, _ = trainer(quarter, taken=taken)
        assert (len(made.tensors()["step_sizes"]) > 0) == rounds, taken


def test_tensors_of_another_network_are_refused_by_name() -> None:
    made, _ = trainer()
    tensors = made.tensors()
    with pytest.raises(StateMismatch, match=r"nothing as weights\.0"):
        made.load_tensors({name: tensor for name, tensor in tensors.items() if name != "weights.0"})
    with pytest.raises(StateMismatch, match=r"\(3,\) as latents\.1"):
        made.load_tensors({**tensors, "latents.1": torch.zeros(3)})


@pytest.mark.parametrize(("psnr_db", "bits"), [(40.0, None), (None, 4.0)], ids=["a quality", "a size"])
def test_after_the_deadline_a_network_that_learns_nothing_is_prepared_without_a_search(
    psnr_db: float | None, bits: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two analyses of the samples and hardly a pass over them are left; with time there are ten and some tens."""
    counts = {"analyse": 0, "show_fields": 0}

    def counted(of: type, name: str) -> None:
        original = getattr(of, name)

        def count(*arguments: Any) -> Any:
            counts[name] += 1
            return original(*arguments)

        monkeypatch.setattr(of, name, count)

    counted(Subbands, "analyse")
    counted(GridPasses, "show_fields")
    config = replace(SMALL, learned=False, steps=1, psnr_db=psnr_db, bits_per_sample=bits)
    clock = Clock(Budget(max_steps=1))
    spent = Deadline(1.0, now=iter(range(10_000)).__next__)
    late = WaveletTrainer(picture((24, 20)), config, None, clock, spent)
    late.step()
    assert counts["analyse"] == 2
    assert counts["show_fields"] <= 3
    network, within = late.network, dict(counts)
    made = WaveletTrainer(picture((24, 20)), config, None, clock)
    made.step()
    assert counts["analyse"] - within["analyse"] == 10
    assert network.psnr_db > 20.0
