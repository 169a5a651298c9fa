"""Every way in which a fit can end says what to try next, and a budget ends it at its first limit."""

import pytest

from tuner.fit.config import Budget
from tuner.fit.result import FitOutcome, spent


def test_every_outcome_has_advice() -> None:
    for outcome in FitOutcome:
        assert outcome.advice.endswith(".")


@pytest.mark.parametrize(
    ("budget", "history", "seconds", "outcome"),
    [
        (Budget(max_steps=3), [1.0, 0.5], 1e9, None),
        (Budget(max_steps=2), [1.0, 0.5], 0.0, FitOutcome.STEP_LIMIT),
        (Budget(max_steps=3, max_seconds=2.0), [1.0], 2.0, FitOutcome.TIME_LIMIT),
        (Budget(max_steps=9, plateau_steps=2, plateau_db=1.0), [1.0, 0.99], 0.0, None),
        (Budget(max_steps=9, plateau_steps=2, plateau_db=1.0), [1.0, 0.99, 0.98], 0.0, FitOutcome.PLATEAU),
        (Budget(max_steps=9, plateau_steps=2, plateau_db=1.0), [1.0, 0.99, 0.1], 0.0, None),
    ],
)
def test_a_budget_ends_a_fit_at_its_first_limit(
    budget: Budget, history: list[float], seconds: float, outcome: FitOutcome | None
) -> None:
    assert spent(budget, history, seconds) is outcome
