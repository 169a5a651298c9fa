"""What a message brings about: as many fits as it stands for, a few at a time.

A message that stands for several is a loan of fits to one worker, which gives back what it cannot get to soon: where a
fit turns out to be large, where the time is up, and when the worker is to leave. What is given back is a message, too.
What dies with the process is sent again by upkeep.
"""

import time
from collections.abc import Sequence

from store.hints import Hint, is_small
from store.repositories.fits import ClaimedFit
from worker.drain import draining
from worker.resources import Resources
from worker.run import run_next_fits

LONGEST_SECONDS = 2.0  # after which no further fit of a message is claimed: small fits are small by a forecast


def run_hinted_fits(resources: Resources, hint: Hint) -> None:
    """Run up to as many fits as a message stands for, and send a message for those that others should not wait for."""
    left = hint.fits
    ends_at = time.monotonic() + LONGEST_SECONDS

    def give_back(fits: int) -> None:
        if fits:
            resources.queue.publish(hint.fit_id, hint.worker_class, fits)

    def on_claim(claimed: Sequence[ClaimedFit]) -> None:
        nonlocal left
        left -= len(claimed) - 1
        # Still due: fits of its class may wait for another worker, which the claimed ones' messages cannot wake.
        due = sum(one.worker_class is not hint.worker_class for one in claimed)
        if left and not all(is_small(one.spec, one.signal) for one in claimed):
            due, left = due + left, 0
        give_back(due)

    try:
        while left and not draining.is_set():
            most = min(left, resources.settings.fits_at_once)
            left -= 1  # used up, whatever comes of it: a message that fails again and again ends
            if not run_next_fits(resources, most=most, on_claim=on_claim):
                left = left + 1 if draining.is_set() else 0
            if time.monotonic() >= ends_at:
                break
    finally:
        give_back(left)
