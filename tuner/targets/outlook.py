"""How far a search is: its phase, the steps that are planned, and the seconds until there is a file.

What is left is counted as work: what the strategy expects of the fit under way, of the files that are tried after it,
and of the networks that will probably follow. What a unit of work takes is measured on the latest steps; until
there is a step, it is a second, as on the machine that forecasts know. No torch here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from tuner.fit.progress import Progress
from tuner.fit.state import FitState

_LATE_SHARE = 0.2  # of the time so far is left, at least, in what takes longer than was foreseen
_CLOSING_STEPS = 2.0  # that decoding the file once more takes, when it is there


class Phase(StrEnum):
    """What a search is doing; the values are the words that every interface takes."""

    TRAINING = "training"  # a network is made, then its steps are taken
    COMPRESSING = "compressing"  # its weights are rounded and coded, and files are tried until one suits


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where a search stands; without a step, since there is none while a file is made.

    Attributes:
        phase: what the search is doing.
        step: number of steps taken so far in all fits.
        total_steps: number of steps that the search will have taken at its end, as far as can be told now.
        psnr_db: quality in dB that the last step reported; None before the first one.
        seconds: time spent in steps so far, in seconds.
        eta_seconds: time until there is a file, in seconds, foreseen from what was measured so far.
    """

    phase: Phase
    step: int
    total_steps: int
    psnr_db: float | None
    seconds: float
    eta_seconds: float

    def told(self, progress: Progress, capture: Callable[[], FitState]) -> Progress:
        """Progress of the search as its caller hears of it, after a step of one fit.

        Args:
            progress: progress of the fit under way, whose quality becomes that of the search.
            capture: returns a checkpoint of the whole search.
        """
        return replace(
            progress,
            step=self.step,
            total_steps=self.total_steps,
            seconds=self.seconds,
            eta_seconds=self.eta_seconds,
            capture=capture,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """What a strategy expects of a fit that it has planned, and of those after it.

    Attributes:
        steps: number of steps of the fit, those included from which it goes on.
        step_work: work of one of these steps.
        begin_work: work that precedes the first step.
        files_work: work of the files that are tried after the last step.
        later_steps: number of steps in the fits that will probably follow.
        later_work: work of those fits, their files included.
        max_seconds: longest time in steps of the fit, in seconds; None for no limit.
    """

    steps: int
    step_work: float
    begin_work: float = 0.0
    files_work: float = 0.0
    later_steps: int = 0
    later_work: float = 0.0
    max_seconds: float | None = None


class Outlook:
    """Follows one search, told of what begins and of every step."""

    def __init__(self) -> None:
        self._phase, self._since, self._pace = Phase.TRAINING, time.monotonic(), 1.0
        self._ahead = Ahead(steps=0, step_work=0.0)
        self._before: tuple[int, float] = (0, 0.0)  # steps and seconds of the fits that this one does not contain
        self._first: tuple[int, float] = (0, 0.0)  # and those from which it goes on
        self._step, self._in_steps = self._first
        self._psnr_db: float | None = None

    def begin(self, ahead: Ahead, *, before: tuple[int, float], first: tuple[int, float]) -> None:
        """A fit begins.

        Args:
            ahead: what is expected of it.
            before: number of steps of the fits that it does not contain, and their seconds.
            first: number of its own steps from which it goes on, and their seconds.
        """
        self._phase, self._since, self._ahead = Phase.TRAINING, time.monotonic(), ahead
        self._before, self._first = before, first
        self._step, self._in_steps = first

    def stepped(self, progress: Progress) -> None:
        """A step of the fit was taken."""
        self._step, self._in_steps, self._psnr_db = progress.step, progress.seconds, progress.psnr_db
        steps, seconds = self._step - self._first[0], self._in_steps - self._first[1]
        self._pace = max(seconds, 1e-9) / (steps * self._ahead.step_work)

    def compress(self) -> None:
        """The fit has ended, and files are tried."""
        self._phase, self._since = Phase.COMPRESSING, time.monotonic()

    def end(self) -> None:
        """Nothing more is planned."""
        self._since = time.monotonic()
        self._ahead = replace(self._ahead, files_work=0.0, later_steps=0, later_work=0.0)

    @property
    def standing(self) -> Standing:
        """Where the search stands at this moment."""
        ahead, pace, steps, left = self._ahead, self._pace, self._step, 0.0
        files = pace * ahead.files_work
        if self._phase is Phase.TRAINING:
            steps, left = self._training()
        else:
            files = self._of_phase(files)
        return Standing(
            phase=self._phase,
            step=self._before[0] + self._step,
            total_steps=self._before[0] + steps + ahead.later_steps,
            psnr_db=self._psnr_db,
            seconds=self._before[1] + self._in_steps,
            eta_seconds=left + files + pace * (ahead.later_work + _CLOSING_STEPS * ahead.step_work),
        )

    def _training(self) -> tuple[int, float]:
        """The steps that the fit under way will have, and the seconds until then."""
        ahead, pace = self._ahead, self._pace * self._ahead.step_work
        steps = max(ahead.steps, self._step)
        left = pace * (steps - self._step)
        if ahead.max_seconds is not None and left > (limit := max(0.0, ahead.max_seconds - self._in_steps)):
            steps, left = self._step + ceil(limit / pace), limit
        begun = self._step > self._first[0]
        return steps, left + (0.0 if begun else self._of_phase(self._pace * ahead.begin_work))

    def _of_phase(self, foreseen: float) -> float:
        """What is left of something that began with the phase: that it is late does not mean that it ends."""
        spent = time.monotonic() - self._since
        return max(foreseen - spent, _LATE_SHARE * spent)
