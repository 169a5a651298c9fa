"""Queries about webhook endpoints and their messages, for those who manage them and for the one who delivers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, func, insert, select, true, update
from sqlalchemy.orm import Session, aliased

from store.errors import DeliveryNotFound, TooManyMessages, TooManyWebhooks, WebhookNotFound
from store.intervals import as_interval
from store.locks import Lock
from store.models import Fit
from store.models_webhooks import PROGRESS_EVENT, WebhookAttempt, WebhookDelivery, WebhookEndpoint

ENDPOINTS_PER_TENANT = 20
TEST_EVENT = "webhook.test"
ASKED_PER_MINUTE = 10  # messages that a tenant may have sent by its own wish, all endpoints together


@dataclass(frozen=True, slots=True)
class FitWebhook:
    """An endpoint that hears of one fit only.

    Attributes:
        url: address that messages go to.
        event_types: names of the events that it wants to hear of.
        secret: secret that messages are signed with.
    """

    url: str
    event_types: tuple[str, ...]
    secret: str


def endpoint_of_fit(fit_id: str) -> str:
    """The id of a fit's own endpoint, whether or not it has one."""
    return f"whe_{fit_id.removeprefix('fit_')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedDelivery:
    """A message that is to be sent now.

    Attributes:
        attempt: number of this try, and the fencing number of whoever makes it.
        secrets: secrets to sign the message with, the current one first.
    """

    id: str
    attempt: int
    url: str
    secrets: tuple[str, ...]
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a try: the status of an answer, or why there was none."""

    status_code: int | None
    error: str | None
    milliseconds: int

    @property
    def is_delivered(self) -> bool:
        """True if the receiver took the message."""
        return self.status_code is not None and 200 <= self.status_code < 300 and self.error is None

    @property
    def is_gone(self) -> bool:
        """True if the receiver wants no more messages."""
        return self.status_code == 410


class Webhooks:
    """The webhook tables within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # Endpoints.

    def add(
        self, tenant: str, *, url: str, event_types: Sequence[str], secret: str, description: str | None
    ) -> WebhookEndpoint:
        """A new endpoint.

        Raises:
            TooManyWebhooks: if the tenant has as many as it may have.
        """
        # Two requests at once count one after the other.
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks\n{tenant}", 0))))
        owned = (
            select(func.count())
            .select_from(WebhookEndpoint)
            .where(WebhookEndpoint.tenant == tenant, WebhookEndpoint.fit_id.is_(None))
        )
        if (self._session.scalar(owned) or 0) >= ENDPOINTS_PER_TENANT:
            raise TooManyWebhooks(f"there are {ENDPOINTS_PER_TENANT} endpoints already: delete one first")
        endpoint = WebhookEndpoint(
            tenant=tenant, url=url, event_types=list(event_types), secret=secret, description=description
        )
        self._session.add(endpoint)
        self._session.flush()
        return endpoint

    def add_of_fits(self, tenant: str, wanted: Mapping[str, FitWebhook]) -> None:
        """An endpoint of its own for each of some new fits, with which it goes; one statement.

        They do not count among those that a tenant registers: there are as many at most as there are fits.

        Args:
            tenant: owner of the fits.
            wanted: the endpoints, by the id of the fit.
        """
        if not wanted:
            return
        rows = [
            {
                "id": endpoint_of_fit(fit_id),
                "tenant": tenant,
                "fit_id": fit_id,
                "url": one.url,
                "event_types": list(one.event_types),
                "secret": one.secret,
            }
            for fit_id, one in wanted.items()
        ]
        self._session.execute(insert(WebhookEndpoint).values(rows))
        self._session.execute(
            update(Fit)
            .where(Fit.id.in_(wanted))
            .values(has_webhook=True)
            .execution_options(synchronize_session="fetch")
        )

    def of_fit(self, fit_id: str) -> FitWebhook | None:
        """What a fit's own endpoint is like; None if it has none, or none any more."""
        found = self._session.scalar(select(WebhookEndpoint).where(WebhookEndpoint.fit_id == fit_id))
        return None if found is None else FitWebhook(found.url, tuple(found.event_types), found.secret)

    def get(self, tenant: str, endpoint_id: str) -> WebhookEndpoint:
        """The tenant's endpoint with this id.

        Raises:
            WebhookNotFound: if there is none.
        """
        endpoint = self._session.scalar(select(WebhookEndpoint).filter_by(tenant=tenant, id=endpoint_id))
        if endpoint is None:
            raise WebhookNotFound(f"no webhook endpoint {endpoint_id!r}: GET /webhooks lists yours")
        return endpoint

    def page(self, tenant: str, *, limit: int, before: str | None) -> list[WebhookEndpoint]:
        """Up to `limit` endpoints, newest first, older than the id `before`, none of which is a single fit's."""
        query = (
            select(WebhookEndpoint)
            .filter_by(tenant=tenant, fit_id=None)
            .order_by(WebhookEndpoint.id.desc())
            .limit(limit)
        )
        return list(self._session.scalars(query if before is None else query.where(WebhookEndpoint.id < before)))

    def change(
        self, tenant: str, endpoint_id: str, changes: dict[str, Any], *, enabled: bool | None
    ) -> WebhookEndpoint:
        """Set columns of an endpoint, and switch it on or off.

        Raises:
            WebhookNotFound: if there is none.
        """
        endpoint = self.get(tenant, endpoint_id)
        for name, value in changes.items():
            setattr(endpoint, name, value)
        if enabled is True:
            endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
        elif enabled is False and endpoint.disabled_at is None:
            endpoint.disabled_at, endpoint.disabled_reason = func.now(), "switched off by its owner"
        endpoint.updated_at = func.now()
        self._session.flush()
        return endpoint

    def rotate(self, tenant: str, endpoint_id: str, secret: str, *, overlap_seconds: float) -> WebhookEndpoint:
        """Sign with a new secret from now on, and with the old one too for a while.

        Raises:
            WebhookNotFound: if there is no such endpoint.
        """
        endpoint = self.get(tenant, endpoint_id)
        endpoint.previous_secret, endpoint.secret = endpoint.secret, secret
        endpoint.previous_secret_until = func.now() + as_interval(overlap_seconds)
        endpoint.updated_at = func.now()
        self._session.flush()
        return endpoint

    def remove(self, tenant: str, endpoint_id: str) -> None:
        """Delete an endpoint with all its messages.

        Raises:
            WebhookNotFound: if there is none.
        """
        self._session.delete(self.get(tenant, endpoint_id))

    # Messages, as their owner sees them.

    def deliveries(self, tenant: str, endpoint_id: str, *, limit: int, before: str | None) -> list[WebhookDelivery]:
        """Messages of an endpoint, newest first.

        Raises:
            WebhookNotFound: if the tenant has no such endpoint.
        """
        self.get(tenant, endpoint_id)
        query = select(WebhookDelivery).filter_by(endpoint_id=endpoint_id).order_by(WebhookDelivery.id.desc())
        return list(
            self._session.scalars(
                query.limit(limit) if before is None else query.where(WebhookDelivery.id < before).limit(limit)
            )
        )

    def delivery(self, tenant: str, endpoint_id: str, delivery_id: str) -> tuple[WebhookDelivery, list[WebhookAttempt]]:
        """One message and every try to deliver it.

        Raises:
            WebhookNotFound: if the tenant has no such endpoint.
            DeliveryNotFound: if the endpoint has no such message.
        """
        delivery = self._delivery(tenant, endpoint_id, delivery_id)
        tries = select(WebhookAttempt).filter_by(delivery_id=delivery_id).order_by(WebhookAttempt.attempt)
        return delivery, list(self._session.scalars(tries))

    def redeliver(self, tenant: str, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """Queue a message again, whatever became of it; one that waits is sent at once.

        Raises:
            WebhookNotFound: if the tenant has no such endpoint.
            DeliveryNotFound: if the endpoint has no such message.
            TooManyMessages: if the tenant has asked for too many in the last minute.
        """
        delivery = self._delivery(tenant, endpoint_id, delivery_id)
        self._count_wish(tenant, delivery_id)
        delivery.asked_at = func.now()
        delivery.status, delivery.tries, delivery.next_try_at = "pending", 0, func.now()
        self._session.flush()
        return delivery

    def send_test(self, tenant: str, endpoint_id: str) -> WebhookDelivery:
        """Queue a message that tells of nothing.

        Raises:
            WebhookNotFound: if the tenant has no such endpoint.
            TooManyMessages: if the tenant has asked for too many in the last minute.
        """
        endpoint = self.get(tenant, endpoint_id)
        self._count_wish(tenant)
        payload = {"type": TEST_EVENT, "data": {"webhook_id": endpoint.id}}
        delivery = WebhookDelivery(endpoint_id=endpoint.id, event_type=TEST_EVENT, payload=payload, asked_at=func.now())
        self._session.add(delivery)
        self._session.flush()
        return delivery

    # The deliverer.

    def claim_next(self, *, patience_seconds: float, max_per_tenant: int | None = None) -> ClaimedDelivery | None:
        """Take a message that is due; if nothing is heard of it in time, it is due again.

        The tenant with the fewest messages under way comes first, then what has been due longest: a receiver that
        never answers holds up the messages of its own tenant, and not all senders.

        Args:
            patience_seconds: time in seconds until another sender may try.
            max_per_tenant: messages of one tenant that may be under way at a time; None for any number.
        """
        # Two claims at once would both see the same place free.
        self._session.execute(select(func.pg_advisory_xact_lock(Lock.WEBHOOK_CLAIMS)))
        delivery = self._session.scalar(_due(max_per_tenant))
        if delivery is None:
            return None
        delivery.attempts += 1
        delivery.tries += 1
        delivery.next_try_at = delivery.sending_until = func.now() + as_interval(patience_seconds)
        endpoint = delivery.endpoint
        old_counts = endpoint.previous_secret_until is not None and self._session.scalar(
            select(WebhookEndpoint.previous_secret_until > func.now()).where(WebhookEndpoint.id == endpoint.id)
        )
        return ClaimedDelivery(
            id=delivery.id,
            attempt=delivery.attempts,
            url=endpoint.url,
            secrets=(endpoint.secret, endpoint.previous_secret)
            if old_counts and endpoint.previous_secret
            else (endpoint.secret,),
            payload=delivery.payload,
        )

    def record(
        self,
        claim: ClaimedDelivery,
        answer: Answer,
        *,
        pauses_seconds: Sequence[float],
        disable_after_seconds: float,
    ) -> None:
        """Write down what came of a try, and what follows from it.

        Args:
            claim: the claim under which the message was tried.
            answer: outcome of the try.
            pauses_seconds: seconds from each failed try to the next one; after the last the message is given up.
            disable_after_seconds: an endpoint that has failed for so long is switched off.
        """
        delivery = self._session.scalar(
            select(WebhookDelivery)
            .where(WebhookDelivery.id == claim.id, WebhookDelivery.attempts == claim.attempt)
            .with_for_update(of=WebhookDelivery)
        )
        if delivery is None:
            return  # deleted, or somebody else tries by now
        delivery.sending_until = None
        self._session.add(
            WebhookAttempt(
                delivery_id=claim.id,
                attempt=claim.attempt,
                status_code=answer.status_code,
                error=answer.error,
                milliseconds=answer.milliseconds,
            )
        )
        endpoint = delivery.endpoint
        if answer.is_delivered:
            delivery.status, delivery.delivered_at = "delivered", func.now()
            endpoint.failing_since = None
            return
        # Progress is told once: the next message says more than this one would, late.
        if delivery.tries > len(pauses_seconds) or delivery.event_type == PROGRESS_EVENT:
            delivery.status = "failed"
        else:
            delivery.next_try_at = func.now() + as_interval(pauses_seconds[delivery.tries - 1])
        if answer.is_gone:
            endpoint.disabled_at, endpoint.disabled_reason = func.now(), "the receiver answered 410 Gone"
            return
        self._session.flush()
        self._note_failure(endpoint.id, disable_after_seconds)

    def drop_old(self, *, older_than_seconds: float, limit: int = 1000) -> int:
        """Forget messages that were settled long ago; returns how many."""
        old = select(WebhookDelivery).where(
            WebhookDelivery.status != "pending",
            WebhookDelivery.created_at < func.now() - as_interval(older_than_seconds),
        )
        found = self._session.scalars(old.limit(limit)).all()
        for delivery in found:
            self._session.delete(delivery)
        return len(found)

    def _count_wish(self, tenant: str, delivery_id: str | None = None) -> None:
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks\n{tenant}", 0))))
        asked = (
            select(WebhookDelivery.id)
            .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
            .where(WebhookEndpoint.tenant == tenant, WebhookDelivery.asked_at > func.now() - as_interval(60))
        )
        recent = self._session.scalars(asked).all()
        if delivery_id in recent:  # which would not be counted a second time
            raise TooManyMessages(f"the message {delivery_id} was asked for within a minute: come back in another")
        if len(recent) >= ASKED_PER_MINUTE:
            raise TooManyMessages(f"{ASKED_PER_MINUTE} messages were asked for within a minute: come back in another")

    def _note_failure(self, endpoint_id: str, disable_after_seconds: float) -> None:
        here = WebhookEndpoint.id == endpoint_id
        self._session.execute(
            update(WebhookEndpoint)
            .where(here, WebhookEndpoint.failing_since.is_(None))
            .values(failing_since=func.now())
        )
        self._session.execute(
            update(WebhookEndpoint)
            .where(
                here,
                WebhookEndpoint.disabled_at.is_(None),
                WebhookEndpoint.failing_since < func.now() - as_interval(disable_after_seconds),
            )
            .values(
                disabled_at=func.now(),
                disabled_reason=f"no message could be delivered for {disable_after_seconds / 3600:g} h",
            )
        )

    def _delivery(self, tenant: str, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        self.get(tenant, endpoint_id)
        delivery = self._session.scalar(
            select(WebhookDelivery)
            .filter_by(endpoint_id=endpoint_id, id=delivery_id)
            .with_for_update(of=WebhookDelivery)
        )
        if delivery is None:
            raise DeliveryNotFound(f"no message {delivery_id!r}: GET /webhooks/{endpoint_id}/deliveries lists them")
        return delivery


# The statement of each look for a message, built once.


@cache
def _due(max_per_tenant: int | None) -> Select[WebhookDelivery]:
    """The message whose turn it is."""
    other, its = aliased(WebhookDelivery), aliased(WebhookEndpoint)
    under_way = (
        select(func.count())
        .join(its, its.id == other.endpoint_id)
        .where(its.tenant == WebhookEndpoint.tenant, other.status == "pending", other.sending_until > func.now())
        .select_from(other)
        .scalar_subquery()
    )
    return (
        select(WebhookDelivery)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(
            WebhookDelivery.status == "pending",
            WebhookDelivery.next_try_at <= func.now(),
            WebhookEndpoint.disabled_at.is_(None),
            true() if max_per_tenant is None else under_way < max_per_tenant,
        )
        .order_by(under_way, WebhookDelivery.next_try_at)
        .limit(1)
        .with_for_update(of=WebhookDelivery, skip_locked=True)
    )
