"""Every question about fits and every move they make; here those of clients.

The worker's are in `store.repositories.attempts`, upkeep's in `store.repositories.repairs`; all of them go through
the few lines of `store.repositories.moves`.
"""

from sqlalchemy import bindparam, case, func, insert, select
from sqlalchemy.orm import aliased, lazyload

from store.errors import FitNotFound, IdempotencyConflict, IllegalMove
from store.models import Fit, FitEvent, IdempotencyKey
from store.repositories.attempts import Attempts, ClaimedFit, StoredObject
from store.repositories.moves import EVENTS_CHANNEL, Claim
from store.repositories.repairs import Repairs
from store.spec import FitSpec, read_spec
from store.status import FitStatus

__all__ = ["EVENTS_CHANNEL", "Claim", "ClaimedFit", "Fits", "StoredObject"]


# Clients poll for their place in the queue: beyond this it is not counted, or every poll would cost what waits.
MAX_POSITION = 500

_ahead = aliased(Fit)
_before = (
    select(_ahead.id)
    .where(
        _ahead.status == FitStatus.QUEUED,
        (_ahead.priority > Fit.priority) | ((_ahead.priority == Fit.priority) & (_ahead.id < Fit.id)),
    )
    .correlate(Fit)
    .limit(MAX_POSITION)
    .subquery()
)
_POSITION = case(
    (Fit.status == FitStatus.QUEUED, select(func.count()).select_from(_before).scalar_subquery()), else_=None
)
_WITH_POSITION = (
    select(Fit, _POSITION)
    .options(lazyload(Fit.signal))
    .where(Fit.tenant == bindparam("tenant"), Fit.id == bindparam("fit_id"))
)


class Fits(Attempts, Repairs):
    """The fits table, its attempts, events and results, within one unit of work."""

    def submit(
        self,
        *,
        tenant: str,
        signal_id: str,
        spec: FitSpec,
        priority: int = 0,
        labels: dict[str, str] | None = None,
        idempotency: tuple[str, str] | None = None,
        kept_seconds: float | None = None,
    ) -> tuple[Fit, bool]:
        """Queue a fit of the tenant's signal, or find the one that an earlier request with the same key queued.

        Args:
            tenant: owner of the signal and of the fit.
            signal_id: an existing signal of that tenant, checked by the caller.
            spec: options of the fit, as they were asked for.
            priority: higher is claimed earlier.
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
            labels=labels or {},
            published_at=func.now(),  # by the caller, after the commit; if that fails upkeep does it later
            event_seq=1,
            kept_seconds=kept_seconds,
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

    def get_with_position(self, tenant: str, fit_id: str) -> tuple[Fit, int | None]:
        """The tenant's fit, and how many queued fits are older or more urgent, at most 500: None if it is not queued.

        One question, since this is what clients poll; it leaves the signal out.

        Raises:
            FitNotFound: as `get` does.
        """
        found = self._session.execute(_WITH_POSITION, {"tenant": tenant, "fit_id": fit_id}).one_or_none()
        if found is None:
            raise _absent(fit_id)
        fit, position = found
        return fit, position

    def queue_position(self, fit: Fit) -> int | None:
        """How many queued fits are older or more urgent than this one, at most 500, or None if it is not queued."""
        return self._session.scalar(select(_POSITION).where(Fit.id == fit.id))

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
                fit.queued_at = fit.published_at = func.now()
                fit.not_before = None
                self._session.flush()
                return fit, True

    def submit_again(self, tenant: str, fit_id: str, *, kept_seconds: float | None = None) -> tuple[Fit, bool]:
        """Queue a new fit like one that came to nothing; that one stays as it is. Asking again finds the same new fit.

        Returns:
            The new row, and whether it is new with this call.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: unless the fit failed, expired or was cancelled.
            SpecNewer, SpecInvalid: if this version cannot read what it asked for.
        """
        old = self.get(tenant, fit_id)
        if old.status not in {FitStatus.FAILED, FitStatus.EXPIRED, FitStatus.CANCELLED}:
            raise IllegalMove(
                f"fit {fit_id} is {old.status}: only one that failed, expired or was cancelled is retried"
            )
        return self.submit(
            tenant=tenant,
            signal_id=old.signal_id,
            spec=read_spec(old.spec),
            priority=old.priority,
            labels=old.labels,
            # No client can choose this key: theirs have no spaces.
            idempotency=(f"retry of {fit_id}", "retry"),
            kept_seconds=kept_seconds,
        )


def _absent(fit_id: str) -> FitNotFound:
    return FitNotFound(f"no fit {fit_id!r}: POST /fits returns the id of a new one, GET /fits lists yours")
