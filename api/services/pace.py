"""The least rate at which the body of an upload has to come.

A deadline for the whole body has to suit the largest file over the slowest line, so it lets a connection that sends a
byte a minute hold a place for as long. What is counted here is only the time spent waiting for the client: a body may
fall behind the rate by so many seconds, whenever it likes, and every byte pays for a part of a second.
"""

import asyncio
from collections.abc import AsyncIterator

from api.errors import UploadTimeout


async def paced(body: AsyncIterator[bytes], *, bytes_per_second: float, grace_seconds: float) -> AsyncIterator[bytes]:
    """The pieces of a body, as long as it does not fall behind.

    Args:
        body: pieces of the body as they arrive.
        bytes_per_second: least rate.
        grace_seconds: time by which the body may be behind what it would be at that rate; at the beginning, too. No
            more than that can be saved up by sending fast.

    Raises:
        UploadTimeout: if the body falls further behind.
    """
    loop = asyncio.get_running_loop()
    left = grace_seconds
    while True:
        waited_since = loop.time()
        try:
            async with asyncio.timeout(left):
                piece = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UploadTimeout(
                grace_seconds,
                f"the body comes at less than {bytes_per_second:g} bytes a second, and has been behind that for "
                f"{grace_seconds:g} s: send it over a faster line, or in parts (POST /uploads)",
            ) from error
        left = min(grace_seconds, left - (loop.time() - waited_since) + len(piece) / bytes_per_second)
        left = max(left, 0.0)
        yield piece
