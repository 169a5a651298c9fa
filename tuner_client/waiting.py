"""Asking for a fit and following it: stories of many requests, told once for both clients."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tuner_client.calls import STREAM_SILENCE_SECONDS, Call, at, given_up, pause_before, whatever
from tuner_client.deadline import Deadline, within
from tuner_client.errors import ApiError, ConnectionFailed, FitEnded, UnexpectedAnswer
from tuner_client.following import STREAM, Following, Messages, change_of
from tuner_client.models import Event, Fit, FitSummary, Signal
from tuner_client.targets import fit_request

if TYPE_CHECKING:
    from tuner_client.aio import AsyncClient

POLL_SECONDS: Final = 1.0  # where events cannot be had


async def submit(
    client: "AsyncClient",
    /,
    source: Signal | Path | str,
    *,
    target: str | None = None,
    preset: str | None = None,
    idempotency_key: str | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Fit:
    """Ask for a representation of a signal, or of a file that is uploaded first.

    Args:
        client: what is asked.
        source: the signal or the file.
        target: what the file must come to, such as "psnr=35" or "seconds=60".
        preset: "fast", "balanced" or "best".
        idempotency_key: your own name for this request; sent again with it, it starts nothing new.
        timeout: time that all of it may take in seconds, the upload of a file included.
        options: further members of the request, as the service documents them.

    Raises:
        ValueError: if the target cannot be understood.
        ApiError: if the service refuses.
        ConnectionFailed: if the service does not answer.
        WaitedTooLong: if time is up.
    """
    fit_request("", target=target, preset=preset, options=options)  # a wrong target is told before a file is sent
    async with Deadline(timeout, "submitting").holds():
        signal = source if isinstance(source, Signal) else await client.upload(source)
        body = fit_request(signal.id, target=target, preset=preset, options=options)
        return await client.create_fit(body, idempotency_key=idempotency_key)


def events(
    client: "AsyncClient", fit_id: str, *, after: int = 0, timeout: float | None = None
) -> AsyncGenerator[Event, None]:
    """What happens to a fit, as it happens, to the last event; broken connections are taken up again.

    Args:
        client: what is asked.
        fit_id: id of the fit.
        after: only events with a higher sequence number.
        timeout: time after which no more is waited for, in seconds, counted from the first event that is asked for.

    Yields:
        Each event once.

    Raises:
        ApiError: if the service refuses.
        ConnectionFailed: if the service stays away.
        WaitedTooLong: if time is up before the last event.
    """
    return within(_events(client, fit_id, Following(after)), timeout, f"following {fit_id}")


def follow_fits(client: "AsyncClient", *, timeout: float | None = None) -> AsyncGenerator[FitSummary | None, None]:
    """Every fit of the key's owner as it is after each change, as it happens, until the connection breaks.

    A stream that broke off does not go on where it was: follow anew, and read the lists once it stands.

    Args:
        client: what is asked.
        timeout: time after which no more is waited for, in seconds, counted from the first change that is asked for.

    Yields:
        None once the stream stands, so that a list that is read then misses nothing; after that each fit that changed.

    Raises:
        ApiError: if the service refuses.
        ConnectionFailed: if the connection breaks, or the service ends.
        WaitedTooLong: if time is up.
    """
    return within(_changes(client), timeout, "following all fits")


def watch(client: "AsyncClient", fit_id: str, *, timeout: float | None = None) -> AsyncGenerator[Event | Fit, None]:
    """Events as long as they can be had, then how far the fit is, until it has ended."""
    return within(_watch(client, fit_id), timeout, f"waiting for {fit_id}")


def outcome(step: Event | Fit, on_event: Callable[[Event], None]) -> Fit | None:
    """What a step of watching comes to for somebody who waits: None to wait on.

    Raises:
        FitEnded: if the fit has ended without a result.
    """
    if isinstance(step, Event):
        on_event(step)
        return None
    if step.is_final and step.result is None:
        raise FitEnded(step)
    return step if step.is_final else None


async def _watch(client: "AsyncClient", fit_id: str) -> AsyncGenerator[Event | Fit, None]:
    # A proxy may pass no streams on, or spoil them.
    with suppress(ConnectionFailed, UnexpectedAnswer):
        async for event in client.events(fit_id):
            yield event
    while not (fit := await client.get_fit(fit_id)).is_final:
        yield fit
        await asyncio.sleep(POLL_SECONDS)
    yield fit


async def _changes(client: "AsyncClient") -> AsyncGenerator[FitSummary | None, None]:
    call, messages = Call(method="GET", path="/fits/changes", read=whatever), Messages()
    try:
        async with client.opened(call, headers={"Accept": STREAM}, silence_seconds=STREAM_SILENCE_SECONDS) as answer:
            _expect_stream(answer)
            async for line in answer.aiter_lines():
                if (message := messages.feed(line)) is not None:
                    yield change_of(*message)
    except httpx2.TransportError as error:
        raise given_up(error) from error
    raise ConnectionFailed("the stream of changes has ended")


def _expect_stream(answer: httpx2.Response) -> None:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind != STREAM:
        raise UnexpectedAnswer(f"the answer is of type {kind or 'none'}, expected a stream of events")


async def _events(client: "AsyncClient", fit_id: str, following: Following) -> AsyncGenerator[Event, None]:
    call = Call(method="GET", path=at("/fits/{fit_id}/events", fit_id=fit_id), read=whatever)
    while True:
        cause: Exception | None = None
        told: float | None = None
        try:
            async with client.opened(
                call, headers=following.headers(), silence_seconds=STREAM_SILENCE_SECONDS
            ) as answer:
                following.is_over = answer.status_code == httpx2.codes.NO_CONTENT
                if not following.is_over:
                    _expect_stream(answer)
                async for line in answer.aiter_lines():
                    if (event := following.feed(line)) is not None:
                        yield event
        except httpx2.TransportError as error:
            cause = error
        except ApiError as error:
            told = pause_before(1, error, call)
            if told is None:
                raise
            cause = error
        if following.is_over:
            return
        pause = following.pause_after_failure()
        if pause is None:
            raise ConnectionFailed(f"the events of {fit_id} end in the middle") from cause
        await asyncio.sleep(max(pause, told or 0.0))
