"""Requests that are sent twice: a client's own name for a request, its Idempotency-Key, leads to the first one's fit.

A key stands beside the hash of its request: the same key with another request is a mistake, and is refused.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.schemas.fits import FitOverrides, FitRequest, FitView
from api.services.waiting import seen
from store.errors import IdempotencyConflict
from store.models import IdempotencyKey
from store.repositories.fits import Fits


def replay(session: Session, tenant: str, idempotency: tuple[str, str] | None) -> FitView | None:
    """The fit of an earlier request with this key and hash: what has become of its signal since does not matter.

    Raises:
        IdempotencyConflict: if the key was used with another request.
    """
    known = None if idempotency is None else session.get(IdempotencyKey, (tenant, idempotency[0]))
    if idempotency is None or known is None:
        return None
    if known.request_sha256 != idempotency[1]:
        raise IdempotencyConflict(
            f"the Idempotency-Key {idempotency[0]!r} belongs to another request: take a new key for this one"
        )
    return seen(session, Fits(session).get_alone(tenant, known.fit_id))


def request_sha256(request: FitRequest) -> str:
    """One hash for all ways to write the same request: order, spacing and spelled-out defaults do not matter."""
    return _sha256(request.model_dump(mode="json", exclude_defaults=True))


def batch_sha256(requests: Sequence[FitRequest]) -> str:
    """One hash for all ways to write the same batch; the order of its requests is part of it."""
    return _sha256({"batch": [request.model_dump(mode="json", exclude_defaults=True) for request in requests]})


def clone_sha256(fit_id: str, overrides: FitOverrides) -> str:
    """One hash for all ways to write the same clone; a fit that came out the same is another request.

    What is said counts, also where it is the default: left out, it would be the original's.
    """
    said = overrides.model_dump(mode="json", include=overrides.model_fields_set - {"version"})
    return _sha256({"clone_of": fit_id, "overrides": said})


def _sha256(canonical: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
