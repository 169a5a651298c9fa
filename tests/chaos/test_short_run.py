"""A minute of chaos in every test run; `make chaos` has the long one."""

from random import Random

import pytest

from tests.chaos.faults import FAULTS, draw_schedule
from tests.chaos.outage import run_outage
from tests.chaos.run import run_chaos


@pytest.mark.timeout(900)  # a busy machine takes minutes, and every wait in it has an end of its own
def test_nothing_is_lost_and_nothing_is_done_twice() -> None:
    report = run_chaos(fits=8, faults=6, seed=7)
    assert report["violations"] == {}
    assert (report["lost"], report["duplicated"]) == (0, 0)
    assert sum(report["faults_by_kind"].values()) == 6


def test_a_long_schedule_holds_every_kind_of_fault() -> None:
    assert {kind for _, kind in draw_schedule(60, Random(1))} == set(FAULTS)


@pytest.mark.long
def test_while_the_broker_is_away_everything_is_accepted_and_then_completed() -> None:
    report = run_outage(seconds=5, fits=3, submissions=5)
    assert (report["accepted"], report["succeeded"], report["tried_again"]) == (8, 8, 0), report
