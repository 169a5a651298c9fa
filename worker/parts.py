"""An idle worker helps with a large fit that another one holds: it takes a part, fits its tiles, and stores them.

Fits that wait go first, and between two parts there is a look for them: parts are short. A part whose worker is lost is
taken by the next one who asks, once its lease is over; no more than its tiles are fitted again.
"""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, LeaseLost, SpecInvalid, SpecNewer
from store.repositories.fits import Claim
from store.repositories.parts import ClaimedPart, PartClaim, Parts
from store.status import Order
from tuner.errors import TunerError
from tuner.fit.progress import Progress, Verdict
from tuner.signal.large import LargeSignal, as_large
from tuner.targets.ask import TilesAsk
from tuner.targets.tiles.search import fit_part
from worker.crew import part_of, store_part
from worker.drain import draining
from worker.lease import Lease, end_process
from worker.memory import memory_budget
from worker.reading import SignalTooCostly, read_caged
from worker.resources import Resources
from worker.run import run_next_fit, worker_name
from worker.translate import ask_from_spec

logger = logging.getLogger(__name__)


def help_out(resources: Resources) -> int:
    """Take parts of large fits until there are none, and every fit that waits in between; returns how many parts."""
    helper, parts = Helper(resources), 0
    while not draining.is_set() and helper.run_next() is not None:
        parts += 1
        while not draining.is_set() and run_next_fit(resources) is not None:
            pass
    return parts


class Helper:
    """Takes one part after the other, and keeps the signal that the last one was of: reading it takes a while.

    Args:
        resources: what the worker works with.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._signal: tuple[str, LargeSignal] | None = None  # with the hash of the upload

    def run_next(self) -> PartClaim | None:
        """Take a part and see it through; returns what was taken, or None if no part is free."""
        settings = self._resources.settings
        asked_at = time.monotonic()
        try:
            with self._resources.database.reading() as session:
                if not Parts(session).are_open():
                    return None
            with self._resources.database.unit_of_work() as session:
                claimed = Parts(session).claim_next(
                    worker_name(),
                    lease_seconds=settings.lease_seconds,
                    max_tries=settings.max_tries,
                    classes=self._resources.classes,
                )
        except (SpecNewer, SpecInvalid, SQLAlchemyError) as error:
            logger.warning("no part is taken for now: %s", error)
            return None
        if claimed is None:
            return None
        claim = claimed.claim
        self._resources.taken.fits += 1
        logger.info("attempt %s of part %s of %s begins", claim.attempt, claim.number, claim.fit_id)
        with (
            PartLease(self._resources, claim, since=asked_at) as lease,
            memory_budget(settings, end_process),
        ):
            try:
                self._carry_out(claimed, lease)
            except LeaseLost as error:
                logger.warning("a part is not wanted any more: %s", error)
            except (TunerError, SignalTooCostly, BlobMissing, BlobDamaged, BlobsUnavailable, SQLAlchemyError) as error:
                # Whoever holds the fit will meet the same and say so; until then the part is somebody else's.
                logger.warning("part %s of %s was not fitted here: %s", claim.number, claim.fit_id, error)
        return claim

    def _carry_out(self, claimed: ClaimedPart, lease: "PartLease") -> None:
        signal = self._read(claimed, lease)
        ask = ask_from_spec(claimed.spec, signal)
        if not isinstance(ask, TilesAsk):
            logger.warning("%s is not fitted in tiles by this version", claimed.claim.fit_id)
            return
        state = fit_part(signal, ask, part_of(claimed.claim), on_step=lease.follow)
        if state is not None:
            store_part(self._resources, claimed.claim, state)
        elif lease.order is not Order.CANCEL:
            with self._resources.database.unit_of_work() as session:
                Parts(session).release(claimed.claim)

    def _read(self, claimed: ClaimedPart, lease: "PartLease") -> LargeSignal:
        row = claimed.signal
        if self._signal is None or self._signal[0] != row.sha256:
            self._signal = None
            content = self._resources.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)
            self._signal = row.sha256, as_large(read_caged(content, self._resources.settings, lease.heed))
        return self._signal[1]


class PartLease(Lease):
    """Holding on to a part, as a worker holds on to a fit.

    Args:
        resources: what the worker works with.
        claim: the hold on the part.
        since: time on the monotonic clock before the part was asked for.
    """

    def __init__(self, resources: Resources, claim: PartClaim, *, since: float) -> None:
        super().__init__(resources, Claim(claim.fit_id, claim.attempt), since=since)
        self._part = claim

    def follow(self, progress: Progress) -> Verdict:  # noqa: ARG002  whoever holds the fit tells of it
        """After every step: whether to go on.

        Raises:
            LeaseLost: if the part is somebody else's by now.
        """
        return Verdict.STOP if self._is_to_stop() else Verdict.CONTINUE

    def heed(self) -> None:
        """While the signal is read: whether to go on.

        Raises:
            LeaseLost: if it is not, or the part is somebody else's by now.
        """
        if self._is_to_stop():
            raise LeaseLost(f"part {self._part.number} of {self._part.fit_id} is to stop while its signal is read")

    def _is_to_stop(self) -> bool:
        self.note_step()
        if self.is_lost():
            raise LeaseLost(f"the lease on part {self._part.number} of {self._part.fit_id} was not extended in time")
        return draining.is_set() or self.order is Order.CANCEL

    def _beat(self, session: Session) -> Order:
        return Parts(session).beat(self._part, lease_seconds=self._resources.settings.lease_seconds)

    def _give_up_hung(self) -> None:
        """Nothing is written: the lease will be over, and the part is taken by another."""
