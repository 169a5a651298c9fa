"""A search goes through a checkpoint whole, in the class of trials that it plans by."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.unit.tuner.targets.cases import PICTURE, WAVES, sines, wavelets
from tuner.errors import StateMismatch
from tuner.fit.state import FitState
from tuner.targets.ask import SinesAsk, WaveletsAsk
from tuner.targets.sines.plan import SinesTrial
from tuner.targets.sines.strategy import SinesStrategy
from tuner.targets.state import SearchState
from tuner.targets.strategy import Strategy
from tuner.targets.trial import Trial
from tuner.targets.wavelets.strategy import WaveletsStrategy, WaveletsTrial

FIT = FitState(config="c", signal="s", step=3, seconds=1.5, history=(0.5, 0.2, 0.1), tensors={"w": torch.arange(4.0)})
SHOWN = {"weights": 50, "steps": 5, "max_steps": 9, "seconds": 2.5, "work": 7.0, "psnr_db": 31.0, "file_bytes": 70}
SINES = SinesTrial(network=(8, 4), **SHOWN, late_gain_db=0.5, peak=3.0, loss_db=None)  # type: ignore[arg-type]
WAVELETS = WaveletsTrial(network=(2, 6), learned=True, largest=120, **SHOWN)  # type: ignore[arg-type]


def strategies() -> tuple[SinesStrategy, WaveletsStrategy]:
    plain, latent = sines(WAVES, "bytes", 500), wavelets("bytes", 1500)
    assert isinstance(plain, SinesAsk)
    assert isinstance(latent, WaveletsAsk)
    return SinesStrategy(WAVES, plain, "cpu"), WaveletsStrategy(PICTURE, latent)


@pytest.mark.parametrize("best", [None, b"file"])
def test_a_search_comes_back_as_it_was(best: bytes | None) -> None:
    pairs: list[tuple[Strategy[Any, Any, Any], Trial]] = list(zip(strategies(), (SINES, WAVELETS), strict=True))
    for strategy, trial in pairs:
        state = SearchState(trials=(trial,), best=best, facts={"speed": 1.25}, fit=FIT)
        whole = FitState.from_bytes(state.to_fit_state("ask", steps=5, seconds=2.5).to_bytes())
        assert (whole.config, whole.step, whole.seconds) == ("ask", 8, 4.0)
        back: SearchState[Trial] = SearchState.from_fit_state(whole, "ask", strategy)
        assert (back.trials, back.best, back.facts) == ((trial,), best, {"speed": 1.25})
        assert (back.fit.config, back.fit.step, back.fit.seconds, back.fit.history) == ("c", 3, 1.5, FIT.history)
        assert torch.equal(back.fit.tensors["w"], FIT.tensors["w"])


def test_what_is_no_search_of_this_request_is_refused() -> None:
    of_sines, of_wavelets = strategies()
    state = SearchState(trials=(SINES,), best=None, facts={}, fit=FIT).to_fit_state("ask", steps=0, seconds=0.0)
    with pytest.raises(StateMismatch, match="another request"):
        SearchState.from_fit_state(state, "other", of_sines)
    with pytest.raises(StateMismatch, match="no search"):
        SearchState.from_fit_state(state, "ask", of_wavelets)
    with pytest.raises(StateMismatch, match="no search"):
        SearchState.from_fit_state(replace(FIT, config="ask"), "ask", of_sines)
