"""From a fitted network with wavelets to the file that just meets its target.

A fit ends some percent from the size that was asked for, or some tenths of a dB from the quality. Its latents are known
before they were rounded; letting those that are least sure of their integer go to the next one, towards zero or away
from it, makes the file smaller or larger, and each try is judged by the real file. Away from zero costs about what the
bits are worth, towards zero more, so fits aim a little below.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

from tuner.codec.encode import encode
from tuner.fit.deadline import Deadline
from tuner.fit.wavelets.rounded import RoundedNetwork
from tuner.representation import Representation
from tuner.signal.signal import Signal
from tuner.targets.files import File, measured, worth

_TRIES = 10
# The shift of `WaveletTrainer.rounded`; much is a last resort, for fits that had no time.
_LARGEST_FILE, _SMALLEST_FILE = -0.5, 12.0
_ENOUGH = 0.996  # a file that fills so much of its limit is large enough: a larger limit then has no worse a file
_ENOUGH_DB = 0.03  # and one that is above its quality by no more is small enough
# Logarithm of the size and decibels that a shift of 1 takes, for the second try; the others learn from those before.
_SIZE_SLOPE, _QUALITY_SLOPE = 0.8, 3.0

Rounded = Callable[[float], RoundedNetwork]


def encoded(network: RoundedNetwork, signal: Signal) -> bytes:
    """The file of a rounded network."""
    return encode(Representation.of(network.parameters, signal), network.step_sizes)


def land_on_size(
    rounded: Rounded,
    signal: Signal,
    max_bytes: int,
    deadline: Deadline | None = None,
    beside: Sequence[float] = (),
) -> File | None:
    """The file with the most bytes that are allowed, nearly; None if there is none.

    After the deadline the first file that fits is taken, and where none does, the smallest is the last that is tried.

    Args:
        rounded: returns the network rounded so that its file is smaller (above 0) or larger (below 0).
        signal: samples that the file is to hold.
        max_bytes: largest size of the file in bytes.
        deadline: moment after which nothing is tried that can be done without; None for none.
        beside: shifts, counted from that of the file with the most bytes, whose files are made as well; the best of
            all that fit is taken then.
    """
    best: tuple[bytes, float] | None = None

    def too_large(shift: float) -> float:
        """How far a file is above its limit; negative if it fits."""
        nonlocal best
        content = encoded(rounded(shift), signal)
        if len(content) <= max_bytes and (best is None or len(content) > len(best[0])):
            best = content, shift
        return len(content) / max_bytes - 1.0

    def is_enough(excess: float) -> bool:
        return _ENOUGH - 1.0 <= excess <= 0.0 or (best is not None and _is_over(deadline))

    _shift_towards(too_large, is_enough, (_ENOUGH - 1.0) / 2.0, _SIZE_SLOPE, deadline)
    if best is None:
        return None
    file, largest = measured(best[0], signal), best[1]
    for shift in beside:
        if _is_over(deadline):
            break
        content = encoded(rounded(largest + shift), signal)
        if len(content) <= max_bytes and (other := measured(content, signal)).psnr_db > file.psnr_db:
            file = other
    return file


def land_on_quality(rounded: Rounded, signal: Signal, psnr_db: float, deadline: Deadline | None = None) -> File:
    """The smallest file that is so good, nearly; else the best one. After the deadline, what there is."""
    best: _Tried | None = None

    def too_good(shift: float) -> float:
        nonlocal best
        tried = _Tried(rounded(shift), signal)
        if best is None or tried.is_better(best, psnr_db):
            best = tried
        return tried.psnr_db - psnr_db

    def is_enough(excess: float) -> bool:
        return 0.0 <= excess <= _ENOUGH_DB or _is_over(deadline)

    _shift_towards(too_good, is_enough, _ENOUGH_DB / 2.0, _QUALITY_SLOPE)
    assert best is not None  # noqa: S101  there is a first try
    return File(best.content, best.psnr_db, best.max_error, best.network.parameters)


class _Tried:
    """A network whose file is written only where its size matters: the core takes as long to write as to evaluate.

    Its values are what a file decodes to bit by bit, since it is in whole steps already.
    """

    def __init__(self, network: RoundedNetwork, signal: Signal) -> None:
        self.network, self._signal = network, signal
        self.psnr_db, self.max_error = worth(Representation.of(network.parameters, signal).render().values, signal)

    @cached_property
    def content(self) -> bytes:
        return encoded(self.network, self._signal)

    def is_better(self, other: "_Tried", psnr_db: float) -> bool:
        """Whether it is the smaller one of two that are so good, or else the better one."""
        if min(self.psnr_db, other.psnr_db) >= psnr_db:
            return len(self.content) < len(other.content)
        return self.psnr_db > other.psnr_db


def _is_over(deadline: Deadline | None) -> bool:
    return deadline is not None and deadline.is_over


def _shift_towards(
    excess_of: Callable[[float], float],
    is_enough: Callable[[float], bool],
    goal: float,
    slope: float,
    deadline: Deadline | None = None,
) -> None:
    """Try shifts until the excess, which falls with them, is near its goal: secants, kept within what is known."""
    low, high = _LARGEST_FILE, _SMALLEST_FILE
    shift = 0.0
    before: tuple[float, float] | None = None
    for _ in range(_TRIES):
        excess = excess_of(shift)
        if is_enough(excess) or (excess > goal and shift >= high) or (excess < goal and shift <= low):
            return
        if _is_over(deadline):  # and there is no file: the smallest there is, or none
            excess_of(high)
            return
        if excess > goal:
            low = shift
        else:
            high = shift
        if before is not None and before[0] != shift and (before[1] - excess) / (shift - before[0]) > 0.0:
            slope = (before[1] - excess) / (shift - before[0])
        before = (shift, excess)
        following = shift + (excess - goal) / slope
        # A shift that is hardly another one, or lies outside, is replaced by the middle, or by an end not yet tried.
        if low < following < high:
            shift = following
        elif following >= _SMALLEST_FILE == high or following <= _LARGEST_FILE == low:
            shift = min(max(following, _LARGEST_FILE), _SMALLEST_FILE)
        else:
            shift = (low + high) / 2.0
