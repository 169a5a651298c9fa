"""The one place where the service's words become the library's: stored bytes to Signal, FitSpec to Ask."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from store.spec import FitSpec
from tuner.fit.config import FirstOrderConfig, FitConfig, NaturalGradientConfig, TrainerConfig
from tuner.fit.presets import Effort, signal_config
from tuner.signal.formats import read_signal
from tuner.signal.signal import Signal
from tuner.signal.triangles import Heed, nobody
from tuner.targets.ask import TRIALS, Ask, Target, TargetKind
from tuner.targets.wavelets.choice import wavelets_for

ADAM = FirstOrderConfig(learning_rate=0.02, batch_samples=4096)


def signal_from_bytes(content: bytes, heed: Heed = nobody) -> Signal:
    """Decode an upload, which was checked when it came in, under the library's own limits; `heed` may end it."""
    return read_signal(content, heed=heed)


def ask_from_spec(spec: FitSpec, signal: Signal) -> Ask:
    """What the search is asked for: the target, and the preset for this signal with what the request says instead."""
    target = None if spec.target is None else next(Target(TargetKind(k), v) for k, v in spec.target.asked().items())
    modulated = wavelets_for(
        spec.network_kind(),
        signal,
        spec.preset,
        target,
        seed=spec.seed,
        max_steps=spec.max_steps,
        max_seconds=spec.max_seconds,
    )
    return Ask(
        base=config_from_spec(spec, signal),
        target=target,
        trials=TRIALS[spec.preset],
        free_size=spec.network.frequencies is None and spec.network.hidden is None,
        max_loss_db=spec.codec.max_loss_db,
        thorough=Effort(spec.preset) is Effort.BEST,
        modulated=modulated,
    )


def config_from_spec(spec: FitSpec, signal: Signal) -> FitConfig:
    """The preset for this signal, with what the request says in place of the preset's choice."""
    config = signal_config(
        signal,
        spec.preset,
        seed=spec.seed,
        max_steps=spec.max_steps,
        max_seconds=spec.max_seconds,
    )
    network = replace(config.network, **_asked(spec.network, but="kind"), **_asked(spec.regime))
    return replace(config, network=network, trainer=_trainer(spec, config.trainer))


def _trainer(spec: FitSpec, preset: TrainerConfig) -> TrainerConfig:
    asked = _asked(spec.trainer)
    kind = asked.pop("kind", None)
    if kind == "adam":
        return replace(preset if isinstance(preset, FirstOrderConfig) else ADAM, **asked)
    if kind == "natural_gradient" or asked:
        return replace(preset if isinstance(preset, NaturalGradientConfig) else NaturalGradientConfig(), **asked)
    return preset


def _asked(options: BaseModel, *, but: str | None = None) -> dict[str, Any]:
    return {name: value for name, value in options if value is not None and name != but}
