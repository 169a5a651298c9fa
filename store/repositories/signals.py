"""Queries about signals."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.errors import SignalNotFound
from store.models import Signal


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
    ) -> tuple[Signal, bool]:
        """Record a stored upload; the same bytes of the same tenant are the same signal.

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
            )
            .on_conflict_do_nothing(index_elements=["tenant", "sha256"])
            .returning(Signal)
        )
        if inserted is not None:
            return inserted, True
        return self._session.scalars(select(Signal).filter_by(tenant=tenant, sha256=sha256)).one(), False

    def lock(self, tenant: str, sha256: str) -> None:
        """Keep others from storing or removing these bytes until the unit of work ends."""
        self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"signal\n{tenant}\n{sha256}", 0)))
        )

    def find(self, tenant: str, sha256: str) -> Signal | None:
        """The tenant's signal with these bytes, if there is one."""
        return self._session.scalar(select(Signal).filter_by(tenant=tenant, sha256=sha256))

    def get(self, tenant: str, signal_id: str) -> Signal:
        """The tenant's signal with this id.

        Raises:
            SignalNotFound: if there is none; another tenant's signal is as absent as one that never was.
        """
        signal = self._session.scalar(select(Signal).filter_by(tenant=tenant, id=signal_id))
        if signal is None:
            raise SignalNotFound(f"no signal {signal_id!r}: upload one with POST /signals and use the id it returns")
        return signal

    def page(self, tenant: str, *, limit: int, before: str | None) -> list[Signal]:
        """Up to `limit` signals, newest first, older than the id `before`."""
        query = select(Signal).filter_by(tenant=tenant).order_by(Signal.id.desc()).limit(limit)
        return list(self._session.scalars(query if before is None else query.where(Signal.id < before)))
