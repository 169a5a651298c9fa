"""A database server in memory: rows, transactions that see what is committed, row locks, advisory locks, time-outs.

It does what PostgreSQL does at READ COMMITTED with the statements of the repositories: a statement sees what was
committed when it began and what its own transaction wrote; whoever wants a row that another transaction has locked
waits, and then looks again whether the row is still wanted. `test_conformance` holds it to the real server.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, product
from typing import Any

from sqlalchemy import DefaultClause, Table, UniqueConstraint
from sqlalchemy.exc import IntegrityError, OperationalError

from store.status import FitStatus
from store.tables import metadata
from tests.simulation.scheduler import Process, Scheduler, Ticket
from tests.simulation.statements import Query, Row, Run, Scope, Value

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TIMEOUT_SECONDS = 10.0  # `database_timeout_seconds`: for a lock, and for a pause within a transaction
SHARE, WRITE, UPDATE = 1, 2, 3  # FOR KEY SHARE, FOR NO KEY UPDATE, FOR UPDATE: two that come to 4 exclude each other
EXCLUSIVE = 4

Key = tuple[Any, ...]
Change = tuple[str, Key, Row | None, Row | None]  # table, key, before, after


def lost_connection(why: str) -> OperationalError:
    """What SQLAlchemy raises when the server is gone."""
    return OperationalError("…", {}, Exception(why), connection_invalidated=True)


@dataclass(slots=True)
class Shape:
    """What the server knows of a table."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    defaults: dict[str, Callable[["Transaction"], Any]]
    parents: list[tuple[str, str]]  # own column, table whose primary key it names
    uniques: list[tuple[str, ...]]
    required: list[str]


