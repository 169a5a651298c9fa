"""How a fit ended, in words that say what to try next, and whether a budget is used up."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from tuner.decibels import mse_to_psnr_db
from tuner.fit.config import Budget

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
class FitSummary:
    """How a fit ended, whatever kind of network it trained; the result of each kind adds the network.

    Attributes:
        outcome: why the fit ended.
        steps: number of steps taken, those before a resume included.
        seconds: time spent in steps, in seconds, that before a resume included.
        psnr_db: exact quality in dB over all channels and all samples that were not held out, unclamped.
        history: mean squared error that each step reported, those before a resume included.
        watched_psnr_db: quality in dB on the watched samples that decided on the network; None if none were watched.
        best_step: number of steps after which the returned network was as it is, where samples were watched; None if it
            is the last one because none were.
    """

    outcome: FitOutcome
    steps: int
    seconds: float
    psnr_db: float
    history: tuple[float, ...]
    watched_psnr_db: float | None = None
    best_step: int | None = None

    def facts(self) -> dict[str, Any]:
        """The attributes by name, for a result that adds its own."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def spent(budget: Budget, history: Sequence[float], seconds: float) -> FitOutcome | None:
    """Whether a budget is used up, its target aside.

    Args:
        budget: limits of the fit.
        history: mean squared error that each step reported.
        seconds: time spent in steps so far, in seconds.

    Returns:
        The limit that was reached; None if none was.
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
