"""What the repositories get instead of SQLAlchemy's session: the same verbs, done by the simulated server.

The rows are instances of the service's own classes, so `fit.tries += 1` is found and written at the next flush.
Each statement is a round trip of its own over a line that may be slow, silent or cut.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from typing import Any, get_args

from sqlalchemy import inspect
from sqlalchemy.exc import NoResultFound
from sqlalchemy.sql.dml import Delete, Insert, Update

from store.models import Base, Fit, FitEvent
from store.repositories import moves, outbox, turns
from store.status import HELD
from tests.simulation.engine import Key, Server, Transaction, lost_connection, shape_of
from tests.simulation.scheduler import Process
from tests.simulation.statements import Query, Row, Run, Translator, is_expression

CLASSES: dict[str, Any] = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}  # type: ignore[attr-defined]
_plans: dict[Any, Callable[["Session", Run], list[tuple[Any, ...]]]] = {}

Line = Callable[[Process, str], None]  # a round trip to the server: waits, or raises, or ends the process


class Result:
    """Rows of an answer."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def all(self) -> list[Any]:
        return self._rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def one(self) -> Any:
        if len(self._rows) != 1:
            raise NoResultFound(f"{len(self._rows)} rows")
        return self._rows[0]

    def one_or_none(self) -> Any:
        return self.one() if self._rows else None


