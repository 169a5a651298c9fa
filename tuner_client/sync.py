"""The client for programs without asyncio."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from tuner_client import calls
from tuner_client.calls import (
    POLL_SECONDS,
    STREAM_TIMEOUT,
    TIMEOUT,
    Call,
    base_headers,
    error_of,
    given_up,
    pause_before,
)
from tuner_client.downloading import Downloading
from tuner_client.errors import ConnectionFailed, FitEnded, ServerError
from tuner_client.following import Following
from tuner_client.models import Event, Fit, Signal
from tuner_client.targets import fit_request
from tuner_client.within import within


class Client:
    """Speaks to one service; use it as a context manager, or close it.

    Args:
        server: address of the service.
        api_key: sent with everything, or None.
    """

    def __init__(self, server: str, *, api_key: str | None = None) -> None:
        self._http = httpx2.Client(base_url=server, headers=base_headers(api_key), timeout=TIMEOUT)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def upload(self, path: Path | str, *, filename: str | None = None) -> Signal:
        """Send a file, read as it is sent.

        Raises:
            ApiError: if the service refuses it.
            ConnectionFailed: if the service does not answer.
        """
        return Signal.of(self._send(calls.upload(Path(path), filename)).json())

    def submit(
        self,
        source: Signal | Path | str,
        *,
        target: str | None = None,
        preset: str | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Fit:
        """Ask for a representation of a signal, or of a file that is uploaded first.

        Args:
            source: the signal or the file.
            target: such as "psnr=35" or "seconds=60".
            preset: "fast", "balanced" or "best".
            idempotency_key: your own name for this request; sent again with it, it starts nothing new.
            options: further members of the request, as the service documents them.

        Raises:
            ValueError: if the target cannot be understood.
            ApiError: if the service refuses.
            ConnectionFailed: if the service does not answer.
        """
        signal = source if isinstance(source, Signal) else self.upload(source)
        body = fit_request(signal.id, target=target, preset=preset, options=options)
        return Fit.of(self._send(calls.create_fit(body, idempotency_key)).json())

    def get_fit(self, fit_id: str) -> Fit:
        """How far a fit is; raises as `submit` does."""
        return Fit.of(self._send(calls.get_fit(fit_id)).json())

    def cancel(self, fit_id: str) -> Fit:
        """Stop a fit; raises as `submit` does."""
        return Fit.of(self._send(calls.cancel_fit(fit_id)).json())

    def events(self, fit_id: str, *, after: int = 0) -> Iterator[Event]:
        """What happens to a fit, as it happens, to the last event; broken connections are taken up again.

        Args:
            fit_id: id of the fit.
            after: only events with a higher sequence number.

        Yields:
            Each event once.

        Raises:
            ApiError: if the service refuses.
            ConnectionFailed: if the service stays away.
        """
        following = Following(after)
        while True:
            cause: Exception | None = None
            try:
                yield from self._follow(fit_id, following)
            except (httpx2.TransportError, ServerError) as error:
                cause = error
            if following.is_over:
                return
            pause = following.pause_after_failure()
            if pause is None:
                raise ConnectionFailed(f"the events of {fit_id} end in the middle") from cause
            time.sleep(pause)

    def wait(
        self, fit_id: str, *, seconds: float = float("inf"), on_event: Callable[[Event], None] = lambda _: None
    ) -> Fit:
        """Wait for the end of a fit: by its events, or by asking now and then if they cannot be had.

        Args:
            fit_id: id of the fit.
            seconds: longest time to wait, in seconds; the call is back half a second later at the latest.
            on_event: called with each event.

        Returns:
            The fit, succeeded.

        Raises:
            FitEnded: if it ended in any other way.
            WaitedTooLong: if it did not end in time.
            ApiError: if the service refuses.
            ConnectionFailed: if the service stays away.
        """
        steps = self._until_final(fit_id)
        for step in steps if seconds == float("inf") else within(steps, seconds, fit_id):
            if isinstance(step, Event):
                on_event(step)
            elif step.is_final:
                if step.result is None:
                    raise FitEnded(step)
                return step
        raise ConnectionFailed(f"{fit_id} was not followed to its end")

    def _until_final(self, fit_id: str) -> Iterator[Event | Fit]:
        with suppress(ConnectionFailed):
            yield from self.events(fit_id)
        while not (fit := self.get_fit(fit_id)).is_final:
            yield fit
            time.sleep(POLL_SECONDS)
        yield fit

    def download(self, fit_id: str, target: Path | str) -> str:
        """Write the compressed file, whole and verified or not at all; interrupted downloads go on.

        Returns:
            Its SHA-256, hexadecimal.

        Raises:
            DownloadDamaged: if what arrived is not what was promised.
            ApiError: if there is no file.
            ConnectionFailed: if the service stays away.
        """
        with Downloading.to(Path(target)) as downloading:
            while True:
                try:
                    return self._fetch(f"/fits/{fit_id}/representation", downloading)
                except (httpx2.TransportError, ServerError) as error:
                    pause = downloading.pause_after_failure()
                    if pause is None:
                        raise given_up(error) from error
                    time.sleep(pause)

    def _follow(self, fit_id: str, following: Following) -> Iterator[Event]:
        path, headers = f"/fits/{fit_id}/events", following.headers()
        with self._http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as answer:
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            following.is_over = answer.status_code == httpx2.codes.NO_CONTENT
            for line in answer.iter_lines():
                if (event := following.feed(line)) is not None:
                    yield event

    def _fetch(self, path: str, downloading: Downloading) -> str:
        with self._http.stream("GET", path, headers=downloading.headers()) as answer:
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            downloading.begin(answer)
            for chunk in answer.iter_raw(calls.CHUNK):
                downloading.take(chunk)
        return downloading.verify()

    def _send(self, call: Call) -> httpx2.Response:
        tries = 0
        while True:
            answer, cause = None, None
            try:
                answer = self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    headers=call.headers,
                    json=call.json,
                    content=None if call.body is None else call.body(),
                )
            except httpx2.TransportError as error:
                cause = error
            if answer is not None and not answer.is_error:
                return answer
            tries += 1
            pause = pause_before(tries, answer) if call.repeatable else None
            if pause is None:
                raise error_of(answer) if answer is not None else given_up(cause) from cause
            time.sleep(pause)
