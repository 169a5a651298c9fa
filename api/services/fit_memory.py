"""What a fit needs at least, held against what a worker has, when it is submitted.

A fit that no worker can hold would wait in the queue, take a worker's time to read its signal, and fail there. The
number here is a lower bound that was measured, for the number of values of the signal alone: whatever the network and
however small the parts are into which training is cut where memory is short (`tuner.fit.sines.memory`), in the end the
file is decoded and compared with the signal. So nothing is refused that could run, and what passes may still meet the
worker's own limit, which ends it once.

What is fitted in tiles takes the memory of a tile, whatever its size; its samples are read from a file.

Latents of wavelets are trained all at once, which takes several times as much and cannot be cut into parts. Where it is
certain that such a network is fitted to a picture, that is held against the limit, too.
"""

from math import prod
from typing import Final

from sqlalchemy.orm import Session

from api.errors import FitTooLarge
from api.settings import MEBIBYTE
from store.errors import SpecInvalid, SpecNewer
from store.models import Fit, Signal
from store.spec import CodecSpec, FitSpec, read_spec

BYTES_PER_VALUE: Final = 36  # measured at the comparison of the file with the signal, where both lie in memory


# Of a picture of C channels wavelets take 110 + 150 C bytes a sample at least: 75 to 94 % of what `make bench-memory`
# found from 256 x 256 to 1024 x 1024, with the preset that makes the smallest network.
_WAVELETS_PER_SAMPLE, _WAVELETS_PER_VALUE = 110, 150
# So many values are fitted with wavelets whatever the kind of signal, where nothing else is asked for.
_SURELY_WAVELETS = 1 << 23
# Beyond so many values, a picture is cut into tiles; the smallest of the usual tiles has so many samples.
MOST_PICTURE_VALUES, _MOST_AXES, _TILE_SAMPLES = 15 << 20, 3, 1 << 16


def least_memory_bytes(signal: Signal, spec: FitSpec | None = None) -> int:
    """Memory that a fit of a signal takes at least, beyond what its process begins with.

    Args:
        signal: row of the signal, with the facts that inspection found.
        spec: what is asked for; None if that cannot be read.
    """
    samples, channels = prod(_shape(signal)), int(signal.facts["channels"])
    if spec is not None and _is_in_tiles(signal, spec, samples * channels):
        samples = min(samples, _TILE_SAMPLES)
        return (_WAVELETS_PER_SAMPLE + _WAVELETS_PER_VALUE * channels) * samples
    least = BYTES_PER_VALUE * samples * channels
    if spec is None or not _is_surely_wavelets(signal, spec, samples * channels):
        return least
    return max(least, (_WAVELETS_PER_SAMPLE + _WAVELETS_PER_VALUE * channels) * samples)


def _is_in_tiles(signal: Signal, spec: FitSpec, values: int) -> bool:
    """Whether a signal is cut: on request, or because it is too large for one network of wavelets."""
    if spec.network.tiles is not None:
        return True
    if len(_shape(signal)) > _MOST_AXES or (spec.target is not None and spec.target.max_error is not None):
        return False
    most = MOST_PICTURE_VALUES if signal.facts.get("kind") == "image" else _SURELY_WAVELETS
    is_usual = spec.target is not None or spec.codec == CodecSpec()
    return values > most and (spec.network_kind() == "wavelets" or (spec.network_kind() is None and is_usual))


def _is_surely_wavelets(signal: Signal, spec: FitSpec, values: int) -> bool:
    if signal.facts.get("kind") != "image" or len(_shape(signal)) != 2:
        return False
    if spec.network_kind() is not None:
        return spec.network_kind() == "wavelets"
    is_usual = spec.target is not None or spec.codec == CodecSpec()
    return is_usual and values <= _SURELY_WAVELETS and (spec.target is None or spec.target.max_error is None)


def check_memory(session: Session, fit: Fit, most_bytes: int) -> None:
    """Hold a new fit against the memory that a worker has.

    Args:
        session: the transaction that adds the fit.
        fit: row of the fit.
        most_bytes: memory of a worker for one fit.

    Raises:
        FitTooLarge: if it needs more.
    """
    signal = session.get_one(Signal, fit.signal_id)
    needed = least_memory_bytes(signal, _spec(fit))
    if needed > most_bytes:
        raise FitTooLarge(
            f"a fit of {'x'.join(map(str, _shape(signal)))} points of {signal.facts['channels']} channels needs at "
            f"least {needed // MEBIBYTE} MiB of memory, and workers have {most_bytes // MEBIBYTE} MiB for one "
            "(TUNER_FIT_MEMORY_BYTES): send a smaller signal, or a part of it"
        )


def _spec(fit: Fit) -> FitSpec | None:
    try:
        return read_spec(fit.spec)
    except (SpecNewer, SpecInvalid):
        return None


def _shape(signal: Signal) -> list[int]:
    facts = signal.facts
    return [int(side) for side in facts.get("shape") or [facts["height"], facts["width"]]]
