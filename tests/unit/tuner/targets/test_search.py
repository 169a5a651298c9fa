"""A search of either kind can be stopped and resumed anywhere, and ends with the same file."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.signals import blob
from tests.unit.tuner.targets.cases import COLOURS, NOISE, PICTURE, WAVES, base, picture, sines, wavelets
from tuner.codec.decode import decode
from tuner.errors import StateMismatch
from tuner.fit.progress import Progress, Verdict
from tuner.fit.state import FitState
from tuner.signal.array import array_signal
from tuner.signal.signal import SampleFormat, Signal
from tuner.targets.ask import Ask, SinesAsk
from tuner.targets.request import ask_for
from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind


class Recorder:
    """Keeps the checkpoint of every step, and stops at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.states: list[FitState] = []
        self.totals: list[int] = []
        self._stop_at = stop_at

    def __call__(self, progress: Progress) -> Verdict:
        self.states.append(FitState.from_bytes(progress.capture().to_bytes()))
        self.totals.append(progress.total_steps)
        assert self.states[-1].step == progress.step
        return Verdict.STOP if progress.step == self._stop_at else Verdict.CONTINUE


# So smooth that its integers are too large for weights that learn: a network that learns nothing follows.
SMOOTH = array_signal(blob((48, 56))[..., 0])


# Of sines, each takes several networks; of wavelets, one goes on, and one learns nothing.
SEARCHES: dict[str, tuple[Signal, Ask]] = {
    "sines, bytes": (WAVES, sines(WAVES, "bytes", 500, steps=5)),
    "sines, short": (NOISE, sines(NOISE, "psnr_db", 30.0, steps=4)),
    "sines, pilot": (COLOURS, sines(COLOURS, "psnr_db", 32.0, steps=14)),
    "sines, goes on": (
        WAVES,
        SinesAsk(
            config=replace(base(WAVES, 6), network=replace(base(WAVES).network, frequencies=30, hidden=(12,))),
            target=Target(TargetKind.PSNR_DB, 27.5),
            free_size=False,
        ),
    ),
    "wavelets, one fit": (PICTURE, wavelets("bytes", 1500, steps=16)),
    "wavelets, goes on": (SMOOTH, wavelets("bytes", 350, steps=6, trials=3, signal=SMOOTH)),
    "wavelets, exact": (SMOOTH, wavelets("bytes", 4000, steps=8, trials=3, signal=SMOOTH)),
}


@cache
def uninterrupted(name: str) -> tuple[TargetResult, Recorder]:
    """A search to its end, and what it kept on the way."""
    recorder = Recorder()
    return fit_to_target(*SEARCHES[name], on_step=recorder), recorder


@pytest.mark.long
@pytest.mark.parametrize("name", SEARCHES)
def test_resumed_anywhere_it_ends_with_the_same_bytes(name: str) -> None:
    whole = uninterrupted(name)[0]
    first = whole.trials[0].steps
    resumed_ends_the_same(name, {1, first, 2 * first + 1, whole.steps - 1} & set(range(1, whole.steps + 1)))


@pytest.mark.parametrize("name", SEARCHES)
def test_resumed_in_its_second_network_it_ends_with_the_same_bytes(name: str) -> None:
    whole = uninterrupted(name)[0]
    resumed_ends_the_same(name, {min(whole.trials[0].steps + 1, whole.steps)})


def resumed_ends_the_same(name: str, steps: set[int]) -> None:
    """Continue a search from what it kept after each of the steps, and compare everything that it says."""
    signal, ask = SEARCHES[name]
    whole, recorder = uninterrupted(name)
    assert [state.step for state in recorder.states] == list(range(1, whole.steps + 1))
    assert all(state.step <= total for state, total in zip(recorder.states, recorder.totals, strict=True))
    for step in steps:
        again = Recorder()
        resumed = fit_to_target(signal, ask, resume=recorder.states[step - 1], on_step=again)
        assert [state.step for state in again.states] == list(range(step + 1, whole.steps + 1)), "nothing is done twice"
        assert resumed.content == whole.content, step
        assert [trial.network for trial in resumed.trials] == [trial.network for trial in whole.trials]
        assert (resumed.steps, resumed.outcome, resumed.sentence) == (whole.steps, whole.outcome, whole.sentence)


@pytest.mark.parametrize("kind", ["sines", "wavelets"])
def test_searches_that_go_on_and_that_begin_anew_are_among_the_tests(kind: str) -> None:
    found = [uninterrupted(name)[0].trials[1:] for name in SEARCHES if name.startswith(kind)]
    assert {trial.goes_on for trials in found for trial in trials} == {False, True}


ASKS: dict[str, tuple[Signal, Signal, Ask, Ask]] = {
    "sines": (WAVES, COLOURS, sines(WAVES, "bytes", 500), sines(WAVES, "bytes", 501)),
    "wavelets": (PICTURE, picture((48, 64)), wavelets("bytes", 1500), wavelets("bytes", 1501)),
}


@pytest.mark.parametrize("kind", ASKS)
def test_a_stopped_search_has_no_file_and_others_no_use_for_its_state(kind: str) -> None:
    signal, other_signal, ask, other_ask = ASKS[kind]
    recorder = Recorder(stop_at=3)
    result = fit_to_target(signal, ask, on_step=recorder)
    assert (result.content, result.outcome, len(recorder.states)) == (None, TargetOutcome.STOPPED, 3)
    with pytest.raises(StateMismatch, match="another request"):
        fit_to_target(signal, other_ask, resume=recorder.states[0])
    with pytest.raises(StateMismatch):
        fit_to_target(other_signal, ask, resume=recorder.states[0])


# Beside a largest sample of 1 next to nothing, of which so few steps keep nothing.
QUIET = replace(NOISE, values=np.float32(1e-9) * NOISE.values, sample_format=SampleFormat.F32)


@pytest.mark.parametrize("kind", ["sines", "wavelets"])
@pytest.mark.parametrize("target", [None, Target(TargetKind.PSNR_DB, 200.0)], ids=str)
def test_what_is_nearer_than_a_psnr_tells_is_not_called_exact(kind: str, target: Target | None) -> None:
    result = fit_to_target(QUIET, ask_for(QUIET, "fast", target, kind=kind, steps=2, trials=1))
    assert result.content is not None
    assert not np.array_equal(decode(result.content).render().values, QUIET.values)
    assert result.sentence.endswith("The error is smaller than a PSNR can tell.")


def test_a_largest_error_that_is_missed_is_advised_on_however_small_it_is() -> None:
    ask = ask_for(QUIET, "fast", Target(TargetKind.MAX_ERROR, 1e-12), kind="sines", steps=2, trials=1)
    assert "To come closer" in fit_to_target(QUIET, ask).sentence
