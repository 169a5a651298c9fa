"""How a fit ended, in words that say what to try next, and what it produced."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuner.decibels import mse_to_psnr_db
from tuner.fit.config import Budget
from tuner.fit.sines.module import SineNetwork

_ADVICE = {
    "converged": "The target quality was reached.",
    "step_limit": "The fit used all of its steps; more steps, or a larger network, would come closer to the signal.",
    "time_limit": "The fit used all of its time; more time, or a lower effort that is planned for it, would do better.",
    "plateau": "The quality stopped rising: this network holds no more of the signal; try more frequencies or neurons.",
    "stopped": "The fit was stopped on request; resume it from its last checkpoint to go on.",
}


class FitOutcome(StrEnum):
    """Why a fit ended."""

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    TIME_LIMIT = "time_limit"
    PLATEAU = "plateau"
    STOPPED = "stopped"

    @property
    def advice(self) -> str:
        """One sentence: what happened and what to try next."""
        return _ADVICE[self.value]


@dataclass(frozen=True, kw_only=True, slots=True)
class FitResult:
    """A fitted network and the facts of its fit.

    Attributes:
        network: ready for use, on the device of the fit, its hidden weights within their bounds.
        outcome: why the fit ended.
        steps: taken, those before a resume included.
        seconds: of training, those before a resume included.
        psnr_db: exact, over all samples that were not held out and all channels, unclamped.
        held_out_psnr_db: the same over those that were; None if none was.
        history: the mean squared error that each step reported.
    """

    network: SineNetwork
    outcome: FitOutcome
    steps: int
    seconds: float
    psnr_db: float
    history: tuple[float, ...]
    held_out_psnr_db: float | None = None


def spent(budget: Budget, history: Sequence[float], seconds: float) -> FitOutcome | None:
    """Whether a budget is used up, its target aside.

    Args:
        budget: of the fit.
        history: the mean squared error after each step.
        seconds: of training so far.
    """
    if len(history) >= budget.max_steps:
        return FitOutcome.STEP_LIMIT
    if budget.max_seconds is not None and seconds >= budget.max_seconds:
        return FitOutcome.TIME_LIMIT
    if budget.plateau_steps is not None and len(history) > budget.plateau_steps:
        recent = min(history[-budget.plateau_steps :])
        earlier = min(history[: -budget.plateau_steps])
        if mse_to_psnr_db(recent) - mse_to_psnr_db(earlier) < budget.plateau_db:
            return FitOutcome.PLATEAU
    return None
