"""How a search for a target ended, and the file it found; the same for networks of every kind."""

import math
from dataclasses import dataclass
from enum import StrEnum

from tuner.targets.files import File
from tuner.targets.trial import Trial, separate


class TargetOutcome(StrEnum):
    """How a search ended."""

    MET = "met"
    MISSED = "missed"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TargetResult:
    """The file, and how it was found.

    Attributes:
        content: the .tnr file that comes closest to what was asked for, never over a limit of bytes; None if the
            search was stopped.
        outcome: whether the target is met.
        sentence: the outcome in words, with what to try next.
        trials: what every fit showed, in order.
        file: the same file as it was measured, without the report that it may carry; None where there is none, and of
            tiles, which are measured together.
        tiles_psnr_db: quality in dB of the fits of all tiles together; None for a signal that was not cut.
    """

    content: bytes | None
    outcome: TargetOutcome
    sentence: str
    trials: tuple[Trial, ...]
    file: File | None = None
    tiles_psnr_db: float | None = None

    @property
    def fit_psnr_db(self) -> float:
        """Quality in dB of what was fitted last, before its file was made."""
        return self.trials[-1].psnr_db if self.tiles_psnr_db is None else self.tiles_psnr_db

    @property
    def steps(self) -> int:
        """Training steps taken in all fits."""
        return sum(trial.steps for trial in separate(self.trials))

    @property
    def seconds(self) -> float:
        """Seconds of training in all fits."""
        return math.fsum(trial.seconds for trial in separate(self.trials))

    @property
    def work(self) -> float:
        """Work done in all fits, as `tuner.targets.sines.forecast` counts it."""
        return math.fsum(trial.work for trial in separate(self.trials))
