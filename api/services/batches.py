"""Many fits in one request. A batch is submitted wholly or not at all; fits are cancelled each by itself.

A half-accepted batch would leave its client to find out which half, and a repetition to be a third thing; refused as a
whole, it is corrected and sent again. A cancellation has nothing to take back: what has ended stays as it is, and what
is cancelled while the rest is looked at was to be cancelled anyway.
"""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from api.errors import FitTooLarge, InvalidRequest
from api.schemas.batches import CANCELLABLE, MOST_CANCELLED, CancelledFit, FitBatch, FitCancellation, FitCancellations
from api.schemas.fits import FitRequest, FitSummary
from api.services.fit_limits import FitLimits
from api.services.idempotency import batch_sha256
from api.services.publishing import Publisher
from api.services.webhooks import wanted_webhook
from api.settings import ApiSettings
from store.database import Database
from store.errors import FitNotFound, IllegalMove, SignalNotFound
from store.hints import hints_of
from store.models import Fit
from store.repositories.batches import Batches, WantedFit
from store.repositories.fits import Fits
from store.repositories.listing import FitFilter, fit_ids
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals

AT_ONCE = 100  # fits that one transaction cancels: their rows are locked until it ends


class FitBatches:
    """Submits and cancels many fits.

    Args:
        database: database with the rows of signals and fits.
        publisher: sends the messages.
        limits: refuses what no worker can do.
        settings: the service's terms, among others.
    """

    def __init__(self, database: Database, publisher: Publisher, limits: FitLimits, settings: ApiSettings) -> None:
        self._database, self._publisher, self._limits, self._settings = database, publisher, limits, settings

    def submit(self, tenant: str, requests: list[FitRequest], idempotency_key: str | None) -> tuple[FitBatch, bool]:
        """Queue all of the fits in one transaction, or find those of an earlier batch with the same key.

        Returns:
            The fits as their client sees them, in the order of the requests, and whether they are new.

        Raises:
            SignalNotFound: if the tenant has not all of the signals; the message says which requests name those.
            IdempotencyConflict: if the key was used with another request.
            FitTooLarge: if one of the fits needs more memory or time than a worker has for one.
            InvalidRequest: if the parts of one do not fit together.
            TooManyFits: if with them more fits than are allowed would be queued or paused.
            StorageFull: if the tenant may not store anything more.
        """
        name = None if idempotency_key is None else (idempotency_key, batch_sha256(requests))
        specs = [one.spec() for one in requests]
        with self._database.unit_of_work() as session:
            batches = Batches(session)
            if name is not None and (known := batches.replay(tenant, name)) is not None:
                return _seen(known), False
            _check_signals(session, tenant, requests)
            fits = batches.submit(
                tenant=tenant,
                wanted=[
                    WantedFit(
                        signal_id=one.signal_id,
                        spec=spec,
                        priority=one.priority,
                        worker_class=one.worker_class,
                        labels=one.labels,
                        webhook=None if one.webhook is None else wanted_webhook(one.webhook),
                    )
                    for one, spec in zip(requests, specs, strict=True)
                ],
                idempotency=name,
                kept_seconds=self._settings.fits_kept_seconds,
            )
            self._check(session, tenant, fits)
            batch, hints = _seen(fits), hints_of(zip(fits, specs, strict=True))
        self._publisher.publish_all(hints)
        return batch, True

    def cancel(self, tenant: str, asked: FitCancellation) -> FitCancellations:
        """Cancel fits, a hundred in a transaction, at most a thousand in all."""
        done: dict[str, CancelledFit | None] = {}
        if asked.ids is not None:
            for fit in self._cancelled(tenant, list(dict.fromkeys(asked.ids))):
                done |= fit
            absent = [fit_id for fit_id, fit in done.items() if fit is None]
            return FitCancellations(data=[fit for fit in done.values() if fit], absent=absent, more=False)
        condition = asked.where
        assert condition is not None  # noqa: S101  the schema has one of the two
        wanted = FitFilter(
            statuses=tuple(condition.status or CANCELLABLE),
            signal_id=condition.signal_id,
            labels=condition.labels,
            created_before=condition.created_before,
        )
        with self._database.reading() as session:
            found = fit_ids(session, tenant, wanted, limit=MOST_CANCELLED + 1)
        for fit in self._cancelled(tenant, found[:MOST_CANCELLED]):
            done |= fit
        # One that was deleted since it was found had ended before: nothing is to be told of it.
        return FitCancellations(data=[fit for fit in done.values() if fit], absent=[], more=len(found) > MOST_CANCELLED)

    def _cancelled(self, tenant: str, ids: list[str]) -> Iterator[dict[str, CancelledFit | None]]:
        for start in range(0, len(ids), AT_ONCE):
            with self._database.unit_of_work() as session:
                # Sorted, as everybody locks them: of two requests for the same fits one waits for the other.
                found = {
                    fit_id: _cancel(Fits(session), tenant, fit_id) for fit_id in sorted(ids[start : start + AT_ONCE])
                }
            yield {fit_id: found[fit_id] for fit_id in ids[start : start + AT_ONCE]}

    def _check(self, session: Session, tenant: str, fits: list[Fit]) -> None:
        """Whether the tenant may have the fits that were just queued; if not, their transaction is undone."""
        for number, fit in enumerate(fits):
            try:
                self._limits.check(session, fit)
            except (FitTooLarge, InvalidRequest) as error:
                raise type(error)(f"fits/{number}: {error}; none of the batch was queued") from error
        quotas = Quotas(session)
        quotas.check_waiting_fits(tenant, self._settings.max_waiting_fits)
        quotas.check_room(tenant, self._settings.max_stored_bytes)


def _seen(fits: list[Fit]) -> FitBatch:
    return FitBatch(data=[FitSummary.of(fit) for fit in fits])


def _check_signals(session: Session, tenant: str, requests: list[FitRequest]) -> None:
    there = Signals(session).get_all_for_fits(tenant, {one.signal_id for one in requests})
    missing = [(number, one.signal_id) for number, one in enumerate(requests) if one.signal_id not in there]
    if missing:
        number, signal_id = missing[0]
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SignalNotFound(
            f"fits/{number}{others}: no signal {signal_id!r}; none of the batch was queued: correct it, send it again"
        )


def _cancel(fits: Fits, tenant: str, fit_id: str) -> CancelledFit | None:
    try:
        return CancelledFit(id=fit_id, status=fits.request_cancel(tenant, fit_id).status)
    except FitNotFound:
        return None
    except IllegalMove:  # it has ended
        return CancelledFit(id=fit_id, status=fits.get(tenant, fit_id).status)
