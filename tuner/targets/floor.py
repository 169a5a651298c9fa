"""The least that a request takes, one valid file, held against its limits of bytes and of seconds. No arrays, no torch.

A limit that is not refused is kept but for what has begun when it is over and for that least: whatever can be left out
by then is left out, the preparation of a fit included. So a search is late by `least_work` at most, and one step. The
work of a network with wavelets is counted in its own steps, measured in the same run as these
(`tuner.targets.wavelets.forecast`): where a machine is slower than the one that steps were measured on, by as much is
the search later.
"""

from math import prod

from tuner.errors import ConfigError
from tuner.fit.presets import Outline
from tuner.targets.ask import Ask, SinesAsk, TilesAsk, WaveletsAsk
from tuner.targets.foreseen import below_bytes
from tuner.targets.sines.forecast import Forecast
from tuner.targets.sines.sizes import sized
from tuner.targets.target import Target, TargetKind
from tuner.targets.tiles.forecast import least_tiles_work
from tuner.targets.wavelets.forecast import LEAST_BYTES, least_exact_work

SLACK = (
    2.0  # times a limit of seconds that the least may take: the machine may be faster than the one that was measured
)
FLOOR_BYTES = 50  # header, network and checksums; of a constant picture of 4 x 4 a network of sines has 63
_PROBE_STEPS = 5.0  # of a small network of sines, with the one step that it is measured for


def check_size(target: Target | None, signal: Outline) -> None:
    """Refuse a limit of bytes that no file keeps, whatever is fitted.

    Raises:
        ConfigError: if the limit is below the size of the smallest file that there is.
    """
    max_bytes = None if target is None else target.max_bytes(prod(signal.grid_shape))
    if max_bytes is not None and max_bytes < FLOOR_BYTES:
        raise ConfigError(below_bytes(max_bytes, LEAST_BYTES))


def check_budget(ask: Ask, signal: Outline) -> None:
    """Refuse a limit of seconds in which not even the first file can be made.

    Raises:
        ConfigError: if one file takes more than twice the limit.
    """
    if ask.seconds is None:
        return
    least = least_work(ask, signal)
    if least > SLACK * ask.seconds:
        size = " x ".join(map(str, signal.grid_shape))
        raise ConfigError(
            f"the limit is {ask.seconds:g} seconds, expected at least {_rounded_up(least / SLACK):g}: one file of "
            f"{size} samples takes a network of {ask.kind} about {least:.2g} seconds; allow more, or send a smaller "
            "signal"
        )


def least_work(ask: Ask, signal: Outline) -> float:
    """Work of one valid file, from the signal in memory to the bytes, in seconds of the machine that was measured.

    Args:
        ask: request to answer.
        signal: signal of which only shape and channels play a part.
    """
    match ask:
        case WaveletsAsk():
            return least_exact_work(ask.config, signal.grid_shape, signal.channels)
        case TilesAsk():
            return least_tiles_work(ask, signal.grid_shape, signal.channels)
        case SinesAsk():
            forecast = Forecast(
                samples=prod(signal.grid_shape), channels=signal.channels, dimensions=len(signal.grid_shape)
            )
            network, steps = ask.config.network, 1.0
            if ask.target is not None and ask.free_size:
                network = sized(network, forecast.weight_range()[0])
                steps = _PROBE_STEPS if ask.target.kind is TargetKind.SECONDS else steps
            return steps * forecast.work_per_step(network) + forecast.work_per_file(network)
    raise TypeError(f"the request is a {type(ask).__name__}, expected one of sines, of wavelets or of tiles")


def _rounded_up(seconds: float) -> float:
    """Two digits, not below."""
    return float(f"{1.05 * seconds:.2g}")
