"""One HTTP POST to an address that a stranger chose, without becoming the stranger's way into this network.

The name is resolved once, every address that it has is checked, and the connection goes to the checked address itself:
a name that changes its mind between the check and the connection changes nothing. TLS and the Host header still carry
the name. No redirect is followed, no proxy is asked, no more than a little of the answer is read, and one deadline ends
it all, however slowly the other side speaks.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread, Timer
from urllib.parse import urlsplit

from store.addresses import Network, is_allowed

MAX_ANSWER_BYTES = 16 * 1024

Resolver = Callable[[str, int], list[str]]


class NotDelivered(Exception):
    """There was no answer, or none that counts; the message says why, and nothing of what the other side sent."""


def resolve(host: str, port: int) -> list[str]:
    """Numeric addresses of a name, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Posts to public addresses.

    Attributes:
        timeout_seconds: longest time from looking up the name to the end of the answer, in seconds.
        private_networks: exceptions to what may be reached.
        resolver: function from name and port to numeric addresses.
        tls: how certificates are checked; None for the system's way.
    """

    timeout_seconds: float
    private_networks: Iterable[Network] = ()
    resolver: Resolver = resolve
    tls: ssl.SSLContext | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send, and return the status of the answer.

        Raises:
            NotDelivered: if the address may not be reached, or does not answer in time, or not in HTTP.
        """
        started = time.monotonic()
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = self._address(host, port, started)
        try:
            plain = socket.create_connection((address, port), timeout=self._left(started))
        except OSError as error:
            raise NotDelivered(f"no connection: {_reason(error)}") from error
        # A socket's own time-out starts anew with every byte: only this ends a conversation that drips.
        deadline = Timer(self._left(started), _shut, [plain])
        deadline.daemon = True
        deadline.start()
        try:
            with plain:
                status = self._converse(plain, parts.scheme == "https", host, port, _target(url), body, headers)
        except (OSError, http.client.HTTPException) as error:
            if not self._is_late(started):
                raise NotDelivered(f"no answer: {_reason(error)}") from error
        finally:
            deadline.cancel()
        # An answer that was cut off may look whole: what counts is when it came.
        if self._is_late(started):
            raise NotDelivered(f"no answer within {self.timeout_seconds:g} s")
        return status

    def _address(self, host: str, port: int, started: float) -> str:
        # A resolver has deadlines of its own, of which some are minutes: nobody here waits for it longer than may be.
        answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self.resolver(host, port))
            except Exception as error:
                answers.put(error)

        Thread(target=ask, name="resolving", daemon=True).start()
        try:
            addresses = answers.get(timeout=self._left(started))
        except Empty:
            raise NotDelivered(f"the name {host!r} was not resolved within {self.timeout_seconds:g} s") from None
        if isinstance(addresses, OSError | UnicodeError):
            raise NotDelivered(f"the name {host!r} cannot be resolved") from addresses
        if isinstance(addresses, Exception):
            raise addresses
        # All of them: an attacker's name may have a public address beside the one that it is about.
        for address in addresses:
            if not is_allowed(address, self.private_networks):
                raise NotDelivered(f"{host!r} leads to an address that is not public")
        if not addresses:
            raise NotDelivered(f"the name {host!r} has no address")
        return addresses[0]

    def _converse(
        self,
        plain: socket.socket,
        secure: bool,
        host: str,
        port: int,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> int:
        tls = self.tls or ssl.create_default_context()
        connection = http.client.HTTPConnection(host, port)
        connection.sock = tls.wrap_socket(plain, server_hostname=host) if secure else plain
        try:
            connection.request("POST", target, body, {**headers, "Host": _host(host, port, secure)})
            answer = connection.getresponse()
            # So that a receiver that is busy writing sees its answer taken; what it says is of no interest.
            answer.read(MAX_ANSWER_BYTES)
            return answer.status
        finally:
            connection.close()

    def _is_late(self, started: float) -> bool:
        return time.monotonic() - started >= self.timeout_seconds

    def _left(self, started: float) -> float:
        return max(0.001, started + self.timeout_seconds - time.monotonic())


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _host(host: str, port: int, secure: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == (443 if secure else 80) else f"{name}:{port}"


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    return type(error).__name__ if not isinstance(error, ssl.SSLError) else "TLS failed"
