"""`python -m tuner.targets.estimate REQUEST`: what a fit will weigh and take, as one JSON object on standard output.

The request is JSON: {"kind", "samples", "grid_shape", "channels", "effort"} and, if wanted, {"compaction_db", "target":
{"bytes": 40000}, "network", "network_kind", "max_steps", "max_seconds", "max_loss_db", "tiles",
"speed", "sample_format"}; the answer is an `Estimate`.
Arithmetic only: it imports neither torch nor numpy, so that a service that has neither can ask. `prepare` and `run` are
the same for a process that is kept (`cage.nursery`).
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tuner.errors import ConfigError
from tuner.signal.kind import SignalKind
from tuner.targets.ask import Ask, SinesAsk, TilesAsk, WaveletsAsk
from tuner.targets.foreseen import beyond_samples, near_samples
from tuner.targets.request import ask_for
from tuner.targets.sines.estimate import foresee_sines
from tuner.targets.sines.forecast import TYPICAL_COMPACTION_DB, Forecast
from tuner.targets.target import Target, TargetKind
from tuner.targets.tiles.forecast import foresee_tiles
from tuner.targets.wavelets.forecast import foresee_wavelets


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a fit is expected to come to.

    Attributes:
        weights: the number of weights of the network.
        bytes: size of the file in bytes; None where nobody can say.
        psnr_db: the picture PSNR of the file, in dB; None where nobody can say.
        steps: the steps of training, in all trials.
        seconds: time from the start to the file in seconds.
        unforeseen: why there is neither size nor quality, in a sentence, such as a size that no file has; None if there
            are.
    """

    weights: int
    bytes: int | None
    psnr_db: float | None
    steps: int
    seconds: float
    unforeseen: str | None = None


def estimate(ask: Ask, forecast: Forecast, *, speed: float = 1.0, sample_format: str | None = None) -> Estimate:
    """Foresee a search.

    Args:
        ask: request to foresee.
        forecast: what is known of the signal.
        speed: the work that the machine which will run the search does in a second.
        sample_format: how the source stored a sample, such as "u8"; None if nobody knows.
    """
    match ask:
        case SinesAsk():
            foreseen = foresee_sines(ask, forecast, speed)
        case WaveletsAsk():
            foreseen = foresee_wavelets(ask.config, forecast, speed)
        case TilesAsk():
            foreseen = foresee_tiles(ask, forecast, speed)
        case _:
            raise TypeError(f"the request is a {type(ask).__name__}, expected one of sines, of wavelets or of tiles")
    unforeseen = foreseen.unforeseen
    if ask.target is not None and ask.target.kind is TargetKind.PSNR_DB:
        values = forecast.samples * forecast.channels
        unforeseen = beyond_samples(ask.target.value, sample_format, values) or unforeseen
    unforeseen = unforeseen or near_samples(foreseen.psnr_db, sample_format)
    return Estimate(
        weights=foreseen.weights,
        bytes=foreseen.bytes if unforeseen is None else None,
        psnr_db=round(foreseen.psnr_db, 2) if unforeseen is None else None,
        steps=foreseen.steps,
        seconds=round(foreseen.work / speed, 2),
        unforeseen=unforeseen,
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
        tiles=request.get("tiles"),
    )
    forecast = Forecast(
        samples=request["samples"],
        channels=signal.channels,
        compaction_db=tuple(request.get("compaction_db") or TYPICAL_COMPACTION_DB),
        dimensions=len(signal.grid_shape),
    )
    return ask, forecast


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The estimate as JSON; `refused` says why there is no such fit."""
    try:
        ask, forecast = ask_from(request)
        found = estimate(ask, forecast, speed=request.get("speed", 1.0), sample_format=request.get("sample_format"))
    except ConfigError as error:
        return {"refused": str(error)}
    return asdict(found)


def main() -> None:
    """Answer the request on the command line."""
    sys.stdout.write(json.dumps(answer(json.loads(sys.argv[1]))) + "\n")


def prepare() -> None:
    """Answer once for each kind of network, so that nothing is left to be imported."""
    signal = {"samples": 1 << 24, "grid_shape": [1 << 12, 1 << 12], "channels": 3, "effort": "fast"}
    for target in ({"psnr_db": 40.0}, {"max_error": 0.1}, {"seconds": 9.0}, None):
        answer(signal | {"target": target})
    answer(signal | {"tiles": 256})


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:  # noqa: ARG001  all of it is in the data
    """Answer a request.

    Args:
        data: the request as JSON.
        request: nothing; what is asked may be longer than an order.
    """
    yield json.dumps(answer(json.loads(data))).encode()


if __name__ == "__main__":
    main()
