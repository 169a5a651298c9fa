"""What can be said about a webhook address before anything is sent to it, and the secret that its messages get."""

import base64
import secrets
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from api.errors import InvalidRequest, ScopeMissing
from api.schemas.problems import Fault
from api.schemas.webhooks import FitWebhookRequest
from store.addresses import Network, is_allowed
from store.api_keys import Scope
from store.repositories.webhooks import FitWebhook

SECRET_BYTES = 32
_LOCAL_NAMES = (".localhost", ".local", ".internal")
ROTATION_OVERLAP_SECONDS = 24 * 3600  # the old secret signs along for so long


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def check_url(url: str, private_networks: Iterable[Network], *, pointer: str = "#/url") -> None:
    """Refuse early what could never be delivered.

    Names are not resolved here: what they lead to is checked when a message is sent, on the address that is connected
    to.

    Args:
        url: the address.
        private_networks: networks that messages may go to although they are not public.
        pointer: place of the address in the request, for whoever is told what is wrong with it.

    Raises:
        InvalidRequest: if the address is malformed, carries a password, or is a private one by its number.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid(pointer, f"this is no address: {error}") from error
    if not host:
        raise _invalid(pointer, "there is no host in it")
    if parts.username is not None or parts.password is not None:
        raise _invalid(pointer, "it carries a user or a password: check the signature of messages instead")
    if parts.fragment:
        raise _invalid(pointer, "it has a fragment, which is never sent")
    try:
        allowed = is_allowed(str(ip_address(host)), private_networks)
    except ValueError:
        allowed = bool(tuple(private_networks)) or not f".{host}".endswith(_LOCAL_NAMES)
    if not allowed:
        raise _invalid(pointer, "it is not a public address")


def check_named(
    asked: FitWebhookRequest | None,
    scopes: frozenset[str],
    private_networks: Iterable[Network],
    *,
    pointer: str = "#/webhook/url",
) -> None:
    """Whether somebody who asks for a fit may name this webhook with it.

    Args:
        asked: the webhook; None for none, which everybody may.
        scopes: what the caller's key allows.
        private_networks: networks that messages may go to although they are not public.
        pointer: place of the address in the request.

    Raises:
        ScopeMissing: if the key does not allow to register webhooks.
        InvalidRequest: if nothing can be sent to its address.
    """
    if asked is None:
        return
    if Scope.WEBHOOKS_WRITE not in scopes:
        raise ScopeMissing(Scope.WEBHOOKS_WRITE)
    check_url(asked.url, private_networks, pointer=pointer)


def wanted_webhook(asked: FitWebhookRequest) -> FitWebhook:
    """The endpoint that a fit is asked for with."""
    return FitWebhook(asked.url, tuple(asked.events), asked.secret or new_secret())


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    fault = Fault(detail=detail, code="value_error", pointer=pointer)
    return InvalidRequest(f"{pointer}: {detail}", errors=[fault])
