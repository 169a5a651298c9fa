"""Every question about fits and every move they make; here those of clients.

The worker's are in `store.repositories.attempts`, upkeep's in `store.repositories.repairs`; all of them go through
the few lines of `store.repositories.moves`.
"""

from collections.abc import Mapping

from sqlalchemy import func, insert, select
from sqlalchemy.orm import lazyload

from store.classes import WorkerClass
from store.errors import FitNotFound, IdempotencyConflict, IllegalMove
from store.models import Fit, FitEvent, IdempotencyKey
from store.origin import origin
from store.repositories.attempts import Attempts, ClaimedFit, StoredObject
from store.repositories.moves import EVENTS_CHANNEL, Claim, Excuse
from store.repositories.repairs import Repairs
from store.repositories.turns import MAX_POSITION, place_in_line
from store.spec import FitSpec, read_spec
from store.status import FitStatus

__all__ = ["EVENTS_CHANNEL", "MAX_POSITION", "Claim", "ClaimedFit", "Excuse", "Fits", "StoredObject"]


class Fits(Attempts, Repairs):
    """The fits table, its attempts, events and results, within one unit of work."""

    def submit(
        self,
        *,
        tenant: str,
        signal_id: str,
        spec: FitSpec,
        priority: int = 0,
        worker_class: str = WorkerClass.ANY,
        labels: dict[str, str] | None = None,
        idempotency: tuple[str, str] | None = None,
        kept_seconds: float | None = None,
    ) -> tuple[Fit, bool]:
        """Queue a fit of the tenant's signal, or find the one that an earlier request with the same key queued.

        Args:
            tenant: owner of the signal and of the fit.
            signal_id: an existing signal of that tenant, checked by the caller.
            spec: options of the fit, as they were asked for.
            priority: among the tenant's own fits, a higher one is claimed earlier.
            worker_class: class of the workers that may take it, a `WorkerClass` or a newer word.
            labels: the client's own words about it.
            idempotency: the client's key and the hash of its request.
            kept_seconds: time in seconds from the end of the fit until it is deleted; None for ever.

        Returns:
            The row, and whether it is new.

        Raises:
            IdempotencyConflict: if the key was used with another request.
        """
        if idempotency is not None:
            # Concurrent requests with one key wait here for each other, so that the first one's row is seen by the
            # rest.
            self._session.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(f"{tenant}\n{idempotency[0]}", 0)))
            )
            known = self._session.get(IdempotencyKey, (tenant, idempotency[0]))
            if known is not None:
                if known.request_sha256 != idempotency[1]:
                    raise IdempotencyConflict(
                        f"the Idempotency-Key {idempotency[0]!r} belongs to another request: take a new key"
                    )
                return self.get(tenant, known.fit_id), False
        fit = Fit(
            tenant=tenant,
            signal_id=signal_id,
            spec=spec.model_dump(mode="json"),
            priority=priority,
            worker_class=str(worker_class),
            labels=labels or {},
            published_at=func.now(),  # by the caller, after the commit; if that fails upkeep does it later
            event_seq=1,
            kept_seconds=kept_seconds,
            origin=origin(),
            representation=None,  # said, not asked: every question is a round trip
        )
        self._session.add(fit)
        self._session.flush()
        if idempotency is not None:
            self._session.execute(
                insert(IdempotencyKey).values(
                    tenant=tenant, key=idempotency[0], request_sha256=idempotency[1], fit_id=fit.id
                )
            )
        self._append_event(fit, FitStatus.QUEUED)
        return fit, True

    def get(self, tenant: str, fit_id: str) -> Fit:
        """The tenant's fit with this id.

        Raises:
            FitNotFound: if there is none; another tenant's fit is as absent as one that never was.
        """
        fit = self._session.scalar(select(Fit).filter_by(tenant=tenant, id=fit_id))
        if fit is None:
            raise _absent(fit_id)
        return fit

    def get_alone(self, tenant: str, fit_id: str) -> Fit:
        """The tenant's fit, without its signal.

        Raises:
            FitNotFound: as `get` does.
        """
        query = select(Fit).options(lazyload(Fit.signal)).where(Fit.tenant == tenant, Fit.id == fit_id)
        fit = self._session.scalar(query)
        if fit is None:
            raise _absent(fit_id)
        return fit

    def queue_position(self, fit: Fit) -> int | None:
        """How many fits are claimed before this one, at most 500, or None if it is not queued; see `place_in_line`."""
        return place_in_line(self._session, fit.id) if fit.status is FitStatus.QUEUED else None

    def events(self, fit_id: str, *, after: int = 0, limit: int = 1000) -> list[FitEvent]:
        """Events with a sequence number over `after`, in order."""
        query = select(FitEvent).where(FitEvent.fit_id == fit_id, FitEvent.seq > after)
        return list(self._session.scalars(query.order_by(FitEvent.seq).limit(limit)))

    def request_cancel(self, tenant: str, fit_id: str) -> Fit:
        """Cancel a queued fit at once; ask the worker of a running one to stop. Asking again changes nothing.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has already succeeded, failed or expired.
        """
        fit = self._locked(tenant, fit_id)
        match fit.status:
            case FitStatus.CANCELLING | FitStatus.CANCELLED:
                pass
            case FitStatus.QUEUED | FitStatus.PAUSED:
                self._move(fit, FitStatus.CANCELLED)
            case _:
                self._move(fit, FitStatus.CANCELLING)
        return fit

    def request_pause(self, tenant: str, fit_id: str) -> Fit:
        """Take a queued fit out of the queue; ask the worker of a running one to save it and hand it back.

        Asking again changes nothing.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has ended or is being cancelled.
        """
        fit = self._locked(tenant, fit_id)
        match fit.status:
            case FitStatus.PAUSED:
                pass
            case FitStatus.RUNNING:
                self._wish_pause(fit, True)
            case _:
                self._move(fit, FitStatus.PAUSED)
        return fit

    def request_resume(self, tenant: str, fit_id: str) -> tuple[Fit, bool]:
        """Let a paused fit go on from its last checkpoint. Asking again changes nothing.

        Returns:
            The row, and whether the caller has to announce it after the commit.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has ended or is being cancelled.
        """
        fit = self._locked(tenant, fit_id)
        match fit.status:
            case FitStatus.QUEUED:
                return fit, False
            case FitStatus.RUNNING:
                self._wish_pause(fit, False)
                return fit, False
            case _:
                self._move(fit, FitStatus.QUEUED, {"reason": "resumed"})
                fit.queued_at = fit.published_at = self._now
                fit.not_before = None
                self._session.flush()
                return fit, True

    def change_labels(self, tenant: str, fit_id: str, changes: Mapping[str, str | None] | None) -> Fit:
        """Give a fit other labels, whatever its status. Asking again changes nothing.

        It is no event of the fit, whose last one says how it ended; but it counts as a change of it.

        Args:
            tenant: owner of the fit.
            fit_id: id of the fit.
            changes: labels that are set, or removed where there is None; what is not named stays. None removes all.

        Raises:
            FitNotFound: if the tenant has no such fit.
        """
        fit = self._locked(tenant, fit_id)
        merged: dict[str, str | None] = {} if changes is None else {**fit.labels, **changes}
        labels = {name: word for name, word in merged.items() if word is not None}
        if labels != fit.labels:
            fit.labels, fit.updated_at = labels, self._now
            self._session.flush()
        return fit

    def submit_again(
        self, tenant: str, fit_id: str, *, is_lost: bool = False, kept_seconds: float | None = None
    ) -> tuple[Fit, bool]:
        """Queue a new fit like one that came to nothing; that one stays as it is. Asking again finds the same new fit.

        Args:
            tenant: owner of the fit.
            fit_id: id of the fit that came to nothing.
            is_lost: whether the fit came to nothing although it succeeded, because its result is missing or damaged.
            kept_seconds: time in seconds from the end of the new fit until it is deleted; None for ever.

        Returns:
            The new row, and whether it is new with this call.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: unless the fit failed, expired or was cancelled, or its result is lost.
            SpecNewer, SpecInvalid: if this version cannot read what it asked for.
        """
        old = self.get(tenant, fit_id)
        came_to_nothing = old.status in {FitStatus.FAILED, FitStatus.EXPIRED, FitStatus.CANCELLED}
        if not came_to_nothing and not (is_lost and old.status is FitStatus.SUCCEEDED):
            raise IllegalMove(
                f"fit {fit_id} is {old.status}: only one that failed, expired or was cancelled is retried, or one "
                "whose result is missing or damaged in storage"
            )
        return self.submit(
            tenant=tenant,
            signal_id=old.signal_id,
            spec=read_spec(old.spec),
            priority=old.priority,
            worker_class=old.worker_class,
            labels=old.labels,
            # No client can choose this key: theirs have no spaces.
            idempotency=(f"retry of {fit_id}", "retry"),
            kept_seconds=kept_seconds,
        )


def _absent(fit_id: str) -> FitNotFound:
    return FitNotFound(f"no fit {fit_id!r}: POST /fits returns the id of a new one, GET /fits lists yours")
