"""Holding on to a fit: a thread extends the lease and learns what the service wants of it.

The thread beats even while a training step takes long, but not for ever: when no step has been made for `stall_seconds`
the computation hangs, and a lease that went on would hold the fit as long as the process lives. So the process ends
itself, its pool starts another one, and the fit goes on elsewhere. It does so even if the lease has been lost
meanwhile, be it that the fit was cancelled or deleted: a process that hangs takes no other fit either.

Nor does it beat for a thread that has waited for the database for longer than a lease: a fit whose progress nobody
hears of stands still, however good the line is over which the thread here beats.

When the lease cannot be extended in time, for whatever reason, the claim counts as lost *before* the database lets
another worker have it, and the fit stops without writing anything.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from store.errors import LeaseLost
from store.repositories.fits import Claim, Excuse, Fits
from store.status import Order
from worker.resources import Resources

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
STALLED_STATUS = 75  # of a process that ended itself


def end_process() -> None:
    """A computation that hangs cannot be interrupted, only left behind with its process."""
    os._exit(STALLED_STATUS)


class Lease:
    """Use as a context manager around everything that is done for a claim.

    Args:
        resources: what the worker works with.
        claim: the claim to hold on to.
        since: time on the monotonic clock before the claim was asked for; a process that stood still between the claim
            and this line would otherwise believe in a lease that is over.
        on_stall: called when the computation hangs.

    Attributes:
        order: the service's order for the fit, as of the last answer.
        excuse: why nothing may have been heard of this worker, if its lease is lost.
        sign_of_life: asked with every beat for what to publish of the fit, or None where that was done just now; the
            thread that computes may be in something long.
    """

    def __init__(
        self,
        resources: Resources,
        claim: Claim,
        *,
        since: float | None = None,
        on_stall: Callable[[], None] = end_process,
    ) -> None:
        self.order = Order.CONTINUE
        self.excuse: Excuse = "overtaken"
        self.sign_of_life: Callable[[], dict[str, Any] | None] = lambda: None
        self._resources = resources
        self._claim = claim
        self._on_stall = on_stall
        self._lost = Event()
        self._done = Event()
        self._last_step = time.monotonic()
        self._waits_since: float | None = None
        self._valid_until = (time.monotonic() if since is None else since) + resources.settings.lease_seconds
        self._thread = Thread(target=self._keep, name=f"lease-{claim.fit_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def note(self, order: Order) -> None:
        """Take over what a beat, or any other answer of the database, says; a cancel is never taken back."""
        if self.order is not Order.CANCEL:
            self.order = order

    def note_step(self) -> None:
        """The work goes on."""
        self._last_step = time.monotonic()

    def rest(self) -> None:
        """Nothing is done for the claim until the next step is noted: what waits for its turn does not hang."""
        self._last_step = math.inf

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The thread that works waits for the database: for longer than a lease it holds nothing."""
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = None

    def is_lost(self, within_seconds: float = 0.0) -> bool:
        """Whether the claim no longer counts, now or at the end of a pause."""
        return self._lost.wait(within_seconds) or time.monotonic() >= self._valid_until

    def _keep(self) -> None:
        settings = self._resources.settings
        wait = settings.heartbeat_seconds
        while not self._done.wait(wait):
            started = time.monotonic()
            if started - self._last_step > settings.stall_seconds:
                logger.error("no step of %s for %g s: giving it up", self._claim.fit_id, settings.stall_seconds)
                self._lost.set()
                self._give_up_hung()
                self._on_stall()
                return
            if self._lost.is_set():
                continue  # nothing is held any more, and what hangs would keep this process from every other fit
            since = self._waits_since
            if since is not None and started - since > settings.lease_seconds:
                # This thread's line is fine and the other's is not: the fit stands still, and others could go on.
                logger.error("%s waits for the database for longer than a lease: letting it go", self._claim.fit_id)
                self.excuse = "cut_off"
                self._lost.set()
                continue
            try:
                with self._resources.database.unit_of_work() as session:
                    self.note(self._beat(session))
            except LeaseLost:
                self._lost.set()
                wait = settings.heartbeat_seconds
            except SQLAlchemyError as error:
                logger.warning("heartbeat of %s failed: %s", self._claim.fit_id, error)
                self.excuse = "cut_off"
                if time.monotonic() + RETRY_SECONDS >= self._valid_until:
                    self._lost.set()
                wait = RETRY_SECONDS
            else:
                self.excuse = "overtaken"
                self._valid_until = started + settings.lease_seconds
                wait = settings.heartbeat_seconds

    def _beat(self, session: Session) -> Order:
        """Extend what is held, and say what is to be said of it."""
        fits = Fits(session)
        order = fits.beat(self._claim, lease_seconds=self._resources.settings.lease_seconds)
        if (standing := self.sign_of_life()) is not None:
            fits.report_progress(self._claim, standing, kind="phase")
        return order

    def _give_up_hung(self) -> None:
        """Say that it hangs, before the process goes: else it counts as a worker that died."""
        settings = self._resources.settings
        try:
            with self._resources.database.unit_of_work() as session:
                Fits(session).give_up_hung(
                    self._claim, max_hangs=settings.max_hangs, stall_seconds=settings.stall_seconds
                )
        except (LeaseLost, SQLAlchemyError) as error:
            logger.warning("that %s hangs was not recorded: %s", self._claim.fit_id, error)
