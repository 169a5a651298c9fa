"""What an API key looks like, what it may allow, and how its secret is kept.

    tnr_3f9a0c61d2be_0f6c…  (64 hexadecimal digits)
        |            the secret: 256 random bits, shown once, kept as a SHA-256
        the prefix: finds the row, and names the key in lists and logs

A slow hash protects passwords because people choose them from few; nobody goes through 2^256 secrets, however fast the
hash. So one SHA-256 is enough, and a request costs microseconds instead of a tenth of a second.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

TENANT_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"
_TOKEN = re.compile(r"tnr_(?P<prefix>[0-9a-f]{12})_(?P<secret>[0-9a-f]{64})")


class Scope(StrEnum):
    """What a key allows: reading or changing one kind of thing of its tenant."""

    SIGNALS_READ = "signals:read"
    SIGNALS_WRITE = "signals:write"
    FITS_READ = "fits:read"
    FITS_WRITE = "fits:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"


# What a key allows if nothing is said: all but to look after keys, which has to be asked for by name.
ORDINARY_SCOPES = tuple(scope for scope in Scope if not scope.startswith("keys:"))


@dataclass(frozen=True, slots=True)
class Token:
    """A whole key, as its owner keeps it."""

    prefix: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret, which must not reach a log by accident."""
        return f"Token(prefix={self.prefix!r})"

    def __str__(self) -> str:
        """What a client sends."""
        return f"tnr_{self.prefix}_{self.secret}"

    @classmethod
    def new(cls) -> "Token":
        """A key that nobody has."""
        return cls(secrets.token_hex(6), secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> "Token | None":
        """The key in a text, or None if it is none."""
        found = _TOKEN.fullmatch(text)
        return None if found is None else cls(found["prefix"], found["secret"])

    def sha256(self) -> str:
        """The hash that is kept of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def proves(self, sha256: str) -> bool:
        """Whether the secret has this hash; takes the same time whatever the answer."""
        return hmac.compare_digest(self.sha256(), sha256)
