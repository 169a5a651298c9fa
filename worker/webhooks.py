"""Tells the world: takes messages that are due from the outbox, signs them, sends them, writes down what came of it.

Runs beside upkeep, in threads of its own, so that a slow receiver holds nothing up but other messages. Any number of
processes may do it at once. A message may arrive twice (its receiver answered, and this process was killed before it
wrote that down): its id is the same both times. Signed as https://www.standardwebhooks.com says.
"""

import base64
import hashlib
import hmac
import json
import logging
import random
import time
from collections.abc import Sequence
from threading import Event, Lock, Thread

from sqlalchemy.exc import SQLAlchemyError

from store.repositories.webhooks import Answer, ClaimedDelivery, Webhooks
from worker.outbound import NotDelivered, Sender
from worker.resources import Resources

logger = logging.getLogger(__name__)

SENDERS = 4  # messages under way at the same time, per process
MOST_OF_ONE_TENANT = 3  # so that a sender is left for others, whatever one tenant's receivers do
IDLE_SECONDS = 1.0
JITTER = 0.2  # of each pause: receivers that fell over together must not be called together


def start_senders(resources: Resources, sender: Sender, stop: Event) -> list[Thread]:
    """Send in the background until told to stop."""
    looking = Lock()
    threads = [
        Thread(target=_send_until, args=(resources, sender, stop, looking), name=f"webhooks-{number}", daemon=True)
        for number in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    return threads


def claim_next(resources: Resources) -> ClaimedDelivery | None:
    """Take the message whose turn it is; None if none is due."""
    with resources.database.unit_of_work() as session:
        # Twice the time that a try may take: then this process is gone, and somebody else may try.
        return Webhooks(session).claim_next(
            patience_seconds=2 * resources.settings.webhook_timeout_seconds, max_per_tenant=MOST_OF_ONE_TENANT
        )


def send(resources: Resources, sender: Sender, claim: ClaimedDelivery) -> None:
    """Send a message once, and write down what came of it."""
    settings = resources.settings
    answer = _try(sender, claim)
    if not answer.is_delivered:
        logger.info("message %s, try %s: %s", claim.id, claim.attempt, answer.error or answer.status_code)
    with resources.database.unit_of_work() as session:
        Webhooks(session).record(
            claim,
            answer,
            pauses_seconds=[_jittered(pause) for pause in settings.webhook_pauses_seconds],
            disable_after_seconds=settings.webhook_disable_after_seconds,
        )


def forget_old_messages(resources: Resources) -> None:
    """Keep the log of deliveries from growing for ever."""
    with resources.database.unit_of_work() as session:
        Webhooks(session).drop_old(older_than_seconds=resources.settings.webhook_log_seconds)


def signature(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for each secret, the current one first."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = (base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}" for key in keys)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  nothing here is a secret


def _try(sender: Sender, claim: ClaimedDelivery) -> Answer:
    body = json.dumps(claim.payload, separators=(",", ":"), sort_keys=True).encode()
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "tuner-webhooks/1",
        "webhook-id": claim.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(claim.secrets, claim.id, timestamp, body),
    }
    started = time.monotonic()
    status, error = None, None
    try:
        status = sender.post(claim.url, body, headers)
        if 300 <= status < 400:
            error = "redirects are not followed: register the address that it leads to"
    except NotDelivered as reason:
        error = str(reason)
    return Answer(status_code=status, error=error, milliseconds=round(1000 * (time.monotonic() - started)))


def _send_until(resources: Resources, sender: Sender, stop: Event, looking: Lock) -> None:
    while (claim := _await_claim(resources, stop, looking)) is not None:
        try:
            send(resources, sender, claim)
        except SQLAlchemyError as error:
            logger.warning("what came of message %s is not written down: %s", claim.id, error)
        except Exception:
            # The thread lives on, and the message comes again when its claim has run out.
            logger.exception("a message could not be sent, in a way that is not known")


def _await_claim(resources: Resources, stop: Event, looking: Lock) -> ClaimedDelivery | None:
    """The next message that is due; None once everybody is to stop.

    One sender looks for all: the others wait for it at the lock and not, each by itself, for the database.
    """
    with looking:
        while not stop.is_set():
            try:
                if (claim := claim_next(resources)) is not None:
                    return claim
            except SQLAlchemyError as error:
                logger.warning("no message is sent for now: %s", error)
            except Exception:
                logger.exception("no message is sent for now, for a reason that is not known")
            stop.wait(IDLE_SECONDS)
    return None
