"""What a fit tells its caller after every step, and what the caller may answer.

A step is one change of the network by its training algorithm; between two steps a fit can be shown, stopped or saved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tuner.fit.state import FitState


class Verdict(StrEnum):
    """What the caller wants after a step."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a fit stands after a step.

    Attributes:
        step: number of steps taken so far, those before a resume included.
        total_steps: largest number of steps that the budget allows.
        loss: mean squared error, as the last step reported it.
        psnr_db: quality in dB that this mean squared error stands for; an estimate where the error is one. The quality
            in the result is exact.
        seconds: time spent in steps so far, in seconds, that before a resume included.
        eta_seconds: time until the budget is used up, in seconds, at the present pace; None where nobody can tell.
        capture: returns a checkpoint of the fit at this very step; to be called before the caller answers, since the
            fit moves on then.
    """

    step: int
    total_steps: int
    loss: float
    psnr_db: float
    seconds: float
    eta_seconds: float | None
    capture: Callable[[], FitState]
