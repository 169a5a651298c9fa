"""Several attempts at once: a stage of each, then the next stage of each, and all their ends in one transaction.

What one thread does for each of them does not get faster by that, but caches stay warm, and a transaction of several
ends has one beginning and one commit (docs/decisions/0045-many-small-fits.md). An attempt of which something comes of
its own leaves the others, who do not notice.
"""

import logging
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from store.errors import IllegalMove, LeaseLost, StorageFull
from store.repositories.fits import Fits
from worker.attempt import Attempt
from worker.memory import memory_budget
from worker.resources import Resources

logger = logging.getLogger(__name__)


def see_through(resources: Resources, attempts: Sequence[Attempt]) -> None:
    """Do all that is left of some attempts, by turns, and let go of them.

    Args:
        resources: what the worker works on.
        attempts: attempts that beat, at least one. The memory for one fit is for all of them together.
    """
    current = attempts[0]

    def take_too_much() -> None:
        current.take_too_much()  # the one that is worked on when it is asked

    try:
        with memory_budget(resources.settings, take_too_much):
            while under_way := [attempt for attempt in attempts if not attempt.is_over]:
                for current in under_way:
                    current.go_on()
                    if current.lost_engines:
                        # One attempt is what an outage costs: the others begin anew when there are engines again.
                        for attempt in attempts:
                            attempt.hand_back()
            _write_ends(resources, [attempt for attempt in attempts if not attempt.is_lost])
    except BaseException:
        current.leave_others()  # what nobody foresaw in one is to cost none of them an attempt
        raise
    finally:
        for attempt in attempts:
            attempt.let_go()
    for attempt in attempts:
        attempt.excuse()


def _write_ends(resources: Resources, attempts: Sequence[Attempt]) -> None:
    """Write the last moves in one transaction, or each in its own if anything is in the way of one of them."""
    if len(attempts) > 1:
        try:
            with resources.database.unit_of_work() as session:
                fits = Fits(session)
                fits.lock([attempt.claim for attempt in attempts])
                # In an order that all workers have: a quota is locked by its tenant until the transaction ends.
                for attempt in sorted(attempts, key=lambda attempt: attempt.claimed.tenant):
                    attempt.write_end(fits)
        except (IllegalMove, LeaseLost, StorageFull, SQLAlchemyError) as error:
            logger.info("%s attempts are ended one by one: %s", len(attempts), error)
        else:
            return
    for attempt in attempts:
        attempt.persist()
