"""The service's words become the library's, expert options included."""

import numpy as np
import pytest

from store.spec import FitSpec
from tests.cases import colours
from tuner.fit.config import FirstOrderConfig, NaturalGradientConfig
from tuner.signal.signal import Signal
from tuner.targets.ask import SinesAsk, TilesAsk, WaveletsAsk
from tuner.targets.target import Target, TargetKind
from worker.translate import ask_from_spec

SIGNAL = Signal(values=colours())


def test_a_target_and_a_preset() -> None:
    words = {"preset": "best", "target": {"bytes": 900}, "seed": 4}
    ask = ask_from_spec(FitSpec.model_validate(words | {"network": {"kind": "sines"}}), SIGNAL)
    assert ask.target == Target(TargetKind.BYTES, 900)
    assert isinstance(ask, SinesAsk)
    assert (ask.trials, ask.free_size, ask.config.seed) == (4, True, 4)
    assert isinstance(ask.config.trainer, NaturalGradientConfig)


def test_the_kind_of_network() -> None:
    large = Signal(values=np.full((128, 96, 3), 0.5, np.float32))
    asked = {"target": {"bytes": 2500}, "preset": "fast", "seed": 3, "max_seconds": 9.0}
    chosen = ask_from_spec(FitSpec.model_validate(asked), large)
    assert isinstance(chosen, WaveletsAsk)
    assert (chosen.config.seed, chosen.config.max_seconds) == (3, 9.0)
    for expert in ({"network": {"kind": "sines"}}, {"network": {"hidden": [9]}}, {"trainer": {"kind": "adam"}}):
        assert isinstance(ask_from_spec(FitSpec.model_validate(asked | expert), large), SinesAsk)
    assert isinstance(ask_from_spec(FitSpec.model_validate(asked), SIGNAL), WaveletsAsk)
    assert isinstance(ask_from_spec(FitSpec.model_validate({}), SIGNAL), WaveletsAsk)
    assert isinstance(ask_from_spec(FitSpec.model_validate({"codec": {"max_loss_db": 0.7}}), SIGNAL), SinesAsk)
    wished = ask_from_spec(FitSpec.model_validate({"network": {"kind": "wavelets"}, "max_steps": 7}), SIGNAL)
    assert isinstance(wished, WaveletsAsk)
    assert wished.config.steps == 7


def test_a_size_that_is_given_ends_the_search_for_one() -> None:
    ask = ask_from_spec(FitSpec.model_validate({"network": {"frequencies": 20, "hidden": [9]}}), SIGNAL)
    assert isinstance(ask, SinesAsk)
    assert (ask.config.network.frequencies, ask.config.network.hidden, ask.free_size) == (20, (9,), False)
    assert ask.target is None


def test_expert_options_of_spectrum_trainer_and_codec() -> None:
    options = {
        "regime": {"low_share": 0.5, "band_limit": 0.4},
        "trainer": {"kind": "adam", "learning_rate": 0.05},
        "codec": {"max_loss_db": 0.7},
        "max_steps": 7,
        "max_seconds": 3.0,
    }
    ask = ask_from_spec(FitSpec.model_validate(options), SIGNAL)
    assert isinstance(ask, SinesAsk)
    assert (ask.config.network.low_share, ask.config.network.band_limit) == (0.5, 0.4)
    assert isinstance(ask.config.trainer, FirstOrderConfig)
    assert ask.config.trainer.learning_rate == 0.05
    assert (ask.max_loss_db, ask.config.budget.max_steps, ask.config.budget.max_seconds) == (0.7, 7, 3.0)
    damped = ask_from_spec(FitSpec.model_validate({"trainer": {"damping": 0.5}}), SIGNAL)
    assert isinstance(damped, SinesAsk)
    assert damped.config.trainer == NaturalGradientConfig(damping=0.5)


def test_tiles_and_what_does_not_go_with_them() -> None:
    ask = ask_from_spec(FitSpec.model_validate({"network": {"tiles": 16}, "target": {"bytes": 900}}), SIGNAL)
    assert isinstance(ask, TilesAsk)
    assert ask.side == 16
    for words in ({"network": {"tiles": 16, "kind": "sines"}}, {"network": {"tiles": 16, "period": 3.0}}):
        with pytest.raises(ValueError, match=r"sines|wavelets"):
            FitSpec.model_validate(words)
    with pytest.raises(ValueError, match="max_error"):
        FitSpec.model_validate({"network": {"tiles": 16}, "target": {"max_error": 0.1}})
