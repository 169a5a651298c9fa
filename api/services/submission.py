"""How a fit gets into the queue, whoever asks: the row first, the message after the commit.

The row is the truth, and also the outbox: the list of messages that are to be sent. In the transaction that queues the
fit its column `published_at` notes that a message is due; upkeep sends another for every row that waits long after it.
A broker that is away costs a fit nothing but that time, so a failed publish never fails a request.
"""

from dataclasses import dataclass
from typing import Self

from sqlalchemy.orm import Session

from api.schemas.fits import FitOverrides, FitRequest, FitView
from api.services.idempotency import clone_sha256, replay, request_sha256
from api.services.publishing import Publisher
from api.settings import ApiSettings
from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobDamaged, BlobMissing
from store.repositories.fits import Fits
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """On what terms the service takes a fit.

    Attributes:
        max_waiting: fits of a tenant that may be queued or paused; None for any number.
        max_stored_bytes: largest number of bytes that a tenant may have; with as many, no work begins whose result
            would be more.
        kept_seconds: time in seconds from the end of the fit until it is deleted; None for ever.
    """

    max_waiting: int | None
    max_stored_bytes: int | None
    kept_seconds: float | None

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """As the service is set."""
        return cls(
            max_waiting=settings.max_waiting_fits,
            max_stored_bytes=settings.max_stored_bytes,
            kept_seconds=settings.fits_kept_seconds,
        )


def submit_fit(
    database: Database,
    publisher: Publisher,
    tenant: str,
    request: FitRequest,
    *,
    idempotency_key: str | None,
    terms: Terms,
) -> tuple[FitView, bool]:
    """Queue a fit, or find the one that an earlier request with the same key queued.

    Returns:
        The fit as its client sees it, and whether it is new.

    Raises:
        SignalNotFound: if the tenant has no such signal.
        IdempotencyConflict: if the key was used with another request.
        TooManyFits: if with it more fits than are allowed would be queued or paused.
        StorageFull: if the tenant may not store anything more.
    """
    idempotency = None if idempotency_key is None else (idempotency_key, request_sha256(request))
    with database.unit_of_work() as session:
        if (known := replay(session, tenant, idempotency)) is not None:
            return known, False
        view, created = _submit(session, tenant, request, idempotency, terms)
    if created:
        publisher.publish(view.id)
    return view, created


def resume_fit(database: Database, publisher: Publisher, tenant: str, fit_id: str) -> FitView:
    """Queue a paused fit again.

    Raises:
        FitNotFound: if the tenant has no such fit.
        IllegalMove: if the fit has ended or is being cancelled.
    """
    with database.unit_of_work() as session:
        fits = Fits(session)
        fit, is_queued_now = fits.request_resume(tenant, fit_id)
        view = FitView.at(fit, queue_position=fits.queue_position(fit))
    if is_queued_now:
        publisher.publish(fit_id)
    return view


def retry_fit(
    database: Database, blobs: BlobStore, publisher: Publisher, tenant: str, fit_id: str, *, terms: Terms
) -> tuple[FitView, bool]:
    """Queue a new fit like one that came to nothing, or whose result is missing or damaged.

    Returns:
        The new fit, and whether it is new with this call.

    Raises:
        FitNotFound: if the tenant has no such fit.
        SignalNotFound: if its signal was deleted.
        IllegalMove: unless the fit failed, expired or was cancelled, or its result is missing or damaged.
        TooManyFits: if with it more fits than are allowed would be queued or paused.
        StorageFull: if the tenant may not store anything more.
        BlobsUnavailable: if storage does not say whether the result is there.
    """
    is_lost = _is_lost(database, blobs, tenant, fit_id)
    with database.unit_of_work() as session:
        if (known := replay(session, tenant, (f"retry of {fit_id}", "retry"))) is not None:
            return known, False
        fits = Fits(session)
        Signals(session).get_for_fit(tenant, fits.get(tenant, fit_id).signal_id)
        fit, created = fits.submit_again(tenant, fit_id, is_lost=is_lost, kept_seconds=terms.kept_seconds)
        if created:
            _check(session, tenant, terms)
        view = FitView.at(fit, queue_position=fits.queue_position(fit))
    if created:
        publisher.publish(fit.id)
    return view, created


def _is_lost(database: Database, blobs: BlobStore, tenant: str, fit_id: str) -> bool:
    """Whether the fit has succeeded and the bytes of its result are not what was recorded; storage is asked."""
    with database.reading() as session:
        result = Fits(session).get(tenant, fit_id).representation
    if result is None:
        return False
    try:
        blobs.read(result.object_key, sha256=result.sha256, max_bytes=result.byte_count)
    except (BlobMissing, BlobDamaged):
        return True
    return False


def clone_fit(
    database: Database,
    publisher: Publisher,
    tenant: str,
    fit_id: str,
    overrides: FitOverrides,
    *,
    idempotency_key: str | None,
    terms: Terms,
) -> tuple[FitView, bool]:
    """Queue a new fit like another one but for some of its parts.

    Returns:
        The new fit, and whether it is new with this call.

    Raises:
        FitNotFound: if the tenant has no such fit.
        SignalNotFound: if its signal was deleted.
        IdempotencyConflict: if the key was used with another request.
        TooManyFits: if with it more fits than are allowed would be queued or paused.
        StorageFull: if the tenant may not store anything more.
    """
    idempotency = None if idempotency_key is None else (idempotency_key, clone_sha256(fit_id, overrides))
    with database.unit_of_work() as session:
        if (known := replay(session, tenant, idempotency)) is not None:
            return known, False
        request = FitRequest.like(Fits(session).get(tenant, fit_id), overrides)
        view, created = _submit(session, tenant, request, idempotency, terms)
    if created:
        publisher.publish(view.id)
    return view, created


def _submit(
    session: Session,
    tenant: str,
    request: FitRequest,
    idempotency: tuple[str, str] | None,
    terms: Terms,
) -> tuple[FitView, bool]:
    """Write the row of a fit; of two requests with one key at the same moment the later one finds the other's."""
    Signals(session).get_for_fit(tenant, request.signal_id)
    fits = Fits(session)
    fit, created = fits.submit(
        tenant=tenant,
        signal_id=request.signal_id,
        spec=request.spec(),
        priority=request.priority,
        labels=request.labels,
        idempotency=idempotency,
        kept_seconds=terms.kept_seconds,
    )
    if created:
        _check(session, tenant, terms)
    return FitView.at(fit, queue_position=fits.queue_position(fit)), created


def _check(session: Session, tenant: str, terms: Terms) -> None:
    quotas = Quotas(session)
    quotas.check_waiting_fits(tenant, terms.max_waiting)
    quotas.check_room(tenant, terms.max_stored_bytes)
