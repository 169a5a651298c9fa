"""Hints that fits wait: for how many of them one message stands.

Fits that take less than a message, nearly, are not worth one each. So a message of a batch stands for several small
fits, and says so in a header, which workers of earlier releases do not read: they run one fit for it, and upkeep sees
to the others. Large fits, and fits that are submitted one by one, have a message each.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from store.classes import WorkerClass, class_of
from store.models import Fit, Signal
from store.spec import FitSpec

FITS_HEADER = "fits"  # of a message that stands for several
MOST_FITS = 8  # of a message: more save little, and hold up other tenants' fits and parts of large ones for longer
LEAST_MESSAGES = 16  # of a batch that has as many fits of a class, so that so many idle workers are woken at once

# A small fit takes about a second or less, on one thread: 0.05 to 0.3 s at 64 x 64 and 0.8 at 128 x 128 in colour. For
# a quality, a signal of so few values begins with a network that learns nothing, unless so many steps are asked for
# (`tuner.targets.wavelets.forecast`, which a worker imports and the api must not). For a size, an error or no target
# at all networks are trained, which takes 1 to 7 s of 128 x 128.
_FEW_VALUES, _MANY_STEPS = 3 << 14, 100


@dataclass(frozen=True, slots=True)
class Hint:
    """A message to the workers of a class.

    Attributes:
        fit_id: one of the fits, for people who look at logs.
        worker_class: whom it wakes.
        fits: number of fits that it stands for, all of them waiting when it is sent.
    """

    fit_id: str
    worker_class: WorkerClass = WorkerClass.ANY
    fits: int = 1


def is_small(spec: FitSpec, signal: Signal) -> bool:
    """Whether a fit is foreseen to take about a second or less."""
    if spec.preset == "best" or spec.target is None or spec.target.psnr_db is None or spec.network_kind() == "sines":
        return False
    if (spec.max_steps or 0) >= _MANY_STEPS or "channels" not in signal.facts:
        return False
    return prod(signal.grid_shape) * int(signal.facts["channels"]) <= _FEW_VALUES


def hints_of(batch: Iterable[tuple[Fit, FitSpec]]) -> list[Hint]:
    """The messages of fits that are queued together, each with what is asked for."""
    hints: list[Hint] = []
    small: defaultdict[WorkerClass, list[str]] = defaultdict(list)
    for fit, spec in batch:
        worker_class = class_of(fit.worker_class)
        if is_small(spec, fit.signal):
            small[worker_class].append(fit.id)
        else:
            hints.append(Hint(fit.id, worker_class))
    for worker_class, fit_ids in small.items():
        count = min(len(fit_ids), max(LEAST_MESSAGES, -(-len(fit_ids) // MOST_FITS)))
        groups = (fit_ids[number::count] for number in range(count))  # as equal as can be
        hints += [Hint(group[0], worker_class, len(group)) for group in groups]
    return hints


def fits_of(header: object) -> int:
    """For how many fits a message stands, whatever its header says: 1 to `MOST_FITS`."""
    return min(header, MOST_FITS) if type(header) is int and header >= 1 else 1
