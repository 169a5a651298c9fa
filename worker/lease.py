"""Holding on to a fit: a thread extends the lease and learns what the service wants of it.

The thread beats even while a training step takes long. When the lease cannot be extended in time, for whatever reason,
the claim counts as lost *before* the database lets another worker have it, and the fit stops without writing anything.
"""

import logging
import time
from threading import Event, Thread
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from store.errors import LeaseLost
from store.repositories.fits import Claim, Fits
from store.status import FitStatus
from worker.resources import Resources

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


class Lease:
    """Use as a context manager around everything that is done for a claim.

    Attributes:
        lost: set when the claim no longer counts.
        cancelled: set when the client wants the fit to stop.
    """

    def __init__(self, resources: Resources, claim: Claim) -> None:
        self.lost = Event()
        self.cancelled = Event()
        self._resources = resources
        self._claim = claim
        self._done = Event()
        self._valid_until = time.monotonic() + resources.settings.lease_seconds
        self._thread = Thread(target=self._keep, name=f"lease-{claim.fit_id}", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def note(self, status: FitStatus) -> None:
        """Take over what a beat, or any other answer of the database, says about the fit."""
        if status is FitStatus.CANCELLING:
            self.cancelled.set()

    def _keep(self) -> None:
        settings = self._resources.settings
        wait = settings.heartbeat_seconds
        while not self._done.wait(wait):
            started = time.monotonic()
            try:
                with self._resources.database.unit_of_work() as session:
                    self.note(Fits(session).beat(self._claim, lease_seconds=settings.lease_seconds))
            except LeaseLost:
                self.lost.set()
                return
            except SQLAlchemyError as error:
                logger.warning("heartbeat of %s failed: %s", self._claim.fit_id, error)
                if time.monotonic() + RETRY_SECONDS >= self._valid_until:
                    self.lost.set()
                    return
                wait = RETRY_SECONDS
            else:
                self._valid_until = started + settings.lease_seconds
                wait = settings.heartbeat_seconds
