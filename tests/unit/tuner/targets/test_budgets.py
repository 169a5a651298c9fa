"""Limits of steps, seconds and trials hold for both kinds of network, with and without a target: refused, or kept."""

from typing import Any

import numpy as np
import pytest

from tuner.codec.decode import decode
from tuner.errors import ConfigError
from tuner.fit.deadline import Deadline
from tuner.fit.progress import Progress, Verdict
from tuner.signal.given import signal_of
from tuner.signal.signal import Signal
from tuner.targets.ask import NetworkKind
from tuner.targets.floor import FLOOR_BYTES, SLACK, least_work
from tuner.targets.request import ask_for
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target

TARGETS = (None, "bytes=400", "bits_per_sample=9", "psnr=28", "error=0.2", "seconds=9")
CASES = [
    (kind, target)
    for kind in NetworkKind
    for target in TARGETS
    if (kind, target) != (NetworkKind.WAVELETS, "error=0.2")  # which knows the mean of its errors alone
]
of_each = pytest.mark.parametrize(("kind", "target"), CASES)


class Counted:
    """A clock that moves on by a second whenever somebody looks at it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


@pytest.mark.parametrize("kind", NetworkKind)
@pytest.mark.parametrize("target", ["bytes=10", "bytes=49", "bits=0.1"])
def test_a_size_below_any_file_is_refused_without_a_fit(kind: NetworkKind, target: str) -> None:
    with pytest.raises(ConfigError, match=r"no file has at most \d+ bytes: ask for more, about 100 at least"):
        ask_for(_signal(), target=Target.parse(target), kind=kind)


def test_no_file_is_smaller_than_what_is_refused() -> None:
    """The smallest signal, in the smallest network of the kind that has the smaller files."""
    least = signal_of(np.zeros((4, 4, 4), np.uint8))
    ask = ask_for(least, "fast", Target.parse("bytes=70"), kind=NetworkKind.SINES, steps=2)
    found = fit_to_target(least, ask)
    assert FLOOR_BYTES < len(found.content or b"") <= 70


def _signal() -> Signal:
    y, x = np.mgrid[0:16, 0:16] / 16.0
    values = np.stack([np.sin(9 * x * y) * 0.5 + 0.5, (x + y) / 2, np.cos(20 * x) * 0.4 + 0.5], axis=-1)
    return Signal(values=values.astype(np.float32))


def _target(text: str | None) -> Target | None:
    return None if text is None else Target.parse(text)


@of_each
@pytest.mark.parametrize("limit", [{"steps": 0}, {"steps": -1}, {"seconds": 0.0}, {"seconds": -1.0}, {"trials": 0}])
def test_a_limit_of_nothing_is_refused(kind: NetworkKind, target: str | None, limit: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"expected"):
        ask_for(_signal(), "fast", _target(target), kind=kind, **limit)


@of_each
def test_seconds_in_which_no_file_can_be_made_are_refused_with_those_that_are_enough(
    kind: NetworkKind, target: str | None
) -> None:
    signal = _signal()
    with pytest.raises(ConfigError, match=r"the limit is 0\.001 seconds, expected at least") as refused:
        ask_for(signal, "fast", _target(target), kind=kind, seconds=1e-3)
    named = float(str(refused.value).split("expected at least ")[1].split(":")[0])
    ask = ask_for(signal, "fast", _target(target), kind=kind, seconds=named)
    assert least_work(ask, signal) <= SLACK * named


@of_each
def test_after_the_deadline_one_step_is_taken_and_a_valid_file_is_made(kind: NetworkKind, target: str | None) -> None:
    signal, taken = _signal(), []

    def count(progress: Progress) -> Verdict:
        taken.append(progress.step)
        return Verdict.CONTINUE

    ask = ask_for(signal, "fast", _target(target), kind=kind, seconds=1.0)
    found = fit_to_target(signal, ask, on_step=count, deadline=Deadline(1.0, now=Counted()))

    assert len(taken) == 1
    assert len(found.trials) == 1
    assert found.content is not None
    assert decode(found.content).grid_shape == signal.grid_shape


def test_a_deadline_counts_from_when_it_was_made_and_what_was_spent_before_an_interruption() -> None:
    deadline = Deadline(10.0, now=Counted())
    assert deadline.left == 9.0
    deadline.resume(5.0)
    assert deadline.left == 3.0
    assert deadline.earlier(2.5).is_over
    assert not Deadline(None, now=Counted()).is_over