@cache
def shape_of(name: str) -> Shape:
    """Read from the tables that the service itself uses."""
    table: Table = metadata.tables[name]
    uniques = [
        tuple(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    return Shape(
        name=name,
        key=tuple(column.name for column in table.primary_key.columns),
        columns=tuple(column.name for column in table.columns),
        defaults={
            column.name: _default(str(column.server_default.arg))
            for column in table.columns
            if isinstance(column.server_default, DefaultClause)
        },
        parents=[(foreign.parent.name, foreign.column.table.name) for foreign in table.foreign_keys],
        uniques=uniques,
        required=[column.name for column in table.columns if not column.nullable and column.server_default is None],
    )


@cache
def children_of(name: str) -> list[tuple[str, str]]:
    """Tables whose rows go with a row of this one, and the column that names it."""
    return [
        (table.name, foreign.parent.name)
        for table in metadata.tables.values()
        for foreign in table.foreign_keys
        if foreign.column.table.name == name and foreign.ondelete == "CASCADE"
    ]


def _default(words: str) -> Callable[["Transaction"], Any]:
    match words:
        case "now()":
            return lambda transaction: transaction.now
        case "clock_timestamp()":
            return lambda transaction: transaction.clock()
        case "false" | "true":
            return lambda transaction: words == "true"
        case _ if words.isdigit():
            return lambda transaction: int(words)
        case _ if "uuidv7" in words:
            prefix = words.split("'")[1]
            return lambda transaction: f"{prefix}{next(transaction.server.numbers):032x}"
        case _ if words.strip("'") in set(FitStatus):
            return lambda transaction: FitStatus(words.strip("'"))
        case _:
            return lambda transaction: words.strip("'")


class Server:
    """The database: what is committed, who has locked what, and its clock."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.tables: dict[str, dict[Key, Row]] = {name: {} for name in metadata.tables}
        self.locks: dict[tuple[str, Key], dict[Transaction, int]] = {}
        self.words: dict[Any, Transaction] = {}
        self.waiting: list[Ticket] = []
        self.open: set[Transaction] = set()
        self.numbers = count(1)
        self.clock_seconds = 0.0  # how far its clock is ahead
        self.down_until = 0.0
        self.on_commit: Callable[[Transaction, list[Change]], None] = lambda transaction, changes: None

    def clock(self) -> datetime:
        """The time by the server's own clock."""
        return EPOCH + timedelta(seconds=self.scheduler.now + self.clock_seconds)

    def begin(self, process: Process) -> "Transaction":
        """A new transaction of a process."""
        return Transaction(self, process)

    def restart(self, seconds: float) -> None:
        """Stop at once and come back: what was not committed is gone."""
        for transaction in list(self.open):
            transaction.abort("the server was restarted")
        self.down_until = self.scheduler.now + seconds

    def forget(self, process: Process) -> None:
        """The connections of a process were closed."""
        for transaction in list(self.open):
            if transaction.process is process:
                transaction.abort("its client is gone")


class Transaction:
    """One transaction; every method is one thing that the server does for it."""

    def __init__(self, server: Server, process: Process) -> None:
        self.server = server
        self.process = process
        self.now = server.clock()
        self.writes: dict[str, dict[Key, Row | None]] = {}
        self.locked: list[tuple[str, Key]] = []
        self.words: list[Any] = []
        self.over: str | None = None  # why nothing more can be done in it
        self.is_busy = False
        self.last_seen = server.scheduler.now
        self._memory: dict[int, Any] = {}
        server.open.add(self)

    def clock(self) -> datetime:
        return self.server.clock()

    # What is seen.

    def table(self, name: str) -> dict[Key, Row]:
        """All rows of a table, as this transaction sees them."""
        committed = self.server.tables[name]
        own = self.writes.get(name)
        if not own:
            return committed
        seen = committed.copy()
        for key, row in own.items():
            if row is None:
                seen.pop(key, None)
            else:
                seen[key] = row
        return seen

    def row(self, name: str, key: Key) -> Row | None:
        """One row, as this transaction sees it."""
        own = self.writes.get(name)
        if own is not None and key in own:
            return own[key]
        return self.server.tables[name].get(key)

    def remembered(self, query: Query, ask: Callable[[], Any]) -> Any:
        """The answer of a subquery, which is asked for once in a statement."""
        if id(query) not in self._memory:
            self._memory[id(query)] = ask()
        return self._memory[id(query)]

    def matches(self, query: Query, run: Run, outer: Scope | None = None) -> Iterator[Scope]:
        """The rows, one of each table, for which the condition holds."""
        where = query.where
        if len(query.tables) == 1:
            name = query.tables[0]
            for row in list(self.table(name).values()):
                scope = {**outer, name: row} if outer else {name: row}
                if where is None or where(scope, run) is True:
                    yield scope
            return
        for rows in product(*(list(self.table(name).values()) for name in query.tables)):
            scope = {**(outer or {}), **dict(zip(query.tables, rows, strict=True))}
            if where is None or where(scope, run) is True:
                yield scope

    def rows(self, query: Query, run: Run, outer: Scope | None = None) -> list[tuple[Any, ...]]:
        """The answer to a SELECT: a tuple for each row; whole rows stand for entities."""
        found = list(self.matches(query, run, outer))
        if query.is_aggregate:
            groups: dict[tuple[Any, ...], list[Scope]] = {} if query.groups else {(): found}
            for scope in found if query.groups else ():
                groups.setdefault(tuple(part(scope, run) for part in query.groups), []).append(scope)
            return [self._aggregated(query, run, group) for group in groups.values()]
        for value, is_down in reversed(query.order):
            # NULL comes last, as PostgreSQL has it (first when the order is turned round).
            found.sort(key=lambda scope: _sortable(value(scope, run)), reverse=is_down)
        limit = None if query.limit is None else query.limit({}, run)
        if query.lock is not None:
            found = self._take(query, run, found, limit)
        elif limit is not None:
            found = found[:limit]
        return [
            tuple(scope[one] if isinstance(one, str) else one(scope, run) for one in query.columns) for scope in found
        ]

    def _aggregated(self, query: Query, run: Run, found: list[Scope]) -> tuple[Any, ...]:
        totals: list[Any] = []
        for kind, part in query.aggregates:
            values = [part(scope, run) for scope in found] if part is not None else [1] * len(found)
            known = [value for value in values if value is not None]
            match kind:
                case "count":
                    totals.append(len(known))
                case "sum":
                    totals.append(sum(known[1:], known[0]) if known else None)
                case "max":
                    totals.append(max(known, default=None))
                case _:
                    totals.append(min(known, default=None))
        # In a group the other columns are alike; without groups there are none.
        scope: Any = {**(found[0] if found else {}), "": totals}
        return tuple(one(scope, run) for one in query.columns if not isinstance(one, str))

    def _take(self, query: Query, run: Run, found: list[Scope], limit: int | None) -> list[Scope]:
        """Lock the rows; one that changed while it was waited for is looked at again."""
        name = query.lock or ""
        key_of = shape_of(name).key
        taken: list[Scope] = []
        for scope in found:
            if limit is not None and len(taken) >= limit:
                break
            key = tuple(scope[name][column] for column in key_of)
            if query.skip_locked and self._in_the_way(name, key, query.mode):
                continue
            self.lock(name, key, query.mode)
            row = self.row(name, key)
            if row is None:
                continue
            if row is not scope[name]:
                scope = {**scope, name: row}
                if query.where is not None and query.where(scope, run) is not True:
                    continue
            taken.append(scope)
        return taken

    # Locks.

    def _in_the_way(self, name: str, key: Key, mode: int) -> "Transaction | None":
        for holder, held in list(self.server.locks.get((name, key), {}).items()):
            if holder is not self and held + mode >= EXCLUSIVE and not holder.expire():
                return holder
        return None

    def lock(self, name: str, key: Key, mode: int) -> None:
        """Have a row locked, after waiting for others.

        Raises:
            OperationalError: if that takes too long.
        """
        self._wait_for(lambda: self._in_the_way(name, key, mode))
        holders = self.server.locks.setdefault((name, key), {})
        if self not in holders:
            self.locked.append((name, key))
        holders[self] = max(mode, holders.get(self, 0))

    def lock_word(self, word: Any) -> None:
        """An advisory lock, until the end of the transaction."""
        self._wait_for(lambda: None if (holder := self.server.words.get(word)) is self else holder)
        if self.server.words.get(word) is None:
            self.server.words[word] = self
            self.words.append(word)

    def try_word(self, word: Any) -> bool:
        """An advisory lock if nobody else has it."""
        holder = self.server.words.get(word)
        if holder is not None and holder is not self:
            holder.expire()
            if word in self.server.words:
                return False
        self.lock_word(word)
        return True

    def _wait_for(self, find: Callable[[], "Transaction | None"]) -> None:
        scheduler = self.server.scheduler
        give_up = scheduler.now + TIMEOUT_SECONDS
        while (holder := find()) is not None:
            if holder.expire():
                continue
            if scheduler.now >= give_up:
                self.abort("canceling statement due to lock timeout")
                raise lost_connection("canceling statement due to lock timeout")
            idle_until = give_up if holder.is_busy else holder.last_seen + TIMEOUT_SECONDS
            self.server.waiting.append(scheduler.ticket())
            scheduler.wait(max(scheduler.now, min(give_up, idle_until)))
            self.check()

    def expire(self) -> bool:
        """End it if its client has said nothing for too long; returns whether it is over."""
        is_late = self.server.scheduler.now >= self.last_seen + TIMEOUT_SECONDS
        if self.over is None and not self.is_busy and is_late:
            self.abort("terminating connection due to idle-in-transaction timeout")
        return self.over is not None

    def check(self) -> None:
        """Raise what a client hears whose transaction is over."""
        if self.over is not None:
            raise lost_connection(self.over)

    # What is written.

    def insert(self, name: str, values: Row, *, conflict: tuple[str, ...] | None = None) -> Row | None:
        """A new row, or None if there is one already and that is fine.

        Raises:
            IntegrityError: if the row breaks a constraint.
        """
        shape = shape_of(name)
        row: Row = dict.fromkeys(shape.columns)
        for column, default in shape.defaults.items():
            if column not in values:
                row[column] = default(self)
        row.update(values)
        for column in shape.required:
            if row[column] is None:
                raise _violation(f"{name}.{column} is null")
        for column, parent in shape.parents:
            if row[column] is not None:
                self.lock(parent, (row[column],), SHARE)
                if self.row(parent, (row[column],)) is None:
                    raise _violation(f"{name}.{column} names no row of {parent}")
        key = tuple(row[column] for column in shape.key)
        self._wait_for(lambda: self._in_the_way(name, key, UPDATE))  # another insert of the same key
        if self.row(name, key) is not None:
            if conflict is not None:
                return None
            raise _violation(f"{name} has a row {key}")
        wanted = [*shape.uniques, *([conflict] if conflict else [])]
        for columns in wanted:
            for other in self.table(name).values():
                if other.get("deleted_at") is None and all(other[column] == row[column] for column in columns):
                    if conflict is not None:
                        return None
                    raise _violation(f"{name} has such a row: {columns}")
        self.lock(name, key, UPDATE)
        self.writes.setdefault(name, {})[key] = row
        return row

    def change(self, name: str, key: Key, changes: Row) -> Row | None:
        """Change a row; None if it is gone."""
        self.lock(name, key, WRITE)
        row = self.row(name, key)
        if row is None:
            return None
        row = {**row, **changes}
        self.writes.setdefault(name, {})[key] = row
        return row

    def update(self, name: str, where: Value | None, changes: dict[str, Value | Any], run: Run) -> list[Row]:
        """UPDATE … RETURNING *."""
        changed: list[Row] = []
        for row in self._wanted(name, where, run, WRITE):
            scope = {name: row}
            new = {column: value(scope, run) if callable(value) else value for column, value in changes.items()}
            key = tuple(row[column] for column in shape_of(name).key)
            if (written := self.change(name, key, new)) is not None:
                changed.append(written)
        return changed

    def delete(self, name: str, where: Value | None, run: Run) -> list[Row]:
        """DELETE … RETURNING *; children whose key says so go, too."""
        gone = self._wanted(name, where, run, UPDATE)
        for row in gone:
            self._remove(name, tuple(row[column] for column in shape_of(name).key))
        return gone

    def _wanted(self, name: str, where: Value | None, run: Run, mode: int) -> list[Row]:
        self._memory = {}
        found: list[Row] = []
        for key, row in list(self.table(name).items()):
            if where is not None and where({name: row}, run) is not True:
                continue
            self.lock(name, key, mode)
            fresh = self.row(name, key)
            if fresh is None or (fresh is not row and where is not None and where({name: fresh}, run) is not True):
                continue
            found.append(fresh)
        return found

    def _remove(self, name: str, key: Key) -> None:
        self.writes.setdefault(name, {})[key] = None
        for child, column in children_of(name):
            for child_key, row in list(self.table(child).items()):
                if row[column] == key[0]:
                    self.lock(child, child_key, UPDATE)
                    self._remove(child, child_key)

    # Ends.

    def save(self) -> dict[str, dict[Key, Row | None]]:
        """A savepoint."""
        return {name: rows.copy() for name, rows in self.writes.items()}

    def go_back(self, saved: dict[str, dict[Key, Row | None]]) -> None:
        """Undo everything since a savepoint; locks stay, which PostgreSQL would give back."""
        self.writes = saved

    def commit(self) -> None:
        """Make it so, and let others see it."""
        changes: list[Change] = []
        for name, rows in self.writes.items():
            table = self.server.tables[name]
            for key, row in rows.items():
                before = table.get(key)
                if before is row:
                    continue
                changes.append((name, key, before, row))
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row
        self._end("it was committed")
        if changes:
            self.server.on_commit(self, changes)

    def abort(self, why: str) -> None:
        """Undo all of it."""
        if self.over is None:
            self._end(why)

    def _end(self, why: str) -> None:
        self.over = why
        server = self.server
        self.writes = {}
        server.open.discard(self)
        for place in self.locked:
            holders = server.locks.get(place, {})
            holders.pop(self, None)
            if not holders:
                server.locks.pop(place, None)
        for word in self.words:
            if server.words.get(word) is self:
                del server.words[word]
        waiting, server.waiting = server.waiting, []
        for ticket in waiting:
            server.scheduler.wake(ticket)


def _violation(why: str) -> IntegrityError:
    return IntegrityError("…", {}, Exception(why))


def _sortable(value: Any) -> tuple[bool, Any]:
    return (True, 0) if value is None else (False, value)
