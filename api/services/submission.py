"""POST /fits: the row first, the message after the commit.

The row is the truth and the outbox. A broker that is away costs a fit nothing but the time until upkeep sends its
message, so a failed publish never fails a request.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self

from sqlalchemy.orm import Session

from api.schemas.fits import FitOverrides, FitRequest, FitView
from api.services.fit_memory import check_memory
from api.settings import ApiSettings
from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, IdempotencyConflict
from store.models import Fit, IdempotencyKey
from store.queue import FitQueue
from store.repositories.deletions import Deletions, remove_objects
from store.repositories.fits import Fits
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals

MOST_WAITING = 1000
CLOSE_SECONDS = 2.0
QUIET_SECONDS = 5.0  # after a failed publish, none is tried for so long

logger = logging.getLogger(__name__)


class Publisher:
    """Sends hints to the broker from a thread of its own: no request waits for it, and none notices that it is away.

    A hint that is lost on the way, or with this process, is sent again by upkeep. A broker that does not answer is
    left alone for a while, and what cannot be sent soon is not kept.
    """

    def __init__(self, queue: FitQueue) -> None:
        self._queue = queue
        self._waiting: SimpleQueue[tuple[Callable[[str], bool], str] | None] = SimpleQueue()
        self._quiet_until = 0.0
        self._thread = Thread(target=self._send, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, fit_id: str) -> None:
        """Have a hint sent that a fit is queued."""
        self._put(self._queue.publish, fit_id)

    def publish_view(self, render_id: str) -> None:
        """Have a hint sent that a view is wanted."""
        self._put(self._queue.publish_view, render_id)

    def close(self) -> None:
        """Send what waits, and end."""
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _put(self, send: Callable[[str], bool], row_id: str) -> None:
        if time.monotonic() >= self._quiet_until and self._waiting.qsize() < MOST_WAITING:
            self._waiting.put((send, row_id))

    def _send(self) -> None:
        while (hint := self._waiting.get()) is not None:
            send, row_id = hint
            if time.monotonic() < self._quiet_until or send(row_id):
                continue
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            logger.warning(
                "the broker does not answer; the reaper will send the message", extra={"fields": {"id": row_id}}
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """On what terms the service takes a fit.

    Attributes:
        max_waiting: fits of a tenant that may be queued or paused; None for any number.
        max_stored_bytes: largest number of bytes that a tenant may have; with as many, no work begins whose result
            would be more.
        kept_seconds: time in seconds from the end of the fit until it is deleted; None for ever.
        fit_memory_bytes: memory in bytes that a worker has for one fit.
    """

    max_waiting: int | None
    max_stored_bytes: int | None
    kept_seconds: float | None
    fit_memory_bytes: int

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """As the service is set."""
        return cls(
            max_waiting=settings.max_waiting_fits,
            max_stored_bytes=settings.max_stored_bytes,
            kept_seconds=settings.fits_kept_seconds,
            fit_memory_bytes=settings.fit_memory_bytes,
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
        FitTooLarge: if it needs more memory than a worker has for one.
        TooManyFits: if with it more fits than are allowed would be queued or paused.
        StorageFull: if the tenant may not store anything more.
    """
    idempotency = None if idempotency_key is None else (idempotency_key, request_sha256(request))
    with database.unit_of_work() as session:
        if (known := _replay(session, tenant, idempotency)) is not None:
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
        FitTooLarge: if it needs more memory than a worker has for one.
        TooManyFits: if with it more fits than are allowed would be queued or paused.
        StorageFull: if the tenant may not store anything more.
        BlobsUnavailable: if storage does not say whether the result is there.
    """
    is_lost = _is_lost(database, blobs, tenant, fit_id)
    with database.unit_of_work() as session:
        if (known := _replay(session, tenant, (f"retry of {fit_id}", "retry"))) is not None:
            return known, False
        fits = Fits(session)
        Signals(session).get_for_fit(tenant, fits.get(tenant, fit_id).signal_id)
        fit, created = fits.submit_again(tenant, fit_id, is_lost=is_lost, kept_seconds=terms.kept_seconds)
        if created:
            _check(session, fit, terms)
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
        FitTooLarge: if it needs more memory than a worker has for one.
        TooManyFits: if with it more fits than are allowed would be queued or paused.
        StorageFull: if the tenant may not store anything more.
    """
    idempotency = None if idempotency_key is None else (idempotency_key, clone_sha256(fit_id, overrides))
    with database.unit_of_work() as session:
        if (known := _replay(session, tenant, idempotency)) is not None:
            return known, False
        request = FitRequest.like(Fits(session).get(tenant, fit_id), overrides)
        view, created = _submit(session, tenant, request, idempotency, terms)
    if created:
        publisher.publish(view.id)
    return view, created


def delete_fit(database: Database, blobs: BlobStore, tenant: str, fit_id: str) -> None:
    """Delete a fit that has ended, and all that it left.

    Raises:
        FitNotFound: if the tenant has no such fit (any more).
        IllegalMove: if the fit has not ended.
    """
    with database.unit_of_work() as session:
        keys = Deletions(session).delete_fit(tenant, fit_id)
    remove_soon(database, blobs, keys)


def remove_soon(database: Database, blobs: BlobStore, keys: list[str]) -> None:
    """Remove objects whose rows are deleted: now, or by upkeep once storage answers again; until then they count."""
    try:
        remove_objects(database, blobs, keys)
    except BlobsUnavailable:
        logger.warning("objects of what was deleted are still there; upkeep will remove them")


def _replay(session: Session, tenant: str, idempotency: tuple[str, str] | None) -> FitView | None:
    """The fit of an earlier request with this key and hash: what has become of its signal since does not matter.

    Raises:
        IdempotencyConflict: if the key was used with another request.
    """
    known = None if idempotency is None else session.get(IdempotencyKey, (tenant, idempotency[0]))
    if idempotency is None or known is None:
        return None
    if known.request_sha256 != idempotency[1]:
        raise IdempotencyConflict(
            f"the Idempotency-Key {idempotency[0]!r} belongs to another request: take a new key for this one"
        )
    fit, position = Fits(session).get_with_position(tenant, known.fit_id)
    return FitView.at(fit, queue_position=position)


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
        _check(session, fit, terms)
    return FitView.at(fit, queue_position=fits.queue_position(fit)), created


def _check(session: Session, fit: Fit, terms: Terms) -> None:
    check_memory(session, fit, terms.fit_memory_bytes)
    quotas = Quotas(session)
    quotas.check_waiting_fits(fit.tenant, terms.max_waiting)
    quotas.check_room(fit.tenant, terms.max_stored_bytes)


def request_sha256(request: FitRequest) -> str:
    """One hash for all ways to write the same request: order, spacing and spelled-out defaults do not matter."""
    return _sha256(request.model_dump(mode="json", exclude_defaults=True))


def clone_sha256(fit_id: str, overrides: FitOverrides) -> str:
    """One hash for all ways to write the same clone; a fit that came out the same is another request.

    What is said counts, also where it is the default: left out, it would be the original's.
    """
    said = overrides.model_dump(mode="json", include=overrides.model_fields_set - {"version"})
    return _sha256({"clone_of": fit_id, "overrides": said})


def _sha256(canonical: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
