"""From the first second of a fit to the last: tell how far it is, keep checkpoints, and see whether to stop.

The thread that computes tells of phases when they begin and of steps when they are taken. While it is in something
long, be it a step, the thread of the lease tells that the phase lasts, with a forecast that has grown shorter.

What is foreseen to end within the pause between two reports tells of nothing but its beginning and its end: six reports
of a fit of a third of a second took a tenth of it (docs/decisions/0045-many-small-fits.md).
"""

import logging
import math
import time
from typing import Any, Literal

from sqlalchemy.exc import SQLAlchemyError

from store.errors import LeaseLost
from store.repositories.fits import Claim, Fits
from store.status import Order, Phase
from tuner.fit.progress import Progress, Verdict
from tuner.targets.outlook import Standing
from tuner.targets.result import TargetResult
from worker.checkpoints import save_checkpoint
from worker.drain import draining
from worker.lease import Lease
from worker.resources import Resources

logger = logging.getLogger(__name__)

# Between two reports there are so many seconds for each that the attempt has taken, up to the most: a fit of a day has
# some twenty thousand events and not a hundred thousand.
_SECONDS_PER_SECOND, _MOST_SECONDS = 1 / 60, 4.0
_LATE_SHARE = 0.2  # of the time since it was foreseen is left, at least, of what takes longer than that


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
        now = self._began = self._told = time.monotonic()
        self._standing: dict[str, Any] = {"phase": Phase.READING}
        self._foreseen: tuple[float, float | None] = (now, None)  # at what time, how many seconds
        lease.sign_of_life = self._sign_of_life
        self._next_report = now
        self._next_checkpoint = now + resources.settings.checkpoint_every_seconds
        self._next_announcement = now
        self._resolved: dict[str, Any] | None = None
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
            self._next_report = now + self._pause()
            self._report("progress", progress_json(Phase.TRAINING, progress), progress.eta_seconds)
        else:
            self._keep(progress_json(Phase.TRAINING, progress), progress.eta_seconds)
        if now >= self._next_checkpoint:
            save_checkpoint(self._resources, self._claim, progress.capture())
            self._next_checkpoint = time.monotonic() + settings.checkpoint_every_seconds
        self._expect_lease()
        return Verdict.CONTINUE

    def read(self) -> None:
        """The signal is fetched and read from now on."""
        self._report("phase", {"phase": Phase.READING}, None)

    def decide(self, resolved: dict[str, Any]) -> None:
        """It is known with which settings the signal is fitted; clients hear of them with the next report.

        Args:
            resolved: the settings, as clients see them.
        """
        self._resolved = resolved

    def rested(self, seconds: float) -> None:
        """The worker did something else meanwhile: the attempt is so much younger than its claim, and not late for it.

        Args:
            seconds: time on the wall.
        """
        self._began += seconds

    @property
    def untold(self) -> dict[str, Any] | None:
        """The settings that no report has told of yet."""
        return self._resolved

    def enter(self, standing: Standing) -> None:
        """The search has begun something else.

        Raises:
            LeaseLost: if another attempt holds the fit by now.
        """
        self._lease.note_step()
        self._report("phase", progress_json(Phase(standing.phase), standing), standing.eta_seconds)

    def store(self, result: TargetResult) -> None:
        """The file is there, and remains to be compared and stored: the steps that were taken are all there will be."""
        self._lease.note_step()
        ended = {"step": result.steps, "total_steps": result.steps, "seconds": finite(result.seconds, digits=3)}
        self._report("phase", self._standing | ended | {"phase": Phase.STORING}, self._eta(time.monotonic()))

    def last(self, psnr_db: float | None) -> dict[str, Any]:
        """What clients see of a fit that has its file, with the quality of that."""
        return self._standing | {"psnr_db": finite(psnr_db, digits=3), "eta_seconds": 0.0}

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

    def _keep(self, standing: dict[str, Any], eta_seconds: float | None) -> None:
        """For the sign of life that is to come."""
        self._standing, self._foreseen = standing, (time.monotonic(), eta_seconds)

    def _pause(self) -> float:
        """Seconds between two reports."""
        least = self._resources.settings.progress_every_seconds
        return max(least, min(_MOST_SECONDS, _SECONDS_PER_SECOND * (time.monotonic() - self._began)))

    def _eta(self, now: float) -> float | None:
        """Seconds that are left of those that were foreseen: what is late has not ended for that."""
        then, seconds = self._foreseen
        return None if seconds is None else max(seconds - (now - then), _LATE_SHARE * (now - then))

    def _sign_of_life(self) -> dict[str, Any] | None:
        """What the lease's thread is to publish, if nothing has been for a while."""
        now = time.monotonic()
        if now - self._told < self._pause():
            return None
        self._told = now
        return self._standing | {"eta_seconds": finite(self._eta(now), digits=1)}

    def _is_brief(self, eta_seconds: float | None) -> bool:
        """Whether the attempt is young and foreseen to be over before anybody would read of it.

        One that lasts after all is told of by its next step, or by the lease's thread.
        """
        least = self._resources.settings.progress_every_seconds
        spent = time.monotonic() - self._began
        return spent + (eta_seconds or 0.0) < least

    def _report(self, kind: Literal["progress", "phase"], standing: dict[str, Any], eta_seconds: float | None) -> None:
        self._keep(standing, eta_seconds)
        if self._is_brief(eta_seconds):
            return
        told = standing | {"eta_seconds": finite(eta_seconds, digits=1)}
        now = self._told = time.monotonic()
        is_announced = kind == "progress" and now >= self._next_announcement
        if is_announced:
            self._next_announcement = now + self._resources.settings.webhook_progress_seconds
        try:
            with self._lease.waiting(), self._resources.database.unit_of_work() as session:
                order = Fits(session).report_progress(
                    self._claim, told, kind=kind, resolved=self._resolved, announce=is_announced
                )
            self._lease.note(order)
            self._resolved = None  # once is enough
        except SQLAlchemyError as error:
            logger.warning("progress of %s was not reported: %s", self._claim.fit_id, error)


def progress_json(phase: Phase, progress: Progress | Standing) -> dict[str, Any]:
    """What clients see of a step or a phase, its forecast aside; numbers that are not finite become null."""
    return {
        "phase": phase,
        "step": progress.step,
        "total_steps": progress.total_steps,
        "psnr_db": finite(progress.psnr_db, digits=3),
        "seconds": finite(progress.seconds, digits=3),
    }


def finite(number: float | None, *, digits: int) -> float | None:
    """A number that JSON can hold, or None."""
    return None if number is None or not math.isfinite(number) else round(number, digits)
