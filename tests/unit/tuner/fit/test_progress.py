"""How far a fit is, and how long it will still take."""

import pytest

from tuner.fit.config import Budget
from tuner.fit.progress import Clock


def test_a_fit_is_as_far_as_its_steps_or_its_time_whichever_is_more() -> None:
    clock = Clock(Budget(max_steps=10, max_seconds=8.0))
    shares = [clock.share]
    for seconds in (0.4, 0.4, 3.2, 4.0):
        clock.tick(seconds)
        shares.append(clock.share)
    assert shares == pytest.approx([0.0, 0.1, 0.2, 0.5, 1.0])


def test_without_a_time_limit_steps_alone_count() -> None:
    clock = Clock(Budget(max_steps=4))
    clock.tick(1e6)
    assert (clock.share, clock.eta_seconds) == (0.25, 3e6)


def test_the_pace_is_that_since_a_resume() -> None:
    clock = Clock(Budget(max_steps=10))
    clock.set(6, 600.0)
    before = clock.eta_seconds
    clock.tick(2.0)
    assert (before, clock.eta_seconds) == (None, 6.0)
    assert (clock.steps, clock.seconds) == (7, 602.0)


def test_no_more_time_is_left_than_the_limit_allows() -> None:
    clock = Clock(Budget(max_steps=100, max_seconds=5.0))
    clock.tick(3.0)
    assert clock.eta_seconds == 2.0
    clock.tick(3.0)
    assert clock.eta_seconds == 0.0
