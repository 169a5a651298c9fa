"""Small objects by a client that takes a sixth of the SDK's processor time; what it cannot do is left to the SDK.

A fit of a small picture reads one object and writes one, and the SDK takes a millisecond or two of a processor to put
together and to take apart either request (docs/decisions/0045-many-small-fits.md). This client, `object_store` of the
Arrow project behind the bindings of obstore, is asked once and tries nothing twice. Whatever comes of it but success
says nothing: the SDK does the same again, and tells an object that is missing from one that is damaged and from an
outage, with tries and pauses of its own. After a failure that is no answer the quick way rests for a while, so that an
outage does not cost two time-outs each time.
"""

import logging
import math
import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import S3Store

from store.settings import StoreSettings
from store.tracing import span_within

if TYPE_CHECKING:
    from obstore.store import S3Config

# Else there is one thread for each core, with a stack that counts as memory of the fit which was first.
os.environ.setdefault("TOKIO_WORKER_THREADS", "2")

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 20  # of an object; for a larger one the request is what costs least
REST_SECONDS = 30.0


class SmallObjects:
    """The bucket, for whole objects of up to `MOST_BYTES`. Threads may share it; a fork may not.

    Args:
        settings: settings with the address of storage, its keys, and the longest silence in seconds.
    """

    def __init__(self, settings: StoreSettings) -> None:
        silence = timedelta(seconds=settings.s3_timeout_seconds)
        config: S3Config = {
            "region": settings.s3_region,
            "access_key_id": settings.s3_access_key.get_secret_value(),
            "secret_access_key": settings.s3_secret_key.get_secret_value(),
            "virtual_hosted_style_request": False,
        }
        if settings.s3_endpoint_url is not None:  # Amazon's own needs none
            config["endpoint"] = settings.s3_endpoint_url
        self._store = S3Store(
            settings.s3_bucket,
            config=config,
            client_options={
                "allow_http": True,
                "user_agent": "tuner",
                "connect_timeout": silence,
                "timeout": silence,
            },
            retry_config={"max_retries": 0},
        )
        # On the monotonic clock; optional checksums, where they are wanted, are the SDK's.
        self._rests_until = math.inf if settings.s3_request_checksums else 0.0

    def put(self, key: str, content: bytes, media_type: str) -> bool:
        """Store bytes under a key, in the place of what was there.

        Args:
            key: name of the object in the bucket.
            content: bytes of the object.
            media_type: kind of the bytes, which storage tells with them.

        Returns:
            Whether storage says that it has them; if not, it may have them nevertheless.
        """
        if len(content) > MOST_BYTES or self._rests():
            return False
        try:
            with span_within("S3.PutObject"):
                self._store.put(key, content, use_multipart=False, attributes={"Content-Type": media_type})
        except (BaseError, OSError) as error:
            self._rest(key, error)
            return False
        return True

    def read(self, key: str, max_bytes: int) -> bytes | None:
        """A whole object.

        Args:
            key: name of the object in the bucket.
            max_bytes: number of bytes that it may have.

        Returns:
            Its bytes; None if storage did not give them, or if there are more.
        """
        if max_bytes > MOST_BYTES or self._rests():
            return None
        try:
            with span_within("S3.GetObject"):
                answer = self._store.get(key)
                return bytes(answer.bytes()) if answer.meta["size"] <= max_bytes else None
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            self._rest(key, error)
            return None

    def _rests(self) -> bool:
        return time.monotonic() < self._rests_until

    def _rest(self, key: str, error: Exception) -> None:
        logger.info("%s is left to the SDK, and others for %g s: %s", key, REST_SECONDS, str(error).partition("\n")[0])
        self._rests_until = time.monotonic() + REST_SECONDS
