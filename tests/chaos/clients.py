"""Clients that never give up: they submit fits under idempotency keys, cancel some, and note what they were told."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.factories import picture_png

# Each is a second or two of work, and each seed has one right result.
STEPS = 80
SEEDS = 3
FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass
class Promise:
    """What a client sent under one idempotency key, and what it was told.

    Attributes:
        fit_ids: ids in all 202 answers to this key.
        cancel: the status in the answer to its cancel, if one was acknowledged.
    """

    key: str
    seed: int
    senders: int
    cancel_after_seconds: float | None
    fit_ids: list[str] = field(default_factory=list)
    cancel: str | None = None
    cancelled_at: float | None = None


@dataclass
class History:
    """Everything that clients saw."""

    promises: list[Promise] = field(default_factory=list)
    refusals: int = 0  # answers of 5xx and broken connections, after which the client tried again
    strange: list[str] = field(default_factory=list)  # answers that no client should ever see


def draw_promises(count: int, chance: Random) -> list[Promise]:
    """What clients are going to do."""
    return [
        Promise(
            key=f"chaos-{number}",
            seed=chance.randrange(SEEDS),
            senders=chance.choice([1, 1, 1, 3]),
            cancel_after_seconds=chance.uniform(0.0, 5.0) if chance.random() < 0.12 else None,
        )
        for number in range(count)
    ]


class Clients:
    """All of them; `submit` returns when every 202 has been seen and every cancel answered."""

    def __init__(self, api_url: str, history: History, *, patience_seconds: float = 120.0) -> None:
        self.history = history
        self._http = httpx.Client(base_url=api_url, timeout=20, trust_env=False)
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()

    def close(self) -> None:
        self._http.close()

    def upload(self, content: bytes | None = None) -> str:
        """Send a picture, or the one that all send; returns the id of the signal."""
        files = {"file": ("garden.png", content or picture_png(), "image/png")}
        return str(self._insist("POST", "/signals", {200, 201}, files=files)["id"])

    def ask(self, signal_id: str, **spec: Any) -> str:
        """Submit one fit, whatever it is asked to be; returns its id."""
        return str(self._insist("POST", "/fits", {202}, json={"signal_id": signal_id, **spec})["id"])

    def cancel(self, fit_id: str) -> None:
        """Ask for it."""
        self._insist("POST", f"/fits/{fit_id}/cancel", {200})

    def wait_for(self, fit_id: str, true: Callable[[dict[str, Any]], bool], seconds: float = 300.0) -> dict[str, Any]:
        """Look again and again until it is true of the fit."""
        deadline = time.monotonic() + seconds
        while not true(fit := self.look(fit_id)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{fit_id} did not come so far within {seconds:g} s: {fit}")
            time.sleep(0.02)
        return fit

    def submit(self, promise: Promise, signal_id: str) -> None:
        """Send a request, several times at once if so drawn, and cancel the fit if so drawn."""
        senders = [threading.Thread(target=self._send, args=(promise, signal_id)) for _ in range(promise.senders)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        if promise.cancel_after_seconds is not None and promise.fit_ids:
            time.sleep(promise.cancel_after_seconds)
            answer = self._insist("POST", f"/fits/{promise.fit_ids[0]}/cancel", {200, 409})
            if "id" in answer:  # else a problem document: the fit had ended before
                promise.cancel, promise.cancelled_at = answer["status"], time.time()

    def look(self, fit_id: str) -> dict[str, Any]:
        """One fit, as a client sees it."""
        fit = self._insist("GET", f"/fits/{fit_id}", {200})
        if fit["id"] != fit_id:
            self.history.strange.append(f"GET /fits/{fit_id} answered with {fit['id']}")
        return fit

    def wait_for_all(self, fit_ids: Sequence[str], seconds: float) -> list[str]:
        """Wait until these fits have ended; returns those that are left when none has moved for so many seconds.

        How long all of them take depends on how busy the machine is; a service that is stuck does nothing.
        """
        deadline = time.monotonic() + seconds
        waiting: dict[str, tuple[object, ...]] = dict.fromkeys(fit_ids, ())
        while waiting and time.monotonic() < deadline:
            looks = {fit_id: self.look(fit_id) for fit_id in waiting}
            seen: dict[str, tuple[object, ...]] = {
                fit_id: (fit["status"], (fit["progress"] or {}).get("step"))
                for fit_id, fit in looks.items()
                if fit["status"] not in FINAL
            }
            if seen != waiting:
                deadline = time.monotonic() + seconds
            waiting = seen
            time.sleep(0.5)
        return list(waiting)

    def download(self, fit_id: str) -> bytes:
        """The compressed file."""
        return self._http.get(f"/fits/{fit_id}/representation").raise_for_status().content

    def _send(self, promise: Promise, signal_id: str) -> None:
        body = {
            "signal_id": signal_id,
            "seed": promise.seed,
            "max_steps": STEPS,
            "network": {"frequencies": 48, "hidden": [32]},
        }
        fit = self._insist("POST", "/fits", {202}, json=body, headers={"Idempotency-Key": promise.key})
        with self._lock:
            promise.fit_ids.append(fit["id"])

    def _insist(self, method: str, path: str, expected: set[int], **request: Any) -> dict[str, Any]:
        """Ask until there is an answer; one that is neither expected nor a 5xx is strange."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                said = repr(error)
            else:
                if answer.status_code in expected:
                    found: dict[str, Any] = answer.json()
                    return found
                said = f"{answer.status_code} {answer.text}"
                if answer.status_code < 500 or answer.status_code == 500:
                    self.history.strange.append(f"{method} {path}: {said}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path} was not answered within {self._patience_seconds:g} s: {said}")
            with self._lock:
                self.history.refusals += 1
            time.sleep(0.2)
