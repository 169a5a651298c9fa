"""Queries of the comparison of rows with objects: what comes next, what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.intervals import as_interval
from store.models import Checkpoint, Fit, Representation, Signal
from store.models_renders import Render
from store.models_scrub import CleanMark, Scrub

# Signals first: whether a lost representation can be made again depends on them.
_TABLES: dict[str, type[Signal | Representation | Checkpoint | Render]] = {
    "signals": Signal,
    "representations": Representation,
    "checkpoints": Checkpoint,
    "renders": Render,
}
KINDS = tuple(_TABLES)
_NAME = "objects"
_UNCLEAN = "unclean"  # the row that says when the database was last found restored or after an unclean end
# Cluster and database: what is restored elsewhere has another.
_HERE = text(
    "(SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database"
    " WHERE datname = current_database())"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """An object as its row names it.

    Attributes:
        kind: table of the row.
        id: primary key of the row.
        key: name of the object in the bucket.
        sha256: hexadecimal hash that its bytes must have.
        byte_count: number of bytes that there must be.
        damage: what the last comparison found, None for nothing; only signals and representations remember it.
        tries: fencing number of a view, 0 for everything else.
    """

    kind: str
    id: str
    key: str
    sha256: str
    byte_count: int
    damage: str | None = None
    tries: int = 0


class Scrubs:
    """The passes over all objects within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def due(self, *, every_seconds: float) -> Scrub | None:
        """The pass that is under way, or a new one if it is time for one; None if it is not.

        After an unclean end of the database a new and urgent one begins in any case, from the beginning.
        """
        unclean = self._mark_clean()
        if unclean:
            self._begin(_UNCLEAN, is_urgent=False, ended_at=func.now())  # noted for `is_settled`
        scrub = self.last()
        if unclean or scrub is None:
            return self.begin(is_urgent=True)
        late = and_(Scrub.name == _NAME, Scrub.ended_at < func.now() - as_interval(every_seconds))
        if scrub.kind is None and self._session.scalar(select(Scrub.name).where(late)):
            return self.begin(is_urgent=False)
        return None if scrub.kind is None else scrub

    def begin(self, *, is_urgent: bool) -> Scrub:
        """Start over with the newest objects; whoever is comparing goes on there."""
        self._begin(_NAME, is_urgent=is_urgent, kind=KINDS[0])
        scrub = self.last()
        assert scrub is not None  # noqa: S101  written just now
        return scrub

    def _begin(self, name: str, **what: object) -> None:
        nothing = {"kind": None, "before_id": None, "objects": 0, "byte_count": 0, "damaged": 0, "ended_at": None}
        fresh = nothing | {"began_at": func.now()} | what
        new = insert(Scrub).values(name=name, **fresh).on_conflict_do_update(index_elements=["name"], set_=fresh)
        self._session.execute(new)

    def last(self) -> Scrub | None:
        """The present pass or the last one; None if there never was one. Nobody else writes to it meanwhile."""
        query = select(Scrub).filter_by(name=_NAME).with_for_update().execution_options(populate_existing=True)
        return self._session.scalar(query)

    def is_settled(self, *, seconds: float) -> bool:
        """Whether the database has been this one, without an unclean end, for so many seconds."""
        marked = self._session.scalar(select(func.count()).where(CleanMark.database == _HERE))
        recent = select(func.count()).where(Scrub.name == _UNCLEAN, Scrub.began_at > func.now() - as_interval(seconds))
        return bool(marked) and not self._session.scalar(recent)

    def batch(self, scrub: Scrub, *, limit: int) -> list[Named]:
        """Objects that come next in a pass; an empty list once the pass has ended, which is then noted."""
        while scrub.kind is not None:
            if found := self._rows(scrub.kind, scrub.before_id, limit):
                return found
            following = KINDS[KINDS.index(scrub.kind) + 1 :]
            scrub.kind, scrub.before_id = (following[0] if following else None), None
            if scrub.kind is None:
                scrub.ended_at = func.now()
            self._session.flush()
        return []

    def _rows(self, kind: str, before_id: str | None, limit: int) -> list[Named]:
        table = _TABLES[kind]
        columns = [table.id, table.object_key, table.sha256, table.byte_count]
        query = select(*columns).order_by(table.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(table.id < before_id)
        if table is Signal:
            query = query.where(Signal.deleted_at.is_(None))
        if table is Render:
            query = query.where(Render.status == "ready").add_columns(Render.tries)
        elif table is Signal or table is Representation:
            query = query.add_columns(table.damage)
        rows = self._session.execute(query).mappings().all()
        return [
            Named(
                kind=kind,
                id=row["id"],
                key=row["object_key"],
                sha256=row["sha256"],
                byte_count=row["byte_count"],
                damage=row.get("damage"),
                tries=row.get("tries", 0),
            )
            for row in rows
        ]

    def note(self, scrub: Scrub, compared: Sequence[Named], *, damaged: int) -> bool:
        """Go on behind these objects next time; False if somebody has started the pass over meanwhile."""
        last = compared[-1]
        moved = (
            update(Scrub)
            .where(Scrub.name == _NAME, Scrub.began_at == scrub.began_at, Scrub.kind == last.kind)
            .values(
                before_id=last.id,
                objects=Scrub.objects + len(compared),
                byte_count=Scrub.byte_count + sum(named.byte_count for named in compared),
                damaged=Scrub.damaged + damaged,
            )
            .returning(Scrub.name)
        )
        return self._session.scalar(moved.execution_options(synchronize_session=False)) is not None

    def set_damage(self, named: Named, code: str | None) -> bool:
        """Remember on the row of a signal or a representation what its object is like; False if the row is gone."""
        table = Signal if named.kind == "signals" else Representation
        changed = update(table).where(table.id == named.id).values(damage=code).returning(table.id)
        if table is Signal:
            changed = changed.where(Signal.deleted_at.is_(None))
        return self._session.scalar(changed.execution_options(synchronize_session=False)) is not None

    def count_damaged(self) -> dict[str, int]:
        """How many signals and representations are known to be damaged or missing, those that are deleted apart."""
        signals = select(func.count()).where(Signal.damage.is_not(None), Signal.deleted_at.is_(None))
        results = select(func.count()).where(Representation.damage.is_not(None))
        return {
            "signals": self._session.scalar(signals) or 0,
            "representations": self._session.scalar(results) or 0,
        }

    def fit_of(self, named: Named) -> Fit | None:
        """The fit that ended in a representation."""
        return self._session.scalar(select(Fit).join(Representation).where(Representation.id == named.id))

    def _mark_clean(self) -> bool:
        """Leave the mark that does not survive a crash; returns whether it was missing."""
        mark = insert(CleanMark).values(database=_HERE).on_conflict_do_nothing()
        return self._session.scalar(mark.returning(CleanMark.database)) is not None
