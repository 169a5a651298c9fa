"""What a fit needs at least, held against what a worker has, when it is submitted.

A fit that no worker can hold would wait in the queue, take a worker's time to read its signal, and fail there. The
number here is a lower bound that was measured, for the number of values of the signal alone: whatever the network and
however small the parts are into which training is cut where memory is short (`tuner.fit.sines.memory`), in the end the
file is decoded and compared with the signal. So nothing is refused that could run, and what passes may still meet the
worker's own limit, which ends it once.
"""

from math import prod
from typing import Final

from sqlalchemy.orm import Session

from api.errors import FitTooLarge
from api.settings import MEBIBYTE
from store.models import Fit, Signal

BYTES_PER_VALUE: Final = 36  # measured at the comparison of the file with the signal, where both lie in memory


def least_memory_bytes(signal: Signal) -> int:
    """Memory that a fit of a signal takes at least, beyond what its process begins with.

    Args:
        signal: row of the signal, with the facts that inspection found.
    """
    return BYTES_PER_VALUE * prod(_shape(signal)) * int(signal.facts["channels"])


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
    needed = least_memory_bytes(signal)
    if needed > most_bytes:
        raise FitTooLarge(
            f"a fit of {'x'.join(map(str, _shape(signal)))} points of {signal.facts['channels']} channels needs at "
            f"least {needed // MEBIBYTE} MiB of memory, and workers have {most_bytes // MEBIBYTE} MiB for one "
            "(TUNER_FIT_MEMORY_BYTES): send a smaller signal, or a part of it"
        )


def _shape(signal: Signal) -> list[int]:
    facts = signal.facts
    return [int(side) for side in facts.get("shape") or [facts["height"], facts["width"]]]
