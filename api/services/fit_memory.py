"""What a fit takes of memory, held against what a worker has, when it is submitted.

A fit that no worker can hold would wait in the queue, take a worker's time to read its signal, and fail there. What is
known at submission is the number of values and, where that is certain, the kind of network; the two numbers here were
measured for the largest that such a fit takes (`make bench-memory`, docs/decisions/0041-what-a-fit-tells.md), so that
what passes runs within the budget to which its worker holds it.

Networks of sines see their samples in parts and keep between two steps no more than a quarter of the room that their
process is left (`tuner.fit.memory`): what they take beyond that is a number of arrays as long as the signal. Latents of
wavelets are trained all at once. What is fitted in tiles takes the memory of a tile, whatever its size; its samples are
read from a file.
"""

from math import prod
from typing import Final

from sqlalchemy.orm import Session

from api.errors import FitTooLarge
from api.settings import MEBIBYTE
from store.errors import SpecInvalid, SpecNewer
from store.models import Fit, Signal
from store.spec import CodecSpec, FitSpec, read_spec

# Of a network of sines: values, targets, residual and directions, and what rounding and comparing hold besides.
BYTES_PER_VALUE: Final = 60
# A picture of C channels takes a + b C bytes a sample with wavelets; the networks of the other presets are larger.
_WAVELETS_FAST, _WAVELETS = (150, 200), (180, 220)
# So many values are fitted with wavelets whatever the kind of signal, where nothing else is asked for. A picture of
# more than the other number is cut into tiles, of which the largest that nobody asked for has 72 x 72 x 72 samples.
_SURELY_WAVELETS, MOST_PICTURE_VALUES, _TILE_SAMPLES = 1 << 23, 15 << 20, 72**3
_MOST_AXES = 3


def memory_bytes(signal: Signal, spec: FitSpec | None = None) -> int:
    """Memory that a fit of a signal takes, beyond what its process begins with.

    Args:
        signal: row of the signal, with the facts that inspection found.
        spec: what is asked for; None if that cannot be read.
    """
    samples, channels = prod(_shape(signal)), int(signal.facts["channels"])
    values = samples * channels
    is_cut = spec is not None and _is_in_tiles(signal, spec, values)
    least = 0 if is_cut else BYTES_PER_VALUE * values
    if spec is None or not (is_cut or _is_surely_wavelets(signal, spec, values)):
        return least
    per_sample, per_value = _WAVELETS_FAST if spec.preset == "fast" else _WAVELETS
    if is_cut:
        side = spec.network.tiles
        samples = min(samples, _TILE_SAMPLES if side is None else side ** len(_shape(signal)))
    return max(least, (per_sample + per_value * channels) * samples)


def _is_in_tiles(signal: Signal, spec: FitSpec, values: int) -> bool:
    """Whether a signal is cut: on request, or because it is too large for one network of wavelets."""
    if spec.network.tiles is not None:
        return True
    if len(_shape(signal)) > _MOST_AXES or (spec.target is not None and spec.target.max_error is not None):
        return False
    most = MOST_PICTURE_VALUES if signal.facts.get("kind") == "image" else _SURELY_WAVELETS
    return values > most and (spec.network_kind() == "wavelets" or (spec.network_kind() is None and _is_usual(spec)))


def _is_surely_wavelets(signal: Signal, spec: FitSpec, values: int) -> bool:
    if signal.facts.get("kind") != "image" or len(_shape(signal)) != 2:
        return False
    if spec.network_kind() is not None:
        return spec.network_kind() == "wavelets"
    limits_error = spec.target is not None and spec.target.max_error is not None
    return _is_usual(spec) and values <= MOST_PICTURE_VALUES and not limits_error


def _is_usual(spec: FitSpec) -> bool:
    """Whether the choice of network is free: a target is named, or nothing that only sines have."""
    return spec.target is not None or spec.codec == CodecSpec()


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
    needed = memory_bytes(signal, _spec(fit))
    if needed > most_bytes:
        raise FitTooLarge(
            f"a fit of {'x'.join(map(str, _shape(signal)))} points of {signal.facts['channels']} channels takes "
            f"{needed // MEBIBYTE} MiB of memory, and workers have {most_bytes // MEBIBYTE} MiB for one "
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
