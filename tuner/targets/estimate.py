"""`python -m tuner.targets.estimate REQUEST`: what a fit will weigh and take, as one JSON object on standard output.

The request is JSON: {"kind", "samples", "grid_shape", "channels", "effort"} and, if wanted, {"compaction_db", "target":
{"bytes": 40000}, "network", "network_kind", "max_steps", "max_seconds", "max_loss_db", "speed"}; the answer is an
`Estimate`.
Arithmetic only: it imports neither torch nor numpy, so that a service that has neither can ask.
"""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from tuner.errors import ConfigError
from tuner.fit.wavelets.config import WaveletConfig
from tuner.signal.kind import SignalKind
from tuner.targets.ask import Ask, SinesAsk, WaveletsAsk
from tuner.targets.request import ask_for
from tuner.targets.sines.forecast import DESIGN_LOSS_DB, TYPICAL_COMPACTION_DB, Forecast
from tuner.targets.sines.plan import SURPLUS_DB, next_plan
from tuner.targets.sines.sizes import solve_rising, weight_count
from tuner.targets.target import Target, TargetKind
from tuner.targets.wavelets.forecast import foresee

# Files that are written until one suits the target, in the mean.
_FILES = {TargetKind.BYTES: 2.3, TargetKind.BITS_PER_SAMPLE: 2.3, TargetKind.MAX_ERROR: 4.0}
# Fits that a search makes, in the mean: a pilot now and then ends in another network, or a file does not suit.
_FITS = 1.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a fit is expected to come to.

    Attributes:
        weights: of the network.
        bytes: of the file.
        psnr_db: picture PSNR of the file.
        steps: of training, in all trials.
        seconds: from start to file.
    """

    weights: int
    bytes: int
    psnr_db: float
    steps: int
    seconds: float


def estimate(ask: Ask, forecast: Forecast, *, speed: float = 1.0) -> Estimate:
    """Foresee a search.

    Args:
        ask: the request.
        forecast: of the signal.
        speed: work per second of the machine that will run it.
    """
    if isinstance(ask, WaveletsAsk):
        return _of_wavelets(ask.config, forecast, speed)
    assert isinstance(ask, SinesAsk)  # noqa: S101
    plan = next_plan(ask, forecast, (), speed=speed)
    assert plan is not None  # noqa: S101  there is always a first trial
    network = plan.config.network
    steps = ask.config.budget.max_steps if plan.is_pilot else plan.config.budget.max_steps
    weights = weight_count(network, forecast.channels)
    work = forecast.work_per_step(network)
    if plan.config.budget.max_seconds is not None:
        steps = max(1, min(steps, round(plan.config.budget.max_seconds * speed / work)))
    loss_db = ask.max_loss_db
    if ask.target is not None and ask.target.kind is not TargetKind.SECONDS:
        loss_db = SURPLUS_DB if ask.target.kind.is_quality else DESIGN_LOSS_DB
    if plan.config.budget.target_psnr_db is not None:
        goal_db = plan.config.budget.target_psnr_db
        steps = round(solve_rising(lambda steps: forecast.psnr_db(weights, round(steps)), goal_db, 1.0, float(steps)))
    psnr_db = forecast.psnr_db(weights, steps)
    size = forecast.file_bytes(weights, psnr_db, loss_db)
    max_bytes = None if ask.target is None else ask.target.max_bytes(forecast.samples)
    if max_bytes is not None:
        size = min(size, float(max_bytes))
    files = 1.0 if ask.target is None else _FILES.get(ask.target.kind, 1.0)
    # With all care a file takes about as long as its fit.
    fits = (2.0 if ask.thorough else 1.0) if loss_db == ask.max_loss_db else _FITS
    return Estimate(
        weights=weights,
        bytes=round(size),
        psnr_db=round(psnr_db - loss_db, 2),
        steps=steps,
        seconds=round((fits * steps * work + files * forecast.work_per_file(network)) / speed, 2),
    )


def _of_wavelets(config: WaveletConfig, forecast: Forecast, speed: float) -> Estimate:
    foreseen = foresee(config, forecast, speed)
    return Estimate(
        weights=foreseen.weights,
        bytes=foreseen.bytes,
        psnr_db=round(foreseen.psnr_db, 2),
        steps=foreseen.steps,
        seconds=round(foreseen.work / speed, 2),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outline:
    kind: SignalKind
    grid_shape: tuple[int, ...]
    channels: int


def ask_from(request: dict[str, Any]) -> tuple[Ask, Forecast]:
    """The request and the signal that JSON describes."""
    signal = _Outline(
        kind=SignalKind(request.get("kind", "image")),
        grid_shape=tuple(request["grid_shape"]),
        channels=request["channels"],
    )
    network = {
        name: tuple(value) if isinstance(value, list) else value for name, value in request.get("network", {}).items()
    }
    ask = ask_for(
        signal,
        request["effort"],
        Target.of(request.get("target")),
        kind=request.get("network_kind"),
        steps=request.get("max_steps"),
        seconds=request.get("max_seconds"),
        max_loss_db=request.get("max_loss_db", 0.1),
        network=network,
    )
    forecast = Forecast(
        samples=request["samples"],
        channels=signal.channels,
        compaction_db=tuple(request.get("compaction_db") or TYPICAL_COMPACTION_DB),
        dimensions=len(signal.grid_shape),
    )
    return ask, forecast


def main() -> None:
    """Answer the request on the command line; `refused` says why there is no such fit."""
    request = json.loads(sys.argv[1])
    answer: dict[str, Any]
    try:
        ask, forecast = ask_from(request)
        answer = asdict(estimate(ask, forecast, speed=request.get("speed", 1.0)))
    except ConfigError as error:
        answer = {"refused": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
