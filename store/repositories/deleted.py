"""Queries about objects whose rows are gone and which storage has not removed yet."""

from collections.abc import Iterable

from sqlalchemy import Integer, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.keys import SIGNALS, owner_of_signal
from store.models_deleted import DeletedObject

_OLDEST = select(DeletedObject.object_key).order_by(DeletedObject.created_at).limit(bindparam("most", type_=Integer))


class DeletedObjects:
    """The table of objects that are to be removed, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(self, tenant: str, objects: Iterable[tuple[str, int]]) -> list[str]:
        """Note objects, each a key and its bytes, in the transaction that deletes their rows; returns the keys."""
        rows = [{"object_key": key, "tenant": tenant, "byte_count": size} for key, size in objects]
        if rows:
            self._session.execute(insert(DeletedObject).values(rows).on_conflict_do_nothing())
        return [str(row["object_key"]) for row in rows]

    def take(self, key: str) -> bool:
        """Strike an object off, which the caller removes before the commit; False if it is removed or needed again."""
        if key.startswith(SIGNALS):
            # The same bytes may be on their way again: whoever adds their row strikes the object off.
            lock_bytes(self._session, *owner_of_signal(key))
        return self.strike_off(key)

    def strike_off(self, key: str) -> bool:
        """Count an object no longer as one to be removed; returns whether it was."""
        gone = delete(DeletedObject).where(DeletedObject.object_key == key).returning(DeletedObject.object_key)
        return self._session.scalar(gone) is not None

    def oldest(self, *, limit: int = 100) -> list[str]:
        """Keys of objects that wait to be removed."""
        return list(self._session.scalars(_OLDEST, {"most": limit}))


def lock_bytes(session: Session, tenant: str, sha256: str) -> None:
    """Keep others from storing or removing the bytes of a signal until the unit of work ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"signal\n{tenant}\n{sha256}", 0))))
