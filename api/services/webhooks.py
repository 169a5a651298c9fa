"""What can be said about a webhook address before anything is sent to it, and the secret that its messages get."""

import base64
import secrets
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from api.errors import InvalidRequest
from api.schemas.problems import Fault
from store.addresses import Network, is_allowed

SECRET_BYTES = 32
_LOCAL_NAMES = (".localhost", ".local", ".internal")
ROTATION_OVERLAP_SECONDS = 24 * 3600  # the old secret signs along for so long


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def check_url(url: str, private_networks: Iterable[Network]) -> None:
    """Refuse early what could never be delivered.

    Names are not resolved here: what they lead to is checked when a message is sent, on the address that is connected
    to.

    Raises:
        InvalidRequest: if the address is malformed, carries a password, or is a private one by its number.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid(f"this is no address: {error}") from error
    if not host:
        raise _invalid("there is no host in it")
    if parts.username is not None or parts.password is not None:
        raise _invalid("it carries a user or a password: check the signature of messages instead")
    if parts.fragment:
        raise _invalid("it has a fragment, which is never sent")
    try:
        allowed = is_allowed(str(ip_address(host)), private_networks)
    except ValueError:
        allowed = bool(tuple(private_networks)) or not f".{host}".endswith(_LOCAL_NAMES)
    if not allowed:
        raise _invalid("it is not a public address")


def _invalid(detail: str) -> InvalidRequest:
    fault = Fault(detail=detail, code="value_error", pointer="#/url")
    return InvalidRequest(f"#/url: {detail}", errors=[fault])
