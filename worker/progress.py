"""Between two training steps: tell the service how far it is, keep a checkpoint, and see whether to stop."""

import logging
import math
import time
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from store.errors import LeaseLost
from store.repositories.fits import Claim, Fits
from store.status import Order
from tuner.fit.progress import Progress, Verdict
from worker.checkpoints import save_checkpoint
from worker.drain import draining
from worker.lease import Lease
from worker.resources import Resources

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """The fit has no state yet that could be kept: it is cancelled, or begins anew elsewhere."""


class Reporter:
    """What the training loop asks after every step, and while the signal is read.

    Attributes:
        handed_over: the state at which training stopped is stored; whoever claims the fit next goes on from there.
    """

    def __init__(self, resources: Resources, claim: Claim, lease: Lease) -> None:
        self._resources = resources
        self._claim = claim
        self._lease = lease
        now = time.monotonic()
        self._next_report = now
        self._next_checkpoint = now + resources.settings.checkpoint_every_seconds
        self.handed_over = False

    def __call__(self, progress: Progress) -> Verdict:
        """Report, save, and say whether to go on.

        Raises:
            LeaseLost: if another attempt holds the fit by now.
        """
        settings = self._resources.settings
        self._lease.note_step()
        if self._lease.order is Order.CANCEL:
            return Verdict.STOP
        if draining.is_set() or self._lease.order is Order.PAUSE:
            # Who leaves, or is told to pause, saves what there is, even if the last checkpoint is young.
            save_checkpoint(self._resources, self._claim, progress.capture())
            self.handed_over = True
            return Verdict.STOP
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + settings.progress_every_seconds
            with self._lease.waiting():
                self._report(progress)
        if now >= self._next_checkpoint:
            save_checkpoint(self._resources, self._claim, progress.capture())
            self._next_checkpoint = time.monotonic() + settings.checkpoint_every_seconds
        self._expect_lease()
        return Verdict.CONTINUE

    def heed(self) -> None:
        """See between two pieces of the reading whether to go on.

        Raises:
            Interrupted: if the fit is to stop, be it for good or not.
            LeaseLost: if another attempt holds the fit by now.
        """
        self._lease.note_step()
        if draining.is_set() or self._lease.order is not Order.CONTINUE:
            raise Interrupted(f"{self._claim.fit_id} is to stop while its signal is read")
        self._expect_lease()

    def _expect_lease(self) -> None:
        if self._lease.is_lost():
            raise LeaseLost(f"the lease on {self._claim.fit_id} could not be extended in time")

    def _report(self, progress: Progress) -> None:
        try:
            with self._resources.database.unit_of_work() as session:
                self._lease.note(Fits(session).report_progress(self._claim, progress_json(progress)))
        except SQLAlchemyError as error:
            logger.warning("progress of %s was not reported: %s", self._claim.fit_id, error)


def progress_json(progress: Progress) -> dict[str, Any]:
    """What clients see of a step; numbers that are not finite become null."""
    return {
        "step": progress.step,
        "total_steps": progress.total_steps,
        "psnr_db": finite(progress.psnr_db, digits=3),
        "seconds": finite(progress.seconds, digits=3),
        "eta_seconds": finite(progress.eta_seconds, digits=1),
    }


def finite(number: float | None, *, digits: int) -> float | None:
    """A number that JSON can hold, or None."""
    return None if number is None or not math.isfinite(number) else round(number, digits)
