"""Many fits in one request: asked for together, cancelled together."""

from fastapi import Depends, Response

from api import errors
from api.answers import TEXT_HEADER
from api.dependencies import CallerNow, InjectedServices, Tenant, json_body
from api.errors import problems
from api.routes.fits import ASK_PROBLEMS, IdempotencyKey
from api.routing import Routes
from api.schemas.batches import FitBatch, FitBatchRequest, FitCancellation, FitCancellations
from api.services.webhooks import check_named

router = Routes(prefix="/fits", tags=["fits"])


@router.post(
    "/batch",
    status_code=202,
    dependencies=[Depends(json_body)],
    responses={
        202: {
            "description": "All are queued, or were queued before by the same request",
            "headers": {"Idempotent-Replayed": TEXT_HEADER},
        },
        **problems(*ASK_PROBLEMS),
    },
)
def create_fits(
    body: FitBatchRequest,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    caller: CallerNow,
    idempotency_key: IdempotencyKey = None,
) -> FitBatch:
    """Ask for many fits at once: all of them are queued, or none and the answer says which request is to blame."""
    for number, one in enumerate(body.fits):
        pointer = f"#/fits/{number}/webhook/url"
        check_named(one.webhook, caller.scopes, services.private_networks, pointer=pointer)
    batch, created = services.batches.submit(tenant, body.fits, idempotency_key)
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return batch


@router.post(
    "/cancel",
    dependencies=[Depends(json_body)],
    responses=problems(
        errors.MalformedJson, errors.ContentTooLarge, errors.UnsupportedMediaType, errors.InvalidRequest
    ),
)
def cancel_fits(body: FitCancellation, services: InjectedServices, tenant: Tenant) -> FitCancellations:
    """Cancel fits by their ids or by a condition, each by itself; at most 1000 by a condition, then ask again.

    What has ended stays as it is. Asking again changes nothing.
    """
    return services.batches.cancel(tenant, body)
