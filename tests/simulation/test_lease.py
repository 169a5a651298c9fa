"""What a schedule reaches too rarely to be counted on: a worker whose heartbeat is stuck in a call."""

import time
from types import SimpleNamespace
from typing import cast

from store.repositories.fits import Claim
from tests.simulation.world import SETTINGS
from worker.lease import Lease
from worker.resources import Resources


def test_a_lease_that_nobody_extends_is_over_by_the_workers_own_clock() -> None:
    # The thread that beats is not begun, as one that waits for an answer is not heard of: only the clock is left.
    resources = cast("Resources", SimpleNamespace(settings=SETTINGS))
    now = time.monotonic()
    over = Lease(resources, Claim("fit_1", 1), since=now - SETTINGS.lease_seconds)
    fresh = Lease(resources, Claim("fit_1", 1), since=now)
    assert (over.is_lost(), fresh.is_lost()) == (True, False)
