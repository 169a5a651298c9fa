"""Queries about views of representations, and the few moves that each of them makes."""

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from store.errors import FitNotFound
from store.intervals import as_interval
from store.models import Representation
from store.models_renders import Render
from store.render_spec import RenderSpec
from store.repositories.deleted import DeletedObjects
from store.repositories.fits import StoredObject
from store.repositories.quotas import Quotas

logger = logging.getLogger(__name__)

VERSION = 1  # a change in how views are drawn gets a new number, and with it new objects


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedRender:
    """What a worker needs to know to draw a view; `tries` is its fencing number."""

    id: str
    tries: int
    tenant: str
    recipe_sha256: str
    spec: RenderSpec
    object_key: str
    sha256: str
    byte_count: int


class Renders:
    """The renders table within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ask(self, tenant: str, representation: Representation, spec: RenderSpec) -> tuple[Render, bool]:
        """The view, which may or may not be there yet.

        Returns:
            The row, and whether the caller has to announce it after the commit.

        Raises:
            FitNotFound: if the fit was deleted since the representation was looked up.
        """
        recipe = spec.model_dump(mode="json", exclude_none=True)
        recipe_sha256 = _hash({"representation": representation.sha256, "recipe": recipe, "version": VERSION})
        known = self._find(tenant, recipe_sha256)
        if known is not None:
            self._touch(known)
            return known, False
        new = (
            insert(Render)
            .values(tenant=tenant, fit_id=representation.fit_id, recipe=recipe, recipe_sha256=recipe_sha256)
            .on_conflict_do_nothing(index_elements=["tenant", "recipe_sha256"])
            .returning(Render.id)
        )
        try:
            added = self._session.scalar(new)
        except IntegrityError as error:
            raise FitNotFound(f"no fit {representation.fit_id!r} any more: it was deleted a moment ago") from error
        found = self._find(tenant, recipe_sha256)
        assert found is not None  # noqa: S101  either ours or the one that it met
        return found, added is not None

    def count_waiting(self, tenant: str) -> int:
        """How many views of the tenant are not drawn yet."""
        waiting = select(func.count()).where(Render.tenant == tenant, Render.status.in_(("queued", "running")))
        return self._session.scalar(waiting) or 0

    def get(self, render_id: str) -> Render | None:
        """The row, if it is still there."""
        return self._session.get(Render, render_id, populate_existing=True)

    def claim_next(self, *, lease_seconds: float) -> ClaimedRender | None:
        """Take the view whose turn it is, or None if none waits.

        The tenant with the fewest views being drawn comes first, then the one that was served longest ago, then the
        view that has waited longest: whoever asks for many waits behind its own.
        """
        other = aliased(Render)
        drawn = select(func.count()).where(other.tenant == Render.tenant, other.status == "running").scalar_subquery()
        served = select(func.max(other.claimed_at)).where(other.tenant == Render.tenant).scalar_subquery()
        while True:
            render = self._session.scalar(
                select(Render)
                .where(Render.status == "queued")
                .order_by(drawn, served.asc().nulls_first(), Render.id)
                .limit(1)
                .with_for_update(of=Render, skip_locked=True)
            )
            if render is None:
                return None
            try:
                spec = RenderSpec.model_validate(render.recipe)
            except ValidationError:
                # Another version's, or damaged: it alone fails, and may be asked for again later.
                logger.warning("%s cannot be read and has failed", render.id)
                render.status, render.error_code = "failed", "render_failed"
                render.error_message = "this version of the service cannot read what was asked for: ask again"
                self._session.flush()
            else:
                break
        render.status = "running"
        render.tries += 1
        render.lease_until = func.now() + as_interval(lease_seconds)
        render.claimed_at = func.clock_timestamp()
        source = self._session.scalars(select(Representation).filter_by(fit_id=render.fit_id)).one()
        return ClaimedRender(
            id=render.id,
            tries=render.tries,
            tenant=render.tenant,
            recipe_sha256=render.recipe_sha256,
            spec=spec,
            object_key=source.object_key,
            sha256=source.sha256,
            byte_count=source.byte_count,
        )

    def finish(
        self, claim: ClaimedRender, stored: StoredObject, media_type: str, *, max_stored_bytes: int | None = None
    ) -> bool:
        """The view is in the bucket; returns False if somebody else has drawn it meanwhile, or its fit was deleted.

        Raises:
            StorageFull: if it is more than the tenant may store.
        """
        ended = self._end(
            claim,
            status="ready",
            object_key=stored.key,
            sha256=stored.sha256,
            byte_count=stored.byte_count,
            media_type=media_type,
        )
        if ended:
            Quotas(self._session).check_stored_bytes(claim.tenant, max_stored_bytes)
        return ended

    def fail(self, claim: ClaimedRender, *, code: str, message: str) -> bool:
        """It cannot be drawn, for a reason that the client reads."""
        return self._end(claim, status="failed", error_code=code, error_message=message)

    def give_back(self, claim: ClaimedRender) -> bool:
        """It was not drawn for a reason that may pass."""
        return self._end(claim, status="queued")

    def forget(self, render_id: str, tries: int) -> list[str]:
        """Forget a view that is of no use, unless it was drawn again since; returns the keys of objects to remove."""
        query = select(Render).filter_by(id=render_id, tries=tries).where(Render.status.in_(("ready", "failed")))
        render = self._session.scalar(query.with_for_update(of=Render))
        return [] if render is None else self._drop(render)

    # Upkeep.

    def reap_expired_leases(self, *, max_tries: int) -> int:
        """Queue again what a lost worker was drawing, or give up on it; returns how many."""
        renders = self._session.scalars(_LEASE_IS_OVER).all()
        for render in renders:
            render.status, render.lease_until = "queued", None
            if render.tries >= max_tries:
                render.status, render.error_code = "failed", "render_failed"
                render.error_message = "the worker was lost while drawing this: ask for a smaller scale or region"
        return len(renders)

    def oldest_waiting(self, *, older_than_seconds: float) -> str | None:
        """A view that should have been drawn by now, if there is one."""
        return self._session.scalar(_waiting(older_than_seconds))

    def drop_stale(self, *, unused_seconds: float, failed_seconds: float, limit: int = 100) -> list[str]:
        """Forget views that nobody has asked for in a while; returns the keys of their objects, which go next."""
        stale = _stale(unused_seconds, failed_seconds, limit)
        return [key for render in self._session.scalars(stale).all() for key in self._drop(render)]

    def knows_object(self, key: str) -> bool:
        """Whether a view lies under this key."""
        return self._session.scalar(select(Render.id).where(Render.object_key == key)) is not None

    def _drop(self, render: Render) -> list[str]:
        self._session.delete(render)
        if render.object_key is None:
            return []
        return DeletedObjects(self._session).note(render.tenant, [(render.object_key, render.byte_count or 0)])

    def _find(self, tenant: str, recipe_sha256: str) -> Render | None:
        return self._session.scalar(select(Render).filter_by(tenant=tenant, recipe_sha256=recipe_sha256))

    def _touch(self, render: Render) -> None:
        # To the hour: a view that is looked at often would otherwise be written as often.
        self._session.execute(
            update(Render)
            .where(Render.id == render.id, Render.used_at < func.now() - as_interval(3600))
            .values(used_at=func.now())
            .execution_options(synchronize_session=False)
        )

    def _end(self, claim: ClaimedRender, **values: Any) -> bool:
        held = (Render.id == claim.id, Render.tries == claim.tries, Render.status == "running")
        ended = update(Render).where(*held).values(lease_until=None, **values).returning(Render.id)
        return self._session.scalar(ended.execution_options(synchronize_session=False)) is not None


def _hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# Statements of every round of upkeep, built once.
_LEASE_IS_OVER = (
    select(Render)
    .where(Render.status == "running", Render.lease_until < func.now())
    .with_for_update(of=Render, skip_locked=True)
)


@cache
def _waiting(older_than_seconds: float) -> Select[str]:
    is_late = Render.created_at < func.now() - as_interval(older_than_seconds)
    return select(Render.id).where(Render.status == "queued", is_late).order_by(Render.id).limit(1)


@cache
def _stale(unused_seconds: float, failed_seconds: float, limit: int) -> Select[Render]:
    return (
        select(Render)
        .where(
            ((Render.status == "ready") & (Render.used_at < func.now() - as_interval(unused_seconds)))
            | ((Render.status == "failed") & (Render.created_at < func.now() - as_interval(failed_seconds)))
        )
        .limit(limit)
        .with_for_update(of=Render, skip_locked=True)
    )
