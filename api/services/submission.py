"""How a fit gets into the queue, whoever asks: the row first, the message after the commit.

The row is the truth, and also the outbox: the list of messages that are to be sent. In the transaction that queues the
fit its column `published_at` notes that a message is due; upkeep sends another for every row that waits long after it.
A broker that is away costs a fit nothing but that time, so a failed publish never fails a request.
"""

from collections.abc import Callable

from sqlalchemy.orm import Session

from api.schemas.fits import FitOverrides, FitRequest, FitView
from api.services.fit_limits import FitLimits
from api.services.idempotency import clone_sha256, replay, request_sha256
from api.services.publishing import Publisher
from api.services.waiting import seen
from api.services.webhooks import wanted_webhook
from api.settings import ApiSettings
from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobDamaged, BlobMissing
from store.models import Fit
from store.repositories.fits import Fits
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals
from store.repositories.webhooks import FitWebhook, Webhooks


class Submissions:
    """Puts fits into the queue, on the service's terms: how many of a tenant may wait, and how much it may store.

    Args:
        database: database with the rows of signals and fits.
        blobs: storage, which is asked whether a result is still there.
        publisher: sends the messages.
        limits: refuses what no worker can do.
        settings: the service's terms, among others.
    """

    def __init__(
        self, database: Database, blobs: BlobStore, publisher: Publisher, limits: FitLimits, settings: ApiSettings
    ) -> None:
        self._database, self._blobs, self._publisher = database, blobs, publisher
        self._limits, self._settings = limits, settings

    def submit(self, tenant: str, request: FitRequest, idempotency_key: str | None) -> tuple[FitView, bool]:
        """Queue a fit, or find the one that an earlier request with the same key queued.

        Returns:
            The fit as its client sees it, and whether it is new.

        Raises:
            SignalNotFound: if the tenant has no such signal.
            IdempotencyConflict: if the key was used with another request.
            FitTooLarge: if it needs more memory or time than a worker has for one.
            InvalidRequest: if its parts do not fit together.
            TooManyFits: if with it more fits than are allowed would be queued or paused.
            StorageFull: if the tenant may not store anything more.
        """
        name = None if idempotency_key is None else (idempotency_key, request_sha256(request))
        return self._once(tenant, name, lambda session: self._queue(session, tenant, request, name))

    def clone(
        self, tenant: str, fit_id: str, overrides: FitOverrides, idempotency_key: str | None
    ) -> tuple[FitView, bool]:
        """Queue a new fit like another one but for some of its parts.

        Returns:
            The new fit, and whether it is new with this call.

        Raises:
            FitNotFound: if the tenant has no such fit.
            SignalNotFound: if its signal was deleted.
            IdempotencyConflict: if the key was used with another request.
            FitTooLarge: if it needs more memory or time than a worker has for one.
            InvalidRequest: if its parts do not fit together.
            TooManyFits: if with it more fits than are allowed would be queued or paused.
            StorageFull: if the tenant may not store anything more.
        """
        name = None if idempotency_key is None else (idempotency_key, clone_sha256(fit_id, overrides))

        def queue(session: Session) -> tuple[FitView, bool]:
            request = FitRequest.like(Fits(session).get(tenant, fit_id), overrides)
            keeps = overrides.webhook is None and "webhook" not in overrides.model_fields_set
            like = Webhooks(session).of_fit(fit_id) if keeps else None
            return self._queue(session, tenant, request, name, like=like)

        return self._once(tenant, name, queue)

    def retry(self, tenant: str, fit_id: str) -> tuple[FitView, bool]:
        """Queue a new fit like one that came to nothing, or whose result is missing or damaged.

        Returns:
            The new fit, and whether it is new with this call.

        Raises:
            FitNotFound: if the tenant has no such fit.
            SignalNotFound: if its signal was deleted.
            IllegalMove: unless the fit failed, expired or was cancelled, or its result is missing or damaged.
            FitTooLarge: if it needs more memory or time than a worker has for one.
            InvalidRequest: if its parts do not fit together.
            TooManyFits: if with it more fits than are allowed would be queued or paused.
            StorageFull: if the tenant may not store anything more.
            BlobsUnavailable: if storage does not say whether the result is there.
        """
        is_lost = self._is_lost(tenant, fit_id)  # storage is asked before the transaction begins

        def queue(session: Session) -> tuple[FitView, bool]:
            fits = Fits(session)
            Signals(session).get_for_fit(tenant, fits.get(tenant, fit_id).signal_id)
            kept_seconds = self._settings.fits_kept_seconds
            fit, created = fits.submit_again(tenant, fit_id, is_lost=is_lost, kept_seconds=kept_seconds)
            if created:
                self._check(session, fit)
                if (hook := Webhooks(session).of_fit(fit_id)) is not None:
                    Webhooks(session).add_of_fits(tenant, {fit.id: hook})
            return seen(session, fit), created

        return self._once(tenant, (f"retry of {fit_id}", "retry"), queue)

    def resume(self, tenant: str, fit_id: str) -> FitView:
        """Queue a paused fit again.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has ended or is being cancelled.
        """
        with self._database.unit_of_work() as session:
            fits = Fits(session)
            fit, is_queued_now = fits.request_resume(tenant, fit_id)
            view = seen(session, fit)
        if is_queued_now:
            self._publisher.publish(fit_id, view.worker_class)
        return view

    def _once(
        self, tenant: str, name: tuple[str, str] | None, queue: Callable[[Session], tuple[FitView, bool]]
    ) -> tuple[FitView, bool]:
        """Queue a fit in a transaction and send its message after it; not for a request that was there before.

        Args:
            tenant: owner of the fit.
            name: the request's key and its hash; None if it has no key.
            queue: writes the row, and says whether it is new.
        """
        with self._database.unit_of_work() as session:
            if (known := replay(session, tenant, name)) is not None:
                return known, False
            view, created = queue(session)
        if created:
            self._publisher.publish(view.id, view.worker_class)
        return view, created

    def _queue(
        self,
        session: Session,
        tenant: str,
        request: FitRequest,
        name: tuple[str, str] | None,
        *,
        like: FitWebhook | None = None,
    ) -> tuple[FitView, bool]:
        """Write the row of a fit; of two requests with one key at the same moment the later one finds the other's.

        Args:
            session: the transaction.
            tenant: owner of the fit.
            request: what is asked for.
            name: the request's key and its hash; None if it has no key.
            like: the webhook that the fit gets if the request names none.
        """
        Signals(session).get_for_fit(tenant, request.signal_id)
        fits = Fits(session)
        fit, created = fits.submit(
            tenant=tenant,
            signal_id=request.signal_id,
            spec=request.spec(),
            priority=request.priority,
            worker_class=request.worker_class,
            labels=request.labels,
            idempotency=name,
            kept_seconds=self._settings.fits_kept_seconds,
        )
        if created:
            self._check(session, fit)
            hook = like if request.webhook is None else wanted_webhook(request.webhook)
            if hook is not None:
                Webhooks(session).add_of_fits(tenant, {fit.id: hook})
        return seen(session, fit), created

    def _check(self, session: Session, fit: Fit) -> None:
        """Whether the tenant may have the fit that was just queued; if not, its transaction is undone."""
        self._limits.check(session, fit)
        quotas = Quotas(session)
        quotas.check_waiting_fits(fit.tenant, self._settings.max_waiting_fits)
        quotas.check_room(fit.tenant, self._settings.max_stored_bytes)

    def _is_lost(self, tenant: str, fit_id: str) -> bool:
        """Whether the fit has succeeded and the bytes of its result are not what was recorded; storage is asked."""
        with self._database.reading() as session:
            result = Fits(session).get(tenant, fit_id).representation
        if result is None:
            return False
        try:
            self._blobs.read(result.object_key, sha256=result.sha256, max_bytes=result.byte_count)
        except (BlobMissing, BlobDamaged):
            return True
        return False
