"""How often a tenant may ask: a token bucket in the broker, shared by all api processes.

The bucket is kept as one number, the time at which it will be full again (GCRA): every request moves it on by the time
that one token takes to come back, and is refused if that would be further away than a whole bucket takes.

While the broker is away nobody is refused. The rate is a matter of fairness, not of safety: what costs money, waiting
fits and stored bytes, is counted in PostgreSQL, and the api keeps accepting fits without a broker.
"""

import logging
import math
import time
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.settings import ApiSettings
from store.settings import StoreSettings

TIMEOUT_SECONDS = 0.25
QUIET_SECONDS = 5.0  # after a failure, the broker is not asked for so long

# By the broker's clock, so that the clocks of the api's machines do not matter. Times are in microseconds.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local token, bucket = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + token
if full - now > bucket then return {0, full - now - bucket, full - token - now} end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {1, 0, full - now}
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the bucket said, in seconds and requests."""

    allowed: bool
    limit: int
    window_seconds: float
    remaining: int
    reset_seconds: float
    retry_seconds: float

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes it."""
        return {
            "RateLimit-Policy": f'"requests";q={self.limit};w={math.ceil(self.window_seconds)}',
            "RateLimit": f'"requests";r={self.remaining};t={math.ceil(self.reset_seconds)}',
        }


class Rates:
    """A bucket for every tenant."""

    def __init__(self, store: StoreSettings, settings: ApiSettings) -> None:
        self._broker = Redis.from_url(
            store.broker_url.get_secret_value(),
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._per_second = settings.requests_per_second
        self._burst = settings.request_burst
        self._quiet_until = 0.0

    async def take(self, tenant: str) -> Verdict | None:
        """Take one token; None if nobody counts."""
        if self._per_second is None or time.monotonic() < self._quiet_until:
            return None
        token = 1e6 / self._per_second
        bucket = token * self._burst
        try:
            # The module-level name `eval` is Python's; this one runs the script above in the broker.
            allowed, wait, until_full = await self._broker.eval(_TAKE, 1, f"rate:{tenant}", token, bucket)
        except (RedisError, OSError) as error:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            logger.warning("requests are not counted", extra={"fields": {"error": type(error).__name__}})
            return None
        return Verdict(
            allowed=bool(allowed),
            limit=self._burst,
            window_seconds=bucket / 1e6,
            remaining=int((bucket - until_full) / token),
            reset_seconds=until_full / 1e6,
            retry_seconds=wait / 1e6,
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._broker.aclose()
