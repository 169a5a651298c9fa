"""Queries about signals."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.errors import SignalInUse, SignalNotFound
from store.intervals import as_interval
from store.models import Fit, Signal
from store.repositories.deleted import DeletedObjects, lock_bytes
from store.status import ENDED


class Signals:
    """The signals table within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        tenant: str,
        sha256: str,
        byte_count: int,
        media_type: str,
        filename: str | None,
        facts: dict[str, Any],
        object_key: str,
        decoded_sha256: str | None = None,
        kept_seconds: float | None = None,
    ) -> tuple[Signal, bool]:
        """Record a stored upload; the same bytes of the same tenant are the same signal, kept for that much longer.

        Returns:
            The row, and whether it is new.
        """
        inserted = self._session.scalar(
            insert(Signal)
            .values(
                tenant=tenant,
                sha256=sha256,
                byte_count=byte_count,
                media_type=media_type,
                filename=filename,
                facts=facts,
                object_key=object_key,
                decoded_sha256=decoded_sha256,
                expires_at=None if kept_seconds is None else func.now() + as_interval(kept_seconds),
            )
            .on_conflict_do_nothing(index_elements=["tenant", "sha256"], index_where=Signal.deleted_at.is_(None))
            .returning(Signal)
        )
        if inserted is not None:
            DeletedObjects(self._session).strike_off(object_key)  # it is needed again
            return inserted, True
        known = self.find(tenant, sha256, kept_seconds=kept_seconds)
        assert known is not None  # noqa: S101  it was in the way just now
        return known, False

    def lock(self, tenant: str, sha256: str) -> None:
        """Keep others from storing or removing these bytes until the unit of work ends."""
        lock_bytes(self._session, tenant, sha256)

    def find(self, tenant: str, sha256: str, *, kept_seconds: float | None = None) -> Signal | None:
        """The tenant's signal with these bytes, if there is one; if so wished it is kept for as long as a new one."""
        found = self._session.scalar(_live(tenant).filter_by(sha256=sha256))
        if found is not None and kept_seconds is not None:
            found.expires_at = func.now() + as_interval(kept_seconds)
            self._session.flush()
            self._session.refresh(found, ["expires_at"])  # it is looked at after the unit of work
        return found

    def get(self, tenant: str, signal_id: str) -> Signal:
        """The tenant's signal with this id.

        Raises:
            SignalNotFound: if there is none; another tenant's signal is as absent as one that never was.
        """
        return self._only(_live(tenant).filter_by(id=signal_id), signal_id)

    def get_for_fit(self, tenant: str, signal_id: str) -> Signal:
        """Like `get`, and nobody deletes it until the unit of work ends.

        Raises:
            SignalNotFound: as `get`.
        """
        return self._only(_live(tenant).filter_by(id=signal_id).with_for_update(read=True, key_share=True), signal_id)

    def get_all_for_fits(self, tenant: str, signal_ids: Collection[str]) -> dict[str, Signal]:
        """Those of the tenant's signals that there are, by id; nobody deletes them until the unit of work ends."""
        query = _live(tenant).where(Signal.id.in_(signal_ids)).order_by(Signal.id)
        return {one.id: one for one in self._session.scalars(query.with_for_update(read=True, key_share=True))}

    def _only(self, query: Select[Signal], signal_id: str) -> Signal:
        signal = self._session.scalar(query)
        if signal is None:
            raise SignalNotFound(f"no signal {signal_id!r}: upload one with POST /signals and use the id it returns")
        return signal

    def page(self, tenant: str, *, limit: int, before: str | None) -> list[Signal]:
        """Up to `limit` signals, newest first, older than the id `before`."""
        query = _live(tenant).order_by(Signal.id.desc()).limit(limit)
        return list(self._session.scalars(query if before is None else query.where(Signal.id < before)))

    def delete(self, tenant: str, signal_id: str) -> Signal:
        """Mark a signal as deleted; the caller removes its object after the commit. Doing it again changes nothing.

        The row stays as long as fits that have ended name it.

        Raises:
            SignalNotFound: if the tenant never had such a signal.
            SignalInUse: while fits of it have not ended.
        """
        # Excludes `get_for_fit`: no fit begins between the look at the fits and the mark.
        query = select(Signal).filter_by(tenant=tenant, id=signal_id).with_for_update()
        signal = self._only(query.execution_options(populate_existing=True), signal_id)
        if signal.deleted_at is not None:
            return signal
        self.lock(tenant, signal.sha256)
        unended = select(Fit.id).where(Fit.signal_id == signal_id, Fit.status.not_in(ENDED)).limit(_NAMED_FITS)
        if fit_ids := self._session.scalars(unended).all():
            raise SignalInUse(
                f"signal {signal_id} is needed by {', '.join(fit_ids)}: cancel them, or wait for their end"
            )
        signal.deleted_at = func.now()
        DeletedObjects(self._session).note(tenant, [(signal.object_key, signal.byte_count)])
        self._session.flush()
        return signal


_NAMED_FITS = 3


def _live(tenant: str) -> Select[Signal]:
    return select(Signal).where(Signal.tenant == tenant, Signal.deleted_at.is_(None))
