"""The file of a trained network of sines: the coarsest rounding that is good enough, or the finest that fits.

`tuner.rounding.compress` takes the decibels that rounding may cost; here those are found. A doubling of the loss saves
about half a bit per weight, so two or three files are enough.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tuner.fit.deadline import Deadline
from tuner.representation import Representation
from tuner.rounding.compress import compress
from tuner.signal.signal import Signal
from tuner.targets.files import File, measured
from tuner.targets.sines.forecast import COARSEST_LOSS_DB, DESIGN_LOSS_DB

LOSSES_DB = (0.01, COARSEST_LOSS_DB)  # the finest and the coarsest rounding that is tried
_TRIES = 6
_ENOUGH = 0.97  # a file that fills so much of its limit is large enough
_WELL_FILLED, _SOON = 0.9, 3  # and so is this one, once so many have been made


@dataclass(frozen=True, slots=True, eq=False)
class RoundedFile(File):
    """A file, and how coarsely its weights are rounded.

    Attributes:
        loss_db: the PSNR in dB that rounding was allowed to cost.
    """

    loss_db: float


def file_with_loss(
    representation: Representation, signal: Signal, loss_db: float, *, thorough: bool = False
) -> RoundedFile:
    """The file that loses at most so much; `thorough` as in `compress`."""
    loss_db = min(max(loss_db, LOSSES_DB[0]), LOSSES_DB[1])
    file = measured(compress(representation, signal, max_loss_db=loss_db, thorough=thorough), signal)
    return RoundedFile(file.content, file.psnr_db, file.max_error, file.network, loss_db)


def file_within_bytes(
    representation: Representation, signal: Signal, max_bytes: int, deadline: Deadline | None = None
) -> RoundedFile | None:
    """The finest rounding whose file has at most `max_bytes`, nearly; None if there is none.

    After the deadline the first file that fits is taken, and where none does, the coarsest is the last that is tried.
    """
    weights = representation.parameters.weight_count
    best: RoundedFile | None = None
    fine, coarse = LOSSES_DB  # between them is the loss that is looked for, as far as it is known
    loss_db = DESIGN_LOSS_DB
    for made in range(1, _TRIES + 1):
        file = file_with_loss(representation, signal, loss_db)
        size = len(file.content)
        if size <= max_bytes:
            coarse = loss_db
            if best is None or file.psnr_db > best.psnr_db:
                best = file
            if size >= _ENOUGH * max_bytes or loss_db <= LOSSES_DB[0]:
                break
        else:
            fine = loss_db
            if loss_db >= LOSSES_DB[1]:
                break
        if _is_over(deadline):
            if best is not None:
                break
            loss_db = LOSSES_DB[1]
            continue
        if best is not None and made >= _SOON and len(best.content) >= _WELL_FILLED * max_bytes:
            break
        bits_too_many = 8.0 * (size - (1.0 + _ENOUGH) / 2.0 * max_bytes) / weights
        loss_db = min(max(loss_db * 2.0 ** min(max(2.0 * bits_too_many, -6.0), 6.0), fine), coarse)
        if loss_db in {fine, coarse} and LOSSES_DB[0] < loss_db < LOSSES_DB[1]:
            loss_db = (fine * coarse) ** 0.5
    return best


def file_good_enough(
    representation: Representation,
    signal: Signal,
    first_loss_db: float,
    is_good: Callable[[File], bool],
    deadline: Deadline | None = None,
) -> RoundedFile | None:
    """The coarsest rounding whose file is good enough, nearly; None if not even a fine one is.

    After the deadline, whatever file there is: none that is made then is looked at for more.
    """
    best: RoundedFile | None = None
    loss_db = first_loss_db
    for _ in range(_TRIES):
        file = file_with_loss(representation, signal, loss_db)
        if is_good(file):
            best = file
            if loss_db < first_loss_db or loss_db >= LOSSES_DB[1] or _is_over(deadline):
                break  # the step above this one was too coarse
            loss_db *= 1.6
        else:
            if best is not None or loss_db <= LOSSES_DB[0]:
                break
            if _is_over(deadline):
                return file
            loss_db /= 3.0
    return best


def _is_over(deadline: Deadline | None) -> bool:
    return deadline is not None and deadline.is_over
