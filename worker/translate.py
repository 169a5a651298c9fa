"""The one place where the service's words become the library's: FitSpec to Ask."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from store.spec import FitSpec
from tuner.fit.config import FirstOrderConfig, NaturalGradientConfig, TrainerConfig
from tuner.fit.presets import Outline
from tuner.targets.ask import Ask
from tuner.targets.request import ask_for
from tuner.targets.target import Target

ADAM = FirstOrderConfig(learning_rate=0.02, batch_samples=4096)


def ask_from_spec(spec: FitSpec, signal: Outline) -> Ask:
    """What the search is asked for: target and preset, with what the request says in place of the preset's choice."""
    return ask_for(
        signal,
        spec.preset,
        None if spec.target is None else Target.of(spec.target.asked()),
        kind=spec.network_kind(),
        seed=spec.seed,
        steps=spec.max_steps,
        seconds=spec.max_seconds,
        max_loss_db=spec.codec.max_loss_db,
        network=_asked(spec.network, but=("kind", "tiles")) | _asked(spec.regime),
        trainer=_trainer(spec),
        tiles=spec.network.tiles,
    )


def _trainer(spec: FitSpec) -> TrainerConfig | None:
    asked = _asked(spec.trainer)
    if not asked:
        return None
    return replace(ADAM if asked.pop("kind", None) == "adam" else NaturalGradientConfig(), **asked)


def _asked(options: BaseModel, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: value for name, value in options if value is not None and name not in but}
