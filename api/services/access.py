"""Who asks: from the header `Authorization` to a tenant and what it may do.

A good key is remembered for a few seconds, so that most requests ask the database nothing; that is also how long a
revoked key still opens something, in each process. Bad keys are not remembered.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from api.errors import KeyMalformed, KeyMissing
from api.settings import ApiSettings
from store.api_keys import ORDINARY_SCOPES, Token
from store.database import Database
from store.errors import KeyExpired, KeyRevoked, KeyUnknown
from store.repositories.keys import Keys

LOCAL_TENANT = "local"
REMEMBERED = 10_000  # keys at most
LOOKUPS = 2  # threads for keys that were good before, and as many for those that nobody knows yet


KEYS_REFUSED = (KeyUnknown, KeyRevoked, KeyExpired)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Whose request it is, and what it may do."""

    tenant: str
    scopes: frozenset[str]
    key_prefix: str | None = None


# Without a key nobody looks after keys: one that a stranger made would still open when keys are asked for.
LOCAL = Caller(tenant=LOCAL_TENANT, scopes=frozenset(ORDINARY_SCOPES))


class Access:
    """Tells callers apart."""

    def __init__(self, database: Database, settings: ApiSettings) -> None:
        self._database = database
        self._required = settings.require_keys
        self._seconds = settings.key_cache_seconds
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        # Whoever sends keys at random waits for others who do, and nobody else does: not for a thread, either.
        self._lookups = {was_good: CapacityLimiter(LOOKUPS) for was_good in (False, True)}

    async def identify(self, authorization: str | None) -> Caller:
        """The caller behind a header. A key is looked at where it is sent, also if it need not be.

        Raises:
            KeyMissing: if there is no key and one is required.
            KeyMalformed: if the header holds anything but a key.
            KeyUnknown: if there is no such key.
            KeyRevoked: if it was revoked.
            KeyExpired: if its time is over.
        """
        if authorization is None:
            if self._required:
                raise KeyMissing("this service asks for an API key: send it as `Authorization: Bearer tnr_…`")
            return LOCAL
        scheme, _, text = authorization.partition(" ")
        token = Token.parse(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise KeyMalformed("the Authorization header holds no API key: send `Bearer tnr_…`, the key as a whole")
        name, now = hashlib.sha256(str(token).encode()).digest(), time.monotonic()
        known = self._known.get(name)
        if known is not None and now < known[1]:
            return known[0]
        try:
            caller, seconds = await to_thread.run_sync(self._ask, token, limiter=self._lookups[known is not None])
        except KEYS_REFUSED:
            self._known.pop(name, None)
            raise
        self._known[name] = caller, now + seconds
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return caller

    def _ask(self, token: Token) -> tuple[Caller, float]:
        with self._database.unit_of_work() as session:
            holder = Keys(session).holder(token)
        caller = Caller(tenant=holder.tenant, scopes=holder.scopes, key_prefix=holder.prefix)
        return caller, min(self._seconds, holder.valid_seconds or self._seconds)
