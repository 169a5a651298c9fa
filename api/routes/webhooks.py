"""Webhooks: register an address, see what was sent to it, have it sent again."""

from typing import Any

from fastapi import Depends, Response

from api import errors
from api.dependencies import DeliveryId, InjectedServices, Tenant, WebhookId, json_body
from api.errors import problems
from api.routing import Routes
from api.schemas.pages import DEFAULT_LIMIT, Limit, page_of
from api.schemas.webhooks import (
    DeliveryCursor,
    DeliveryLog,
    DeliveryPage,
    DeliveryView,
    EndpointCursor,
    WebhookChange,
    WebhookPage,
    WebhookRequest,
    WebhookSecret,
    WebhookView,
)
from api.services.webhooks import ROTATION_OVERLAP_SECONDS, check_url, new_secret
from store import errors as store
from store.repositories.webhooks import Webhooks

router = Routes(prefix="/webhooks", tags=["webhooks"])

_BODY_PROBLEMS = (
    errors.MalformedJson,
    errors.ContentTooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
)
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"description": "Registered", "headers": {"Location": {"schema": {"type": "string"}}}}
}


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(json_body)],
    responses=_CREATED | problems(*_BODY_PROBLEMS, store.TooManyWebhooks),
)
def create_webhook(
    body: WebhookRequest, response: Response, services: InjectedServices, tenant: Tenant
) -> WebhookSecret:
    """Be told when fits end. The secret in the answer is shown this once."""
    check_url(body.url, services.private_networks)
    with services.database.unit_of_work() as session:
        endpoint = Webhooks(session).add(
            tenant, url=body.url, event_types=body.events, secret=new_secret(), description=body.description
        )
        view = WebhookSecret.of(endpoint)
    response.headers["Location"] = f"/webhooks/{view.id}"
    return view


@router.get("", responses=problems(errors.InvalidRequest))
def list_webhooks(
    services: InjectedServices, tenant: Tenant, limit: Limit = DEFAULT_LIMIT, cursor: EndpointCursor = None
) -> WebhookPage:
    """Endpoints, newest first."""
    with services.database.unit_of_work() as session:
        found = Webhooks(session).page(tenant, limit=limit + 1, before=cursor)
    return page_of(WebhookPage, WebhookView.of, found, limit)


@router.get("/{webhook_id}", responses=problems(store.WebhookNotFound))
def get_webhook(services: InjectedServices, tenant: Tenant, webhook_id: WebhookId) -> WebhookView:
    """One endpoint."""
    with services.database.unit_of_work() as session:
        return WebhookView.of(Webhooks(session).get(tenant, webhook_id))


@router.patch(
    "/{webhook_id}",
    dependencies=[Depends(json_body)],
    responses=problems(*_BODY_PROBLEMS, store.WebhookNotFound),
)
def change_webhook(
    body: WebhookChange, services: InjectedServices, tenant: Tenant, webhook_id: WebhookId
) -> WebhookView:
    """Change an endpoint, or switch it off and on again."""
    changes: dict[str, Any] = {}
    if body.url is not None:
        check_url(body.url, services.private_networks)
        changes["url"] = body.url
    if body.events is not None:
        changes["event_types"] = body.events
    if "description" in body.model_fields_set:
        changes["description"] = body.description
    with services.database.unit_of_work() as session:
        return WebhookView.of(Webhooks(session).change(tenant, webhook_id, changes, enabled=body.enabled))


@router.delete("/{webhook_id}", status_code=204, responses=problems(store.WebhookNotFound))
def delete_webhook(services: InjectedServices, tenant: Tenant, webhook_id: WebhookId) -> None:
    """Forget an endpoint and all its messages."""
    with services.database.unit_of_work() as session:
        Webhooks(session).remove(tenant, webhook_id)


@router.post("/{webhook_id}/rotate-secret", responses=problems(store.WebhookNotFound))
def rotate_webhook_secret(services: InjectedServices, tenant: Tenant, webhook_id: WebhookId) -> WebhookSecret:
    """A new secret, shown this once; the old one signs along for a day."""
    with services.database.unit_of_work() as session:
        return WebhookSecret.of(
            Webhooks(session).rotate(tenant, webhook_id, new_secret(), overlap_seconds=ROTATION_OVERLAP_SECONDS)
        )


@router.post("/{webhook_id}/test", status_code=202, responses=problems(store.WebhookNotFound, store.TooManyMessages))
def test_webhook(services: InjectedServices, tenant: Tenant, webhook_id: WebhookId) -> DeliveryView:
    """Send a message that tells of nothing, to see whether it arrives."""
    with services.database.unit_of_work() as session:
        return DeliveryView.of(Webhooks(session).send_test(tenant, webhook_id))


@router.get("/{webhook_id}/deliveries", responses=problems(store.WebhookNotFound, errors.InvalidRequest))
def list_webhook_deliveries(
    services: InjectedServices,
    tenant: Tenant,
    webhook_id: WebhookId,
    limit: Limit = DEFAULT_LIMIT,
    cursor: DeliveryCursor = None,
) -> DeliveryPage:
    """Messages for an endpoint, newest first; settled ones are kept for a month."""
    with services.database.unit_of_work() as session:
        found = Webhooks(session).deliveries(tenant, webhook_id, limit=limit + 1, before=cursor)
    return page_of(DeliveryPage, DeliveryView.of, found, limit)


@router.get("/{webhook_id}/deliveries/{delivery_id}", responses=problems(store.WebhookNotFound, store.DeliveryNotFound))
def get_webhook_delivery(
    services: InjectedServices, tenant: Tenant, webhook_id: WebhookId, delivery_id: DeliveryId
) -> DeliveryLog:
    """One message and every try to deliver it."""
    with services.database.unit_of_work() as session:
        return DeliveryLog.with_attempts(*Webhooks(session).delivery(tenant, webhook_id, delivery_id))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses=problems(store.WebhookNotFound, store.DeliveryNotFound, store.TooManyMessages),
)
def redeliver_webhook(
    services: InjectedServices, tenant: Tenant, webhook_id: WebhookId, delivery_id: DeliveryId
) -> DeliveryView:
    """Send a message again, whatever became of it."""
    with services.database.unit_of_work() as session:
        return DeliveryView.of(Webhooks(session).redeliver(tenant, webhook_id, delivery_id))
