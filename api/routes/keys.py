"""API keys of one's own tenant, for keys with the scopes keys:read and keys:write.

Such a key is made on the command line (`tunerd keys create --scope keys:write …`), or by another such key.
"""

from datetime import timedelta

from fastapi import Depends, Response

from api import errors
from api.answers import TEXT_HEADER
from api.dependencies import CallerNow, InjectedServices, KeyId, Tenant, json_body
from api.errors import problems
from api.routing import Routes
from api.schemas.keys import KeyCursor, KeyPage, KeyRequest, KeySecret, KeyView
from api.schemas.pages import DEFAULT_LIMIT, Limit, page_of
from store import errors as store
from store.api_keys import Scope
from store.repositories.keys import Keys

router = Routes(prefix="/keys", tags=["keys"])


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(json_body)],
    responses={
        201: {"headers": {"Cache-Control": TEXT_HEADER}},
        **problems(
            errors.MalformedJson,
            errors.ContentTooLarge,
            errors.UnsupportedMediaType,
            errors.InvalidRequest,
            store.InvalidKeyRequest,
            store.TooManyKeys,
        ),
    },
)
def create_key(body: KeyRequest, response: Response, services: InjectedServices, caller: CallerNow) -> KeySecret:
    """Make a key of your own tenant. The key in the answer is shown this once."""
    if caller.key_prefix is None:  # the gate lets nobody pass here without a key
        raise errors.ScopeMissing(Scope.KEYS_WRITE)
    lifetime = None if body.valid_seconds is None else timedelta(seconds=body.valid_seconds)
    with services.database.unit_of_work() as session:
        made = Keys(session).create_by(caller.key_prefix, name=body.name, scopes=body.scopes, lifetime=lifetime)
        view = KeySecret.made(*made)
    response.headers["Cache-Control"] = "no-store"
    return view


@router.get("", responses=problems(errors.InvalidRequest))
def list_keys(
    services: InjectedServices, tenant: Tenant, limit: Limit = DEFAULT_LIMIT, cursor: KeyCursor = None
) -> KeyPage:
    """Keys of your own tenant, newest first, without their secrets; those that are worthless, too."""
    with services.database.reading() as session:
        found = Keys(session).page(tenant, limit=limit + 1, before=cursor)
        return page_of(KeyPage, KeyView.of, found, limit)


@router.delete("/{key_id}", status_code=204, responses=problems(store.KeyNotFound))
def revoke_key(services: InjectedServices, tenant: Tenant, key_id: KeyId) -> None:
    """Make a key worthless, within seconds. Asking again changes nothing."""
    with services.database.unit_of_work() as session:
        Keys(session).revoke_own(tenant, key_id)
