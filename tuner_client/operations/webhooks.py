"""Webhooks: who is told when fits end, and what became of the messages."""

from collections.abc import Sequence

from tuner_client.both import operation
from tuner_client.calls import Call, at, document, nothing
from tuner_client.models import Delivery, DeliveryLog, DeliveryPage, Webhook, WebhookPage, WebhookSecret


class WebhookOperations:
    """What is done with webhooks."""

    @operation
    def create_webhook(
        self,
        url: str,
        *,
        events: Sequence[str] | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> Call[WebhookSecret]:
        """Be told when fits end. The secret in the answer is shown this once."""
        json = _given(url=url, events=None if events is None else list(events), description=description)
        return Call(
            method="POST", path="/webhooks", read=document(WebhookSecret), json=json, repeatable=False, timeout=timeout
        )

    @operation
    def list_webhooks(
        self, *, limit: int | None = None, cursor: str | None = None, timeout: float | None = None
    ) -> Call[WebhookPage]:
        """Webhooks, newest first, a page at a time."""
        query = {"limit": limit, "cursor": cursor}
        return Call(method="GET", path="/webhooks", read=document(WebhookPage), query=query, timeout=timeout)

    @operation
    def get_webhook(self, webhook_id: str, *, timeout: float | None = None) -> Call[Webhook]:
        """One webhook."""
        path = at("/webhooks/{webhook_id}", webhook_id=webhook_id)
        return Call(method="GET", path=path, read=document(Webhook), timeout=timeout)

    @operation
    def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
        timeout: float | None = None,
    ) -> Call[Webhook]:
        """Change what is given of a webhook, or switch it off and on again."""
        path = at("/webhooks/{webhook_id}", webhook_id=webhook_id)
        chosen = None if events is None else list(events)
        json = _given(url=url, events=chosen, description=description, enabled=enabled)
        return Call(method="PATCH", path=path, read=document(Webhook), json=json, timeout=timeout)

    @operation
    def delete_webhook(self, webhook_id: str, *, timeout: float | None = None) -> Call[None]:
        """Forget a webhook and all its messages."""
        path = at("/webhooks/{webhook_id}", webhook_id=webhook_id)
        return Call(method="DELETE", path=path, read=nothing, timeout=timeout)

    @operation
    def rotate_webhook_secret(self, webhook_id: str, *, timeout: float | None = None) -> Call[WebhookSecret]:
        """Get a new secret, shown this once; the old one signs along for a day."""
        path = at("/webhooks/{webhook_id}/rotate-secret", webhook_id=webhook_id)
        return Call(method="POST", path=path, read=document(WebhookSecret), repeatable=False, timeout=timeout)

    @operation
    def test_webhook(self, webhook_id: str, *, timeout: float | None = None) -> Call[Delivery]:
        """Have a message sent that tells of nothing, to see whether it arrives."""
        path = at("/webhooks/{webhook_id}/test", webhook_id=webhook_id)
        return Call(method="POST", path=path, read=document(Delivery), repeatable=False, timeout=timeout)

    @operation
    def list_webhook_deliveries(
        self, webhook_id: str, *, limit: int | None = None, cursor: str | None = None, timeout: float | None = None
    ) -> Call[DeliveryPage]:
        """Messages for a webhook, newest first, a page at a time."""
        path, query = at("/webhooks/{webhook_id}/deliveries", webhook_id=webhook_id), {"limit": limit, "cursor": cursor}
        return Call(method="GET", path=path, read=document(DeliveryPage), query=query, timeout=timeout)

    @operation
    def get_webhook_delivery(
        self, webhook_id: str, delivery_id: str, *, timeout: float | None = None
    ) -> Call[DeliveryLog]:
        """One message and every try to deliver it."""
        path = at("/webhooks/{webhook_id}/deliveries/{delivery_id}", webhook_id=webhook_id, delivery_id=delivery_id)
        return Call(method="GET", path=path, read=document(DeliveryLog), timeout=timeout)

    @operation
    def redeliver_webhook(self, webhook_id: str, delivery_id: str, *, timeout: float | None = None) -> Call[Delivery]:
        """Have a message sent again, whatever became of it."""
        path = "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"
        path = at(path, webhook_id=webhook_id, delivery_id=delivery_id)
        return Call(method="POST", path=path, read=document(Delivery), repeatable=False, timeout=timeout)


def _given(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
