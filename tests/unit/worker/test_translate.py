"""The service's words become the library's, expert options included."""

import numpy as np

from store.spec import FitSpec
from tests.cases import colours
from tuner.fit.config import FirstOrderConfig, NaturalGradientConfig
from tuner.signal.signal import Signal
from tuner.targets.ask import Target, TargetKind
from worker.translate import ask_from_spec

SIGNAL = Signal(values=colours())


def test_a_target_and_a_preset() -> None:
    ask = ask_from_spec(FitSpec.model_validate({"preset": "best", "target": {"bytes": 900}, "seed": 4}), SIGNAL)
    assert ask.target == Target(TargetKind.BYTES, 900)
    assert (ask.trials, ask.free_size, ask.base.seed) == (4, True, 4)
    assert isinstance(ask.base.trainer, NaturalGradientConfig)


def test_the_kind_of_network() -> None:
    large = Signal(values=np.full((128, 96, 3), 0.5, np.float32))
    asked = {"target": {"bytes": 2500}, "preset": "fast", "seed": 3, "max_seconds": 9.0}
    chosen = ask_from_spec(FitSpec.model_validate(asked), large).modulated
    assert chosen is not None
    assert (chosen.seed, chosen.max_seconds) == (3, 9.0)
    for expert in ({"network": {"kind": "tuner"}}, {"network": {"hidden": [9]}}, {"trainer": {"kind": "adam"}}):
        assert ask_from_spec(FitSpec.model_validate(asked | expert), large).modulated is None
    assert ask_from_spec(FitSpec.model_validate(asked), SIGNAL).modulated is None  # too small to be worth it
    wished = FitSpec.model_validate({"network": {"kind": "modulated"}, "max_steps": 7})
    modulated = ask_from_spec(wished, SIGNAL).modulated
    assert modulated is not None
    assert modulated.steps == 7


def test_a_size_that_is_given_ends_the_search_for_one() -> None:
    ask = ask_from_spec(FitSpec.model_validate({"network": {"frequencies": 20, "hidden": [9]}}), SIGNAL)
    assert (ask.base.network.frequencies, ask.base.network.hidden, ask.free_size) == (20, (9,), False)
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
    assert (ask.base.network.low_share, ask.base.network.band_limit) == (0.5, 0.4)
    assert isinstance(ask.base.trainer, FirstOrderConfig)
    assert ask.base.trainer.learning_rate == 0.05
    assert (ask.max_loss_db, ask.base.budget.max_steps, ask.base.budget.max_seconds) == (0.7, 7, 3.0)
    damped = ask_from_spec(FitSpec.model_validate({"trainer": {"damping": 0.5}}), SIGNAL).base.trainer
    assert isinstance(damped, NaturalGradientConfig)
    assert damped.damping == 0.5
