"""The statements of the repositories, carried out on rows in memory: SQLAlchemy's expressions as PostgreSQL reads them.

Nothing here knows a repository. What is read is the tree that `select()`, `update()` and their like build, so a change
of a repository is a change of what is simulated. Each shape of statement is translated once into Python functions.
A kind of expression that is not known here is an error and never passed over.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, ClauseElement

Row = dict[str, Any]
Scope = dict[str, Row]  # by name of table
Value = Callable[[Scope, "Run"], Any]


@dataclass(slots=True)
class Run:
    """One execution: the values of the statement's parameters, and the transaction that it runs in."""

    values: Sequence[Any]
    transaction: Any


@dataclass(slots=True, kw_only=True)
class Query:
    """A SELECT that is understood.

    Attributes:
        tables: names of the tables that are joined, each row with each.
        columns: what is returned; the name of an entity's table instead of a function where whole rows are.
    """

    tables: list[str]
    where: Value | None
    columns: list[Value | str]
    names: list[str]
    order: list[tuple[Value, bool]]
    limit: Value | None
    lock: str | None
    mode: int
    skip_locked: bool
    is_aggregate: bool
    groups: list[Value] = field(default_factory=list)
    aggregates: list[tuple[str, Value | None]] = field(default_factory=list)


class NotUnderstood(NotImplementedError):
    """The simulation has to learn a kind of expression before it can go on."""


def _null_or(function: Callable[..., Any]) -> Callable[..., Any]:
    def of(*values: Any) -> Any:
        return None if any(value is None for value in values) else function(*values)

    return of


_BINARY: dict[Any, Callable[[Any, Any], Any]] = {
    operators.eq: operator.eq,
    operators.ne: operator.ne,
    operators.lt: operator.lt,
    operators.le: operator.le,
    operators.gt: operator.gt,
    operators.ge: operator.ge,
    operators.add: operator.add,
    operators.sub: operator.sub,
    operators.mul: operator.mul,
}


def _contains(array: list[Any], others: list[Any]) -> bool:
    """Whether a JSON array has all elements of another."""
    return all(other in array for other in others)


def _make_interval(*parts: Any) -> timedelta:
    return timedelta(seconds=float(parts[6]))


def _json_type(value: Any) -> str | None:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "object"


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "make_interval": _null_or(_make_interval),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "least": lambda *values: min((value for value in values if value is not None), default=None),
    "greatest": lambda *values: max((value for value in values if value is not None), default=None),
    "nullif": lambda first, second: None if first == second else first,
    "hashtextextended": _null_or(lambda words, seed: f"{words}\0{seed}"),
}
_AGGREGATES = {"count", "sum", "min", "max"}


