"""Webhook endpoints and their messages, as a client sends and sees them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.schemas.changes import changes
from store.models_webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint

ENDPOINT_PATTERN = r"^whe_[0-9a-f]{32}$"
EXAMPLE_ENDPOINT = "whe_0199d3c1a1f27b3c9a40d5e6f7081920"
SIGNING_PATTERN = r"^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
DELIVERY_PATTERN = r"^msg_[0-9a-f]{32}$"
EXAMPLE_DELIVERY = "msg_0199d3c2b2e38c4d8b51e6f708192a3b"

EndpointCursor = Annotated[str | None, Query(pattern=ENDPOINT_PATTERN, description="`next_cursor` of the page before")]
DeliveryCursor = Annotated[str | None, Query(pattern=DELIVERY_PATTERN, description="`next_cursor` of the page before")]
Url = Annotated[
    str,
    Field(
        min_length=10,
        max_length=2000,
        pattern=r"^https?://[\x21-\x7e]+$",
        description="public address to send to; a message whose answer is not 2xx is sent again",
        examples=["https://example.com/hooks/tuner"],
    ),
]


class EventType(StrEnum):
    """What an endpoint may want to hear of."""

    STARTED = "fit.started"  # a worker has begun with it; not told of again if another worker goes on with it
    PROGRESS = "fit.progress"  # every ten seconds or so while it is trained, each time once: it may be missed
    SUCCEEDED = "fit.succeeded"
    FAILED = "fit.failed"
    CANCELLED = "fit.cancelled"
    EXPIRED = "fit.expired"


ENDS = [EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED, EventType.EXPIRED]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=len(EventType))]
Description = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class WebhookRequest(BaseModel):
    """Ask to be told when fits end."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.com/hooks/tuner", "events": ["fit.succeeded"]}]},
    )

    url: Url
    events: EventTypes = Field(default=ENDS, validate_default=True)
    description: Description | None = None


class FitWebhookRequest(BaseModel):
    """Be told of one fit, at an address of its own. The messages carry the fit's labels."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://example.com/hooks/tuner", "events": ["fit.started", "fit.succeeded"]}]
        },
    )

    url: Url
    events: EventTypes = Field(default=ENDS, validate_default=True)
    secret: Annotated[str, Field(pattern=SIGNING_PATTERN)] | None = Field(
        default=None,
        description="signs the messages, as standardwebhooks.com says: `whsec_` and at least 24 bytes in base64. If "
        "left out, the service makes one, and POST to `rotate-secret` below `links.webhook` of the fit shows a new one",
    )


class WebhookChange(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=changes({"enabled": True}))

    url: Url | None = None
    events: EventTypes | None = None
    description: Description | None = None
    enabled: bool | None = Field(default=None, description="whether messages are sent; true also forgives failures")


class WebhookView(BaseModel):
    """An endpoint, without its secret."""

    id: str
    fit_id: str | None = Field(description="the one fit that it is about; null if it is about all of yours")
    url: str
    events: list[EventType]
    description: str | None
    enabled: bool
    disabled_reason: str | None = Field(
        description="why the endpoint was switched off, by its owner or after long failure"
    )
    failing_since: datetime | None = Field(description="the first failure after the last success")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """From a row."""
        return cls.model_validate(_fields(endpoint))


class WebhookSecret(WebhookView):
    """An endpoint with its secret, which is shown this once."""

    secret: str = Field(
        description="checks the `webhook-signature` header, as standardwebhooks.com says", examples=["whsec_…"]
    )

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """From a row."""
        return cls.model_validate(_fields(endpoint) | {"secret": endpoint.secret})


class WebhookPage(BaseModel):
    """Endpoints, newest first."""

    data: list[WebhookView]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")


class DeliveryView(BaseModel):
    """A message for an endpoint."""

    id: str = Field(description="id of the message, also its `webhook-id`, the same at every try")
    event: str
    payload: dict[str, Any]
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    next_try_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Self:
        """From a row."""
        return cls.model_validate(_delivery_fields(delivery))


class AttemptView(BaseModel):
    """One try to deliver a message."""

    attempt: int
    status_code: int | None = Field(description="HTTP status of the answer; null if there was none")
    error: str | None
    milliseconds: int
    created_at: datetime

    @classmethod
    def of(cls, attempt: WebhookAttempt) -> Self:
        """From a row."""
        return cls.model_validate(attempt, from_attributes=True)


class DeliveryLog(DeliveryView):
    """A message and every try to deliver it."""

    log: list[AttemptView]

    @classmethod
    def with_attempts(cls, delivery: WebhookDelivery, attempts: list[WebhookAttempt]) -> Self:
        """From rows."""
        return cls.model_validate(_delivery_fields(delivery) | {"log": [AttemptView.of(one) for one in attempts]})


class DeliveryPage(BaseModel):
    """Messages of an endpoint, newest first."""

    data: list[DeliveryView]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")


def _fields(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "fit_id": endpoint.fit_id,
        "url": endpoint.url,
        "events": endpoint.event_types,
        "description": endpoint.description,
        "enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def _delivery_fields(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event_type,
        "payload": delivery.payload,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_try_at": delivery.next_try_at if delivery.status == "pending" else None,
        "delivered_at": delivery.delivered_at,
        "created_at": delivery.created_at,
    }
