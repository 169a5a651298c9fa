"""The rate of a body, without a socket: what waits for the client counts, and what waits here does not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.errors import UploadTimeout
from api.services.pace import paced


async def trickle(pauses: list[float], size: int) -> AsyncIterator[bytes]:
    for pause in pauses:
        await asyncio.sleep(pause)
        yield b"x" * size


def taken(body: AsyncIterator[bytes], *, rest: float = 0.0) -> int:
    """Bytes that come through, by a reader that rests after each piece."""

    async def take() -> int:
        count = 0
        async for piece in paced(body, bytes_per_second=1000.0, grace_seconds=0.2):
            count += len(piece)
            await asyncio.sleep(rest)
        return count

    return asyncio.run(take())


def test_a_body_that_comes_at_once_is_taken() -> None:
    assert taken(trickle([0.0] * 50, 10)) == 500


def test_nothing_at_all_is_taken() -> None:
    assert taken(trickle([], 1)) == 0


def test_a_body_that_is_slow_all_the_time_is_ended() -> None:
    with pytest.raises(UploadTimeout, match="1000 bytes a second"):
        taken(trickle([0.05] * 50, 1))


def test_a_burst_buys_no_more_than_the_grace() -> None:
    async def burst() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        await asyncio.sleep(5)
        yield b"x"

    with pytest.raises(UploadTimeout):
        taken(burst())


def test_time_that_is_spent_here_costs_the_client_nothing() -> None:
    assert taken(trickle([0.0] * 5, 1), rest=0.1) == 5
