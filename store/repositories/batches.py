"""Many fits at once: a batch is queued in as many statements as one fit, or not at all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ARRAY, Float, Text, bindparam, func, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from store.classes import WorkerClass
from store.errors import IdempotencyConflict
from store.models import Fit, IdempotencyKey
from store.origin import origin
from store.repositories.moves import EVENTS_CHANNEL
from store.repositories.webhooks import FitWebhook, Webhooks
from store.spec import FitSpec

MOST_FITS = 100  # of a batch: its transaction locks as many signals, and a request of all of them fits into a body

_NEW_IDS = text("SELECT 'fit_' || replace(uuidv7()::text, '-', '') FROM generate_series(1, :count)")
# Rows as one value: a statement with all columns of all rows is as many times longer, and is put together each time.
_ADD = text("""
    INSERT INTO fits (
        id, tenant, signal_id, spec, priority, worker_class, labels, published_at, event_seq, kept_seconds, origin
    )
    SELECT id, :tenant, signal_id, spec, priority, worker_class, labels, now(), 1, :kept_seconds, :origin
    FROM jsonb_to_recordset(:rows) AS fit (
        id text, signal_id text, spec jsonb, priority integer, worker_class text, labels jsonb
    )
""").bindparams(
    bindparam("rows", type_=JSONB()),
    bindparam("origin", type_=JSONB(none_as_null=True)),
    bindparam("kept_seconds", type_=Float()),
)
_APPEND_EVENTS = text("""
    WITH event AS (
        INSERT INTO fit_events (fit_id, seq, kind, attempt, data)
        SELECT id, 1, 'queued', 0, '{}' FROM unnest(:fit_ids) AS id
        RETURNING fit_id
    )
    SELECT count(pg_notify(:channel, fit_id)) FROM event
""").bindparams(bindparam("fit_ids", type_=ARRAY(Text())))


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedFit:
    """One fit of a batch.

    Attributes:
        signal_id: an existing signal of the tenant, checked by the caller.
        spec: options of the fit, as they were asked for.
        priority: among the tenant's own fits, a higher one is claimed earlier.
        worker_class: class of the workers that may take the fit.
        labels: the client's own words about the fit.
        webhook: an endpoint that hears of this fit only; None for none.
    """

    signal_id: str
    spec: FitSpec
    priority: int = 0
    worker_class: WorkerClass = WorkerClass.ANY
    labels: dict[str, str] = field(default_factory=dict)
    webhook: FitWebhook | None = None


class Batches:
    """Fits that are queued together, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def replay(self, tenant: str, idempotency: tuple[str, str]) -> list[Fit] | None:
        """The fits of an earlier batch with this key, in order and without those deleted since; None if there are none.

        Concurrent requests with one key wait here for each other, until the unit of work ends.

        Args:
            tenant: owner of the fits.
            idempotency: the client's key and the hash of its request.

        Raises:
            IdempotencyConflict: if the key was used with another request.
        """
        key, sha256 = idempotency
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{tenant}\n{key}", 0))))
        query = select(IdempotencyKey.fit_id, IdempotencyKey.request_sha256)
        known = self._session.execute(
            query.where(IdempotencyKey.tenant == tenant, IdempotencyKey.key.in_(_names(key, MOST_FITS)))
        ).all()
        if any(row.request_sha256 != sha256 for row in known):
            raise IdempotencyConflict(f"the Idempotency-Key {key!r} belongs to another request: take a new key")
        return self._fits({row.fit_id for row in known}) if known else None

    def submit(
        self,
        *,
        tenant: str,
        wanted: Sequence[WantedFit],
        idempotency: tuple[str, str] | None = None,
        kept_seconds: float | None = None,
    ) -> list[Fit]:
        """Queue a fit for each that is wanted; the caller announces them after the commit.

        Args:
            tenant: owner of the signals and of the fits.
            wanted: descriptions of the fits, at least one, in the order in which equals are claimed.
            idempotency: the client's key, of which `replay` found nothing, and the hash of its request.
            kept_seconds: time in seconds from the end of each fit until it is deleted; None for ever.

        Returns:
            The rows, in the order of `wanted`.
        """
        # Drawn first, so that the rows can be written by one statement and are still known apart.
        fit_ids = sorted(self._session.scalars(_NEW_IDS, {"count": len(wanted)}))
        rows = [
            {
                "id": fit_id,
                "signal_id": one.signal_id,
                "spec": one.spec.model_dump(mode="json"),
                "priority": one.priority,
                "worker_class": str(one.worker_class),
                "labels": one.labels,
            }
            for fit_id, one in zip(fit_ids, wanted, strict=True)
        ]
        common = {"tenant": tenant, "kept_seconds": kept_seconds, "origin": origin()}
        self._session.execute(_ADD, {"rows": rows} | common)
        if idempotency is not None:
            key, sha256 = idempotency
            # The key itself leads to the first fit: for a request of one fit it is taken, too.
            named = zip(_names(key, len(fit_ids)), [fit_ids[0], *fit_ids], strict=True)
            self._session.execute(
                insert(IdempotencyKey).values(
                    [
                        {"tenant": tenant, "key": name, "request_sha256": sha256, "fit_id": fit_id}
                        for name, fit_id in named
                    ]
                )
            )
        hooks = {fit_id: one.webhook for fit_id, one in zip(fit_ids, wanted, strict=True) if one.webhook is not None}
        Webhooks(self._session).add_of_fits(tenant, hooks)
        self._session.execute(_APPEND_EVENTS, {"fit_ids": fit_ids, "channel": EVENTS_CHANNEL})
        return self._fits(fit_ids)

    def _fits(self, fit_ids: Collection[str]) -> list[Fit]:
        return list(self._session.scalars(select(Fit).where(Fit.id.in_(fit_ids)).order_by(Fit.id)))


def _names(key: str, count: int) -> list[str]:
    """The names under which a batch is noted: the client's key, and one for each fit that no client can choose.

    With one for each, a batch is known as long as there is any of its fits.
    """
    return [key, *(f"fit {number} of {key}" for number in range(count))]