class Translator:
    """Turns expressions into functions; `binds` are the parameters in the order in which they are given values."""

    def __init__(self, binds: Sequence[BindParameter[Any]]) -> None:
        self._places = {id(bind): place for place, bind in enumerate(binds)}
        self._by_key = {bind.key: place for place, bind in enumerate(binds)}
        self.aggregates: list[tuple[str, Value | None]] = []
        self._tables: set[str] = set()
        self._outer: set[str] = set()

    def value(self, element: Any) -> Value:
        """A function of the rows in sight and of the parameters."""
        handler = getattr(self, f"_{element.__visit_name__}", None)
        if handler is None:
            raise NotUnderstood(f"{type(element).__name__} ({element.__visit_name__}): {element}")
        found: Value = handler(element)
        return found

    def _column(self, element: Any) -> Value:
        if element.table is None and element.key == "*":
            return lambda scope, run: 1
        table, name = element.table.name, element.key
        return lambda scope, run: scope[table][name]

    def _bindparam(self, element: Any) -> Value:
        place = self._places.get(id(element))
        if place is None:
            place = self._by_key[element.key]
        return lambda scope, run: run.values[place]

    def _null(self, element: Any) -> Value:
        return lambda scope, run: None

    def _true(self, element: Any) -> Value:
        return lambda scope, run: True

    def _false(self, element: Any) -> Value:
        return lambda scope, run: False

    def _grouping(self, element: Any) -> Value:
        inner = element.element
        return self._scalar(inner) if inner.__visit_name__ == "select" else self.value(inner)

    _label = _grouping
    _type_coerce = _grouping

    def _cast(self, element: Any) -> Value:
        return self.value(element.clause)

    def _case(self, element: Any) -> Value:
        whens = [(self.value(condition), self.value(result)) for condition, result in element.whens]
        other = self.value(element.else_) if element.else_ is not None else lambda scope, run: None

        def case(scope: Scope, run: Run) -> Any:
            for condition, result in whens:
                if condition(scope, run) is True:
                    return result(scope, run)
            return other(scope, run)

        return case

    def _binary(self, element: Any) -> Value:
        kind = element.operator
        left = self.value(element.left)
        if kind in {operators.in_op, operators.not_in_op}:
            return self._in(left, element.right, is_wanted=kind is operators.in_op)
        right = self.value(element.right)
        if kind is operators.is_:
            return lambda scope, run: left(scope, run) is right(scope, run)
        if kind is operators.is_not:
            return lambda scope, run: left(scope, run) is not right(scope, run)
        if getattr(kind, "opstring", None) in {"->>", "->"} or kind is operators.json_getitem_op:
            return lambda scope, run: (left(scope, run) or {}).get(right(scope, run))
        act = _contains if getattr(kind, "opstring", None) == "@>" else _BINARY.get(kind)
        if act is None:
            raise NotUnderstood(f"{kind}: {element}")

        def binary(scope: Scope, run: Run) -> Any:
            a = left(scope, run)
            if a is None:
                return None
            b = right(scope, run)
            return None if b is None else act(a, b)

        return binary

    def _in(self, left: Value, right: Any, *, is_wanted: bool) -> Value:
        inner = getattr(right, "element", right)
        if inner.__visit_name__ == "select":
            query = self._query(inner)

            def within(scope: Scope, run: Run) -> Any:
                # PostgreSQL carries a subquery that locks rows out once; it is asked for here once per statement, too.
                known = run.transaction.remembered(query, lambda: [row[0] for row in run.transaction.rows(query, run)])
                return (left(scope, run) in known) is is_wanted

            return within
        values = self.value(inner)
        return lambda scope, run: (left(scope, run) in values(scope, run)) is is_wanted

    def _clauselist(self, element: Any) -> Value:
        parts = [self.value(clause) for clause in element.clauses]
        if element.operator is operators.and_:

            def all_of(scope: Scope, run: Run) -> Any:
                unknown = False
                for part in parts:
                    found = part(scope, run)
                    if found is False:
                        return False
                    unknown = unknown or found is None
                return None if unknown else True

            return all_of
        if element.operator is operators.or_:

            def any_of(scope: Scope, run: Run) -> Any:
                unknown = False
                for part in parts:
                    found = part(scope, run)
                    if found is True:
                        return True
                    unknown = unknown or found is None
                return None if unknown else False

            return any_of
        if len(parts) == 1:
            return parts[0]
        raise NotUnderstood(f"{element.operator}: {element}")

    _expression_clauselist = _clauselist

    def _unary(self, element: Any) -> Value:
        if element.operator is operators.exists:
            query = self._query(element.element.element)
            return lambda scope, run: next(run.transaction.matches(query, run, scope), None) is not None
        inner = self.value(element.element)
        if element.operator is operators.inv:
            return lambda scope, run: None if (found := inner(scope, run)) is None else not found
        if element.operator is operators.neg:
            return lambda scope, run: None if (found := inner(scope, run)) is None else -found
        raise NotUnderstood(f"{element.operator}: {element}")

    def _function(self, element: Any) -> Value:
        name = element.name
        parts = [self.value(clause) for clause in element.clauses]
        if name == "now":
            return lambda scope, run: run.transaction.now
        if name == "clock_timestamp":
            return lambda scope, run: run.transaction.clock()
        if name == "pg_advisory_xact_lock":
            return lambda scope, run: run.transaction.lock_word(parts[0](scope, run))
        if name == "pg_try_advisory_xact_lock":
            return lambda scope, run: run.transaction.try_word(parts[0](scope, run))
        if name == "jsonb_typeof":
            # Absent is NULL, and JSON's null is a value: neither is a number.
            return lambda scope, run: _json_type(parts[0](scope, run))
        if name in _AGGREGATES:
            place = len(self.aggregates)
            self.aggregates.append((name, parts[0] if parts else None))
            return lambda scope, run: scope[""][place]  # type: ignore[index]
        act = _FUNCTIONS.get(name)
        if act is None:
            raise NotUnderstood(f"the function {name}: {element}")
        return lambda scope, run: act(*(part(scope, run) for part in parts))

    _now = _function
    _coalesce = _function
    _count = _function
    _sum = _function
    _max = _function
    _min = _function

    def _scalar(self, element: Any) -> Value:
        query = self._query(element)

        def scalar(scope: Scope, run: Run) -> Any:
            row = next(iter(run.transaction.rows(query, run, scope)), None)
            return None if row is None else row[0]

        return scalar

    def _query(self, element: Any) -> Query:
        inner = Translator(())
        inner._places, inner._by_key = self._places, self._by_key
        inner._outer = self._outer | self._tables
        return inner.query(element)

    def query(self, element: Any) -> Query:
        """A SELECT; tables of the statement around it are those of that one, unless there would be no others."""
        sources: list[str] = []
        joined: list[Any] = []

        def add(source: Any) -> None:
            if source.__visit_name__ == "join":
                add(source.left)
                add(source.right)
                joined.append(source.onclause)
            elif source.__visit_name__ == "table":
                if source.name not in sources:
                    sources.append(source.name)
            elif source.__visit_name__ not in {"select", "grouping"}:
                raise NotUnderstood(f"FROM {source}")

        raw = list(element._raw_columns)
        for one in raw:
            for source in [one] if one.__visit_name__ == "table" else one._from_objects:
                add(source)
        for source in element._from_obj:
            add(source)
        for target, onclause, _, _ in element._setup_joins:
            add(target)
            joined.append(onclause)
        where = element.whereclause
        if where is not None:
            for source in where._from_objects:
                add(source)
            joined.append(where)
        tables = [name for name in sources if name not in self._outer] or sources
        self._tables = set(tables)
        columns = [one.name if one.__visit_name__ == "table" else self.value(one) for one in raw]
        names = [facts["name"] for facts in element.column_descriptions]
        conditions = [self.value(one) for one in joined]
        order = []
        for clause in element._order_by_clauses:
            is_down = getattr(clause, "modifier", None) is operators.desc_op
            order.append((self.value(clause.element if is_down else clause), is_down))
        limit = element._limit_clause
        lock = element._for_update_arg
        locked = None
        if lock is not None:
            of = lock.of[0] if lock.of else None
            locked = tables[0] if of is None else of.name if of.__visit_name__ == "table" else of.table.name
        return Query(
            tables=tables,
            where=_all(conditions),
            columns=columns,
            names=names,
            order=order,
            limit=None if limit is None else self.value(limit),
            lock=locked,
            mode=0 if lock is None else 1 if lock.key_share and lock.read else 2 if lock.key_share else 3,
            skip_locked=bool(lock is not None and lock.skip_locked),
            is_aggregate=bool(self.aggregates),
            groups=[self.value(clause) for clause in element._group_by_clauses],
            aggregates=self.aggregates,
        )


def _all(conditions: list[Value]) -> Value | None:
    if len(conditions) <= 1:
        return conditions[0] if conditions else None
    return lambda scope, run: all(condition(scope, run) is True for condition in conditions)


def is_expression(value: Any) -> bool:
    """Whether a value is one that the database has to compute."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")
