"""How things are deleted: the row goes at once, its objects are noted in the same transaction and removed after it.

Between the two the objects still count for their tenant, because they still lie in the bucket. Whoever deletes removes
them itself; if storage is away, or the process is killed, upkeep does. No key but that of a signal is ever used again.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from sqlalchemy import Select, delete, func, select
from sqlalchemy.sql.dml import ReturningDelete

from store.blobs import BlobStore
from store.database import Database
from store.errors import IllegalMove, SignalInUse
from store.intervals import as_interval
from store.models import Checkpoint, Fit, Representation, Signal, Upload
from store.models_renders import Render
from store.repositories.deleted import DeletedObjects
from store.repositories.moves import Moves
from store.repositories.signals import Signals
from store.status import ENDED


class Deletions(Moves):
    """What takes rows away for good, within one unit of work."""

    def delete_fit(self, tenant: str, fit_id: str) -> list[str]:
        """Delete a fit that has ended with its events, attempts, checkpoints, views, idempotency keys and result.

        Returns:
            Keys of the objects that the caller removes after the commit.

        Raises:
            FitNotFound: if the tenant has no such fit (any more).
            IllegalMove: if it has not ended.
        """
        fit = self._locked(tenant, fit_id)
        if not fit.status.is_terminal:
            raise IllegalMove(f"fit {fit_id} is {fit.status}: cancel it, and delete it once it has ended")
        return self._delete(fit)

    def delete_expired_fits(self, *, limit: int = 20) -> list[str]:
        """Delete fits whose time is over; returns the keys of their objects."""
        fits = self._session.scalars(_expired_fits(limit)).all()
        return [key for fit in fits for key in self._delete(fit)]

    def delete_expired_signals(self, *, limit: int = 20) -> list[str]:
        """Delete signals whose time is over and which no open fit needs; returns the keys of their objects."""
        signals, keys = Signals(self._session), []
        for tenant, signal_id in self._session.execute(_expired_signals(limit)).all():
            with suppress(SignalInUse):  # a fit of it has begun meanwhile
                keys.append(signals.delete(tenant, signal_id).object_key)
        return keys

    def forget_signals(self, *, older_than_seconds: float, limit: int = 100) -> int:
        """Drop rows of signals deleted long ago that nothing names any more; returns how many."""
        return len(self._session.scalars(_forget_signals(older_than_seconds, limit)).all())

    def _delete(self, fit: Fit) -> list[str]:
        objects = [
            (key, size or 0)
            for table in (Representation, Checkpoint, Render)
            for key, size in self._session.execute(
                select(table.object_key, table.byte_count).where(table.fit_id == fit.id, table.object_key.is_not(None))
            )
            if key is not None
        ]
        keys = DeletedObjects(self._session).note(fit.tenant, objects)
        # Everything else that belongs to it goes by its foreign key.
        self._session.execute(delete(Fit).where(Fit.id == fit.id).execution_options(synchronize_session=False))
        self._session.expunge(fit)
        return keys


# Statements of every round of upkeep, built once.


@cache
def _expired_fits(limit: int) -> Select[Fit]:
    expired = select(Fit).where(Fit.expires_at <= func.now(), Fit.status.in_(ENDED)).limit(limit)
    return expired.with_for_update(of=Fit, skip_locked=True)


@cache
def _expired_signals(limit: int) -> Select[str, str]:
    needed = select(Fit.id).where(Fit.signal_id == Signal.id, Fit.status.not_in(ENDED)).exists()
    is_over = (Signal.expires_at <= func.now(), Signal.deleted_at.is_(None))
    return select(Signal.tenant, Signal.id).where(*is_over, ~needed).limit(limit)


@cache
def _forget_signals(older_than_seconds: float, limit: int) -> ReturningDelete[str]:
    fitted = select(Fit.id).where(Fit.signal_id == Signal.id).exists()
    uploaded = select(Upload.id).where(Upload.signal_id == Signal.id).exists()
    old = (
        select(Signal.id)
        .where(Signal.deleted_at < func.now() - as_interval(older_than_seconds), ~fitted, ~uploaded)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = delete(Signal).where(Signal.id.in_(old)).returning(Signal.id)
    return gone.execution_options(synchronize_session=False)


def remove_objects(database: Database, blobs: BlobStore, keys: Iterable[str]) -> None:
    """Remove objects that were noted: each is struck off with it, and counts for its tenant until then.

    Raises:
        BlobsUnavailable: if storage does not answer; upkeep will go on with the rest.
    """
    for key in keys:
        with database.unit_of_work() as session:
            if DeletedObjects(session).take(key):
                blobs.delete(key)