class Savepoint:
    """What `begin_nested` returns; a block that raises undoes what was done in it."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._saved = session.transaction().save()
        self._states = {key: dict(instance.__dict__) for key, instance in session.known.items()}

    def __enter__(self) -> "Savepoint":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._session.flush()
        elif self._session.is_usable():
            self.rollback()

    def rollback(self) -> None:
        session = self._session
        session.round_trip("ROLLBACK TO SAVEPOINT")
        session.transaction().go_back(self._saved)
        session.new.clear()
        for key, instance in list(session.known.items()):
            if key not in self._states:
                del session.known[key]
                continue
            state = inspect(instance)
            for name, value in self._states[key].items():
                if name != "_sa_instance_state":
                    instance.__dict__[name] = value
            state.committed_state.clear()


class Session:
    """A unit of work.

    Args:
        server: the database.
        process: whose it is.
        line: how its statements get there.
        is_reading: whether each statement is a transaction of its own.
    """

    def __init__(self, server: Server, process: Process, line: Line, *, is_reading: bool = False) -> None:
        self._server = server
        self._process = process
        self._line = line
        self._is_reading = is_reading
        self._transaction: Transaction | None = None
        self.known: dict[tuple[str, Key], Any] = {}
        self.new: list[Any] = []

    # The line.

    def transaction(self) -> Transaction:
        """The transaction, which begins with the first statement."""
        if self._transaction is None:
            self._transaction = self._server.begin(self._process)
        return self._transaction

    def is_usable(self) -> bool:
        """Whether anything can still be done in it."""
        return self._transaction is None or self._transaction.over is None

    def round_trip(self, what: str) -> None:
        """Get a statement to the server, which may take it or not."""
        self._line(self._process, what)
        transaction = self._transaction
        if transaction is not None:
            transaction.expire()
            if transaction.over is not None:
                raise lost_connection(transaction.over)
            transaction.last_seen = self._server.scheduler.now

    def _at_server(self, what: str, act: Callable[[Transaction], Any]) -> Any:
        self.round_trip(what)
        transaction = self.transaction()
        transaction.is_busy = True
        try:
            return act(transaction)
        finally:
            transaction.is_busy = False
            transaction.last_seen = self._server.scheduler.now

    # Questions.

    def execute(self, statement: Any, parameters: Row | None = None) -> Result:
        self.flush()
        special = SPECIAL.get(id(statement))
        if special is not None:
            name, act = special
            return Result(self._at_server(name, lambda transaction: act(transaction, parameters or {})))
        if (names := companions_of(statement)) is not None:
            write = partial(_append_event, names, values=parameters or {})
            return Result(self._at_server("INSERT fit_events", write))
        if is_announcement(statement):
            self.round_trip("INSERT webhook_deliveries")
            return Result([])  # no tenant of the simulation has an endpoint
        if isinstance(statement, Insert):
            return _insert(self, statement)
        key = _key(statement)
        plan = _plans.get(key.key) if key is not None else None
        if plan is None:
            plan = _plan(statement, key.bindparams if key is not None else ())
            if key is not None:
                _plans[key.key] = plan
        given = parameters or {}
        binds = key.bindparams if key is not None else ()
        values = [given.get(bind.key, bind.effective_value) for bind in binds]
        options = statement.get_execution_options()
        chosen: Callable[[Session, Run], list[tuple[Any, ...]]] = plan

        def act_plainly(transaction: Transaction) -> list[Any]:
            transaction._memory = {}
            return chosen(self, Run(values, transaction))

        rows = self._at_server(type(statement).__name__, act_plainly)
        entities = ENTITIES.get(id(chosen))
        if entities:
            fresh = bool(options.get("populate_existing"))
            rows = [
                tuple(
                    self.instance(name, cell, fresh=fresh) if name else cell
                    for name, cell in zip(entities, row, strict=True)
                )
                for row in rows
            ]
        if self._is_reading:
            self.transaction().commit()
            self._transaction = None
        return Result(rows)

    def scalars(self, statement: Any, parameters: Row | None = None) -> Result:
        return Result([row[0] for row in self.execute(statement, parameters)])

    def scalar(self, statement: Any, parameters: Row | None = None) -> Any:
        row = next(iter(self.execute(statement, parameters)), None)
        return None if row is None else row[0]

    def get(self, kind: Any, key: Any, *, populate_existing: bool = False) -> Any:
        name = kind.__table__.name
        place = key if isinstance(key, tuple) else (key,)
        if not populate_existing and (name, place) in self.known:
            return self.known[name, place]
        self.flush()
        row = self._at_server("Select", lambda transaction: transaction.row(name, place))
        return None if row is None else self.instance(name, row, fresh=populate_existing)

    def get_one(self, kind: Any, key: Any, *, populate_existing: bool = False) -> Any:
        found = self.get(kind, key, populate_existing=populate_existing)
        if found is None:
            raise NoResultFound(f"{kind.__name__} {key}")
        return found

    def instance(self, name: str, row: Row, *, fresh: bool = False) -> Any:
        """The object for a row: the one that is known already, unless it is to be read anew."""
        key = tuple(row[column] for column in shape_of(name).key)
        known = self.known.get((name, key))
        if known is not None and not fresh:
            return known
        if known is None:
            known = inspect(CLASSES[name]).class_manager.new_instance()
            self.known[name, key] = known
        known.__dict__.update(row)
        inspect(known).committed_state.clear()
        if name == "fits":
            self._relate(known)
        return known

    def _relate(self, fit: Fit) -> None:
        """What is read along with a fit."""
        transaction = self.transaction()
        signal = transaction.row("signals", (fit.signal_id,))
        fit.__dict__["signal"] = None if signal is None else self.instance("signals", signal)
        results = transaction.table("representations").values()
        found = next((row for row in results if row["fit_id"] == fit.id), None)
        fit.__dict__["representation"] = None if found is None else self.instance("representations", found)

    # Changes.

    def add(self, instance: Any) -> None:
        self.new.append(instance)

    def delete(self, instance: Any) -> None:
        name, key = _place(instance)
        self.flush()
        self._at_server("Delete", lambda transaction: _delete(transaction, name, key))
        self.known.pop((name, key), None)

    def expunge(self, instance: Any) -> None:
        self.known.pop(_place(instance), None)

    def refresh(self, instance: Any, names: list[str] | None = None) -> None:
        name, key = _place(instance)
        row = self._at_server("Select", lambda transaction: transaction.row(name, key))
        instance.__dict__.update({column: row[column] for column in names or row})

    def flush(self) -> None:
        """Write what was added and changed, one statement each."""
        new, self.new = self.new, []
        for instance in new:
            name = instance.__table__.name
            columns = shape_of(name).columns
            values = {column: instance.__dict__[column] for column in columns if column in instance.__dict__}
            row = self._at_server(
                f"INSERT {name}",
                lambda transaction, name=name, values=values: transaction.insert(name, _computed(values, transaction)),  # type: ignore[misc]
            )
            instance.__dict__.update(row)
            inspect(instance).committed_state.clear()
            key = tuple(row[column] for column in shape_of(name).key)
            self.known[name, key] = instance
            if name == "fits":
                self._relate(instance)
        for (name, key), instance in list(self.known.items()):
            state = inspect(instance)
            if not state.committed_state:
                continue
            columns = shape_of(name).columns
            values = {
                column: instance.__dict__[column]
                for column, before in state.committed_state.items()
                if column in columns
                and (is_expression(instance.__dict__[column]) or instance.__dict__[column] != before)
            }
            if values:
                row = self._at_server(
                    f"UPDATE {name}",
                    lambda transaction, name=name, key=key, values=values: transaction.change(  # type: ignore[misc]
                        name, key, _computed(values, transaction)
                    ),
                )
                if row is None:
                    raise lost_connection(f"{name} {key} is gone")  # SQLAlchemy: StaleDataError
                instance.__dict__.update({column: row[column] for column in values})
            state.committed_state.clear()

    def begin_nested(self) -> Savepoint:
        self.flush()
        self.round_trip("SAVEPOINT")
        return Savepoint(self)

    # Ends.

    def commit(self) -> None:
        self.flush()
        if self._transaction is None:
            return
        self.round_trip("COMMIT")
        self._transaction.commit()
        # Whoever is cut off, frozen or killed here does not know that it is done.
        self._line(self._process, "answer to COMMIT")

    def rollback(self) -> None:
        if self._transaction is None or self._transaction.over is not None or self._process.is_dead:
            return
        self._transaction.abort("it was rolled back")


class Database:
    """Stands for `store.database.Database` in one process."""

    def __init__(self, server: Server, process: Process, line: Line) -> None:
        self._server = server
        self._process = process
        self._line = line

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        session = Session(self._server, self._process, self._line)
        try:
            yield session
        except BaseException:
            session.rollback()
            raise
        session.commit()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        yield Session(self._server, self._process, self._line, is_reading=True)

    def ping(self) -> None:
        self._line(self._process, "SELECT 1")


def _key(statement: Any) -> Any:
    """What tells the shape of a statement, and its parameters; found once for one that is built once."""
    known = statement.__dict__.get("_simulated_key")
    if known is None:
        known = statement.__dict__["_simulated_key"] = statement._generate_cache_key()
    return known


def _place(instance: Any) -> tuple[str, Key]:
    name = instance.__table__.name
    return name, tuple(instance.__dict__[column] for column in shape_of(name).key)


def _delete(transaction: Transaction, name: str, key: Key) -> None:
    names = shape_of(name).key
    transaction.delete(
        name, lambda scope, run: tuple(scope[name][column] for column in names) == key, Run((), transaction)
    )


_values: dict[Any, Any] = {}


def _computed(values: Row, transaction: Transaction) -> Row:
    """Values of columns, with those that the server has to compute."""
    return {name: _value_of(value, transaction) if is_expression(value) else value for name, value in values.items()}


def _value_of(expression: Any, transaction: Transaction) -> Any:
    key = expression._generate_cache_key()
    value = _values.get(key.key)
    if value is None:
        value = _values[key.key] = Translator(key.bindparams).value(expression)
    return value({}, Run([bind.effective_value for bind in key.bindparams], transaction))


# Statements, translated once for each shape.

ENTITIES: dict[int, list[str | None]] = {}  # tables of the entities that a plan returns


def _plan(statement: Any, binds: Any) -> Callable[[Session, Run], list[tuple[Any, ...]]]:
    translator = Translator(binds)
    if isinstance(statement, Update):
        return _plan_update(statement, translator)
    if isinstance(statement, Delete):
        return _plan_delete(statement, translator)
    query: Query = translator.query(statement)

    def select(session: Session, run: Run) -> list[tuple[Any, ...]]:
        return run.transaction.rows(query, run)  # type: ignore[no-any-return]

    ENTITIES[id(select)] = (
        [one if isinstance(one, str) else None for one in query.columns]
        if any(isinstance(one, str) for one in query.columns)
        else []
    )
    return select


def _plan_update(statement: Update, translator: Translator) -> Callable[[Session, Run], list[tuple[Any, ...]]]:
    name = statement.table.name  # type: ignore[union-attr]
    translator._tables = {name}
    where = None if statement.whereclause is None else translator.value(statement.whereclause)
    pairs = (statement._values or {}).items()
    changes = {getattr(column, "key", column): translator.value(value) for column, value in pairs}
    returned = [column.key for column in statement._returning]  # type: ignore[union-attr]

    def update(session: Session, run: Run) -> list[tuple[Any, ...]]:
        rows = run.transaction.update(name, where, changes, run)
        return [tuple(row[column] for column in returned) for row in rows]

    return update


def _plan_delete(statement: Delete, translator: Translator) -> Callable[[Session, Run], list[tuple[Any, ...]]]:
    name = statement.table.name  # type: ignore[union-attr]
    translator._tables = {name}
    where = None if statement.whereclause is None else translator.value(statement.whereclause)
    returned = [column.key for column in statement._returning]  # type: ignore[union-attr]

    def delete(session: Session, run: Run) -> list[tuple[Any, ...]]:
        rows = run.transaction.delete(name, where, run)
        return [tuple(row[column] for column in returned) for row in rows]

    return delete


def _insert(session: Session, statement: Any) -> Result:
    """INSERT … VALUES … [ON CONFLICT DO NOTHING] [RETURNING an entity]; never planned, since its values are at hand."""
    name = statement.table.name
    if statement._multi_values:
        rows = [
            {getattr(column, "key", column): value for column, value in row.items()}
            for row in statement._multi_values[0]
        ]
    else:
        rows = [{getattr(column, "key", column): value for column, value in statement._values.items()}]
    clause = statement._post_values_clause
    conflict = None
    if clause is not None:
        conflict = tuple(clause.inferred_target_elements or shape_of(name).key)

    def write(transaction: Transaction) -> list[Row]:
        written = [transaction.insert(name, _computed(_plain(row), transaction), conflict=conflict) for row in rows]
        return [row for row in written if row is not None]

    written = session._at_server(f"INSERT {name}", write)
    return Result([(session.instance(name, row),) for row in written] if statement._returning else [])


def _plain(row: Row) -> Row:
    return {name: getattr(value, "effective_value", value) for name, value in row.items()}


# Statements that are written as SQL, and so cannot be read here: these three are a second account of what they do.


def _append_event(
    companions: frozenset[moves.Companion], transaction: Transaction, *, values: Row
) -> list[tuple[Any, ...]]:
    of_attempt = {"fit_id": values["of_fit"], "attempt": values["of_attempt"]}
    event = of_attempt | {name: values[name] for name in ("seq", "kind", "data")}
    transaction.insert(FitEvent.__tablename__, event)
    if "turn" in companions:
        turns = transaction.table("turns")
        served = {"served": max((row["served"] for row in turns.values()), default=0) + 1}
        if (values["tenant"],) in turns:
            transaction.change("turns", (values["tenant"],), served)
        else:
            transaction.insert("turns", {"tenant": values["tenant"], **served})
    if "attempt" in companions:
        transaction.insert("fit_attempts", of_attempt | {"worker": values["by"]})
    if "end" in companions:
        key = (values["of_fit"], values["of_attempt"])
        attempt = transaction.row("fit_attempts", key)
        if attempt is not None and attempt["ended_at"] is None:
            transaction.change("fit_attempts", key, {"ended_at": transaction.now, "ended_as": values["end"]})
    if "result" in companions:
        columns = ("byte_count", "sha256", "object_key", "psnr_db", "facts")
        transaction.insert("representations", of_attempt | {name: values[name] for name in columns})
    return [(None,)]  # no tenant of the simulation has an endpoint that messages could go to


def _claims_alone(transaction: Transaction, values: Row) -> list[tuple[Any, ...]]:
    transaction.lock_word("claims of fits")
    return [(None,)]


def _take(transaction: Transaction, values: Row) -> list[tuple[Any, ...]]:
    fits = list(transaction.table("fits").values())
    served = {row["tenant"]: row["served"] for row in transaction.table("turns").values()}
    running: dict[str, int] = {}
    for row in fits:
        running[row["tenant"]] = running.get(row["tenant"], 0) + (row["status"] in HELD)
    most, passed_over, classes = values["max_running"], values["passed_over"], values["classes"]
    line = sorted(
        (running[tenant], served.get(tenant, 0), tenant)
        for tenant in {row["tenant"] for row in fits if row["status"] == "queued"}
        if most is None or running[tenant] < most
    )
    for _, _, tenant in line:
        due = [
            row
            for row in fits
            if row["tenant"] == tenant
            and row["status"] == "queued"
            and row["id"] not in passed_over
            and row["worker_class"] in classes
            and (row["not_before"] is None or row["not_before"] <= transaction.now)
        ]
        for row in sorted(due, key=lambda row: (-row["priority"], row["id"])):
            if transaction._in_the_way("fits", (row["id"],), 3):
                continue
            transaction.lock("fits", (row["id"],), 3)
            return [(row["id"],)]
    return []


def _position(transaction: Transaction, values: Row) -> list[tuple[Any, ...]]:
    return [(0,)]  # told to clients, and nothing is decided by it


SPECIAL: dict[int, tuple[str, Callable[[Transaction, Row], list[tuple[Any, ...]]]]] = {
    id(turns._ALONE): ("lock of claims", _claims_alone),
    id(turns._TAKE): ("take a turn", _take),
    id(turns._POSITION): ("place in line", _position),
}


_NAMES: tuple[moves.Companion, ...] = get_args(moves.Companion)
_COMPANIONS = [frozenset(some) for count in range(len(_NAMES) + 1) for some in combinations(_NAMES, count)]


def companions_of(statement: Any) -> frozenset[moves.Companion] | None:
    """What goes along with the event that a statement writes; None if it writes none."""
    return next((names for names in _COMPANIONS if moves.event_with(names) is statement), None)


def is_announcement(statement: Any) -> bool:
    """Whether it writes messages for webhooks."""
    return statement is outbox._of_progress()
