"""Whose turn it is: which fit the next claim takes, and how many come before one that waits.

Workers are shared by tenants, not by fits. The next claim goes to the tenant with the fewest fits running, among those
to the one that was served longest ago, and takes that tenant's most urgent fit, the oldest of equals, among those of
the classes that the worker serves. So a tenant that waits and has nothing running sees each other tenant served once at
most before its own turn, whatever they submit.
docs/decisions/0028-turns-and-budgets.md has the reasons and the cost.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import INTEGER, Insert, insert
from sqlalchemy.orm import Session

from store.classes import EVERY_CLASS, WorkerClass
from store.models_turns import Turn

# Clients poll for their place in the queue: beyond this it is not counted, or every poll would cost what waits.
MAX_POSITION = 500

# Tenants with something queued, found by one probe of the index each, however much they have queued; then how many fits
# each has running, and when it was last served (0: never).
_WAITING = """
    RECURSIVE waiting AS (
        (SELECT tenant FROM fits WHERE status = 'queued' ORDER BY tenant LIMIT 1)
        UNION ALL
        SELECT (
            SELECT tenant FROM fits WHERE status = 'queued' AND tenant > waiting.tenant ORDER BY tenant LIMIT 1
        )
        FROM waiting WHERE waiting.tenant IS NOT NULL
    ),
    held AS (
        SELECT tenant, count(*) AS running FROM fits WHERE status IN ('running', 'cancelling') GROUP BY tenant
    )
"""

# Of a tenant's fits, the ones that may run now.
_DUE = "status = 'queued' AND (not_before IS NULL OR not_before <= now())"

# The order is made before the rows are locked: a lock is taken on one fit of each class only, and one that somebody is
# writing to, such as a client who cancels it, is passed over.
_TAKE = text(f"""
    WITH {_WAITING},
    taken AS (
        SELECT fit.id
        FROM (
            SELECT waiting.tenant, coalesce(held.running, 0) AS running, coalesce(turns.served, 0) AS served
            FROM waiting LEFT JOIN held USING (tenant) LEFT JOIN turns USING (tenant)
            WHERE waiting.tenant IS NOT NULL AND (coalesce(held.running, 0) < :max_running) IS NOT FALSE
            ORDER BY running, served, tenant
        ) AS line
        CROSS JOIN LATERAL (
            SELECT foremost.id
            FROM unnest(CAST(:classes AS text[])) AS own (class)
            CROSS JOIN LATERAL (
                SELECT id, priority FROM fits
                WHERE tenant = line.tenant AND worker_class = own.class AND {_DUE}
                    AND id <> ALL (CAST(:passed_over AS text[]))
                ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) AS foremost
            ORDER BY foremost.priority DESC, foremost.id LIMIT 1
        ) AS fit
        ORDER BY line.running, line.served, line.tenant
        LIMIT 1
    )
    SELECT id FROM taken
""").bindparams(bindparam("max_running", type_=INTEGER))  # noqa: S608  of constants alone

# Claims wait for each other, for the few milliseconds that one takes: two at the same moment would both see the same
# tenant first, and both would see a place left. Database time-outs free the lock of a process that is frozen with it.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('claims of fits', 0))")

# Rivals are the fits that a worker may take instead: those of its class and of any, or all if it is of any itself. With
# n of them of its tenant before it, a fit is taken in round "running + n". Before it are other tenants' fits up to
# that round: that one, too, if the tenant came first in the rounds before, which are all in the same order.
_POSITION = text(f"""
    WITH {_WAITING},
    mine AS (
        SELECT fits.tenant, fits.id, fits.priority, coalesce(held.running, 0) AS running,
            coalesce(turns.served, 0) AS served,
            CASE WHEN fits.worker_class = 'any' THEN CAST(:every_class AS text[])
                ELSE ARRAY['any', fits.worker_class] END AS rivals
        FROM fits LEFT JOIN held USING (tenant) LEFT JOIN turns USING (tenant)
        WHERE fits.id = :fit_id AND fits.status = 'queued'
    ),
    own AS MATERIALIZED (
        SELECT fit.id
        FROM mine
        CROSS JOIN LATERAL unnest(mine.rivals) AS rival (class)
        CROSS JOIN LATERAL (
            SELECT id FROM fits WHERE tenant = mine.tenant AND worker_class = rival.class AND {_DUE}
                AND (priority > mine.priority OR (priority = mine.priority AND id < mine.id))
            LIMIT {MAX_POSITION}
        ) AS fit
    ),
    others AS MATERIALIZED (
        SELECT fit.id
        FROM waiting
        LEFT JOIN held USING (tenant)
        LEFT JOIN turns USING (tenant)
        JOIN mine ON waiting.tenant <> mine.tenant
        CROSS JOIN LATERAL (
            SELECT id FROM fits WHERE tenant = waiting.tenant AND worker_class = ANY (mine.rivals) AND {_DUE}
            LIMIT greatest(
                0,
                mine.running + (SELECT count(*) FROM own) - coalesce(held.running, 0)
                + CASE
                    WHEN (coalesce(held.running, 0), -coalesce(turns.served, 0)) > (mine.running, -mine.served)
                        OR (
                            (coalesce(held.running, 0), coalesce(turns.served, 0)) = (mine.running, mine.served)
                            AND waiting.tenant < mine.tenant
                        )
                    THEN 1 ELSE 0
                END
            )
        ) AS fit
        LIMIT {MAX_POSITION}
    )
    SELECT least({MAX_POSITION}, (SELECT count(*) FROM own) + (SELECT count(*) FROM others)) FROM mine
""")  # noqa: S608  of constants alone


def claim_alone(session: Session) -> None:
    """Wait until no other claim is under way, and let none begin until the unit of work ends.

    Args:
        session: unit of work of one or more claims.
    """
    session.execute(_ALONE)


def next_in_turn(
    session: Session,
    *,
    classes: Collection[WorkerClass] = EVERY_CLASS,
    max_running: int | None = None,
    passed_over: Sequence[str] = (),
) -> str | None:
    """Lock the fit whose turn it is and return its id; None if none may run.

    That its tenant was served is noted with what the claim writes (`note_served`), if the fit is taken.

    Args:
        session: unit of work of the claim, which is alone (`claim_alone`) until it is committed.
        classes: classes of fits that the worker serves.
        max_running: number of fits of one tenant that may be held at a time; None for any number.
        passed_over: ids of fits that the worker cannot read.
    """
    values = {"classes": list(classes), "max_running": max_running, "passed_over": list(passed_over)}
    fit_id: str | None = session.scalar(_TAKE, values)
    return fit_id


def note_served() -> Insert:
    """Writes that the tenant `:tenant` was served, later than any other; for a claim, which has the lock of turns."""
    latest = select(func.coalesce(func.max(Turn.served), 0) + 1).scalar_subquery()
    new = insert(Turn).values(tenant=bindparam("tenant"), served=latest)
    return new.on_conflict_do_update(index_elements=["tenant"], set_={"served": new.excluded.served})


def place_in_line(session: Session, fit_id: str) -> int | None:
    """How many fits are claimed before this one, at most 500; None if it is not queued.

    Those that would be claimed if from now on claims followed each other, nothing ended and nothing else was submitted:
    of its own tenant the more urgent and the older ones, of each other tenant as many as its turns allow. Fits that
    wait for a time to come are not counted.
    """
    place: int | None = session.scalar(_POSITION, {"fit_id": fit_id, "every_class": list(EVERY_CLASS)})
    return place
