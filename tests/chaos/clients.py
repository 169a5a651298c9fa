"""Clients that never give up: they submit fits under idempotency keys, cancel some, and note what they were told."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.factories import picture_png

# Each is a second or two of work, and each kind with each seed has one right result. The last one searches.
KINDS: tuple[dict[str, Any], ...] = (
    {"max_steps": 80, "network": {"frequencies": 48, "hidden": [32]}},
    {"max_steps": 60, "network": {"kind": "wavelets"}},
    {"max_steps": 40, "preset": "fast", "target": {"psnr_db": 20}, "network": {"kind": "sines"}},
)
SEEDS = 2
TENANTS = ("ada", "bob")
# What a client is told to follow with a retry: bytes were lost, or the worker was, too often.
LOST = frozenset({"blob_missing", "blob_damaged"})
ADVISED = LOST | {"worker_lost"}
FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass
class Promise:
    """What a client sent under one idempotency key, and what it was told.

    Attributes:
        fit_ids: ids in all 202 answers to this key.
        again: ids of the fits that came of following the service's advice, each a retry of the one before.
        cancel: the status in the answer to its cancel, if one was acknowledged.
    """

    key: str
    seed: int
    senders: int
    cancel_after_seconds: float | None
    kind: int = 0
    tenant: str = TENANTS[0]
    fit_ids: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    cancel: str | None = None
    cancelled_at: float | None = None

    @property
    def fit_id(self) -> str:
        """The fit that counts: the first one, or the last that was asked for in its place."""
        return (self.fit_ids[:1] + self.again)[-1]


@dataclass
class History:
    """Everything that clients saw."""

    promises: list[Promise] = field(default_factory=list)
    refusals: int = 0  # answers of 5xx and broken connections, after which the client tried again
    strange: list[str] = field(default_factory=list)  # answers that no client should ever see
    views: dict[str, str] = field(default_factory=dict)  # hash of the picture of a fit, as a client saw it


def draw_promises(count: int, chance: Random) -> list[Promise]:
    """What clients are going to do."""
    return [
        Promise(
            key=f"chaos-{number}",
            seed=chance.randrange(SEEDS),
            kind=chance.randrange(len(KINDS)),
            tenant=TENANTS[number % len(TENANTS)],
            senders=chance.choice([1, 1, 1, 3]),
            cancel_after_seconds=chance.uniform(0.0, 5.0) if chance.random() < 0.12 else None,
        )
        for number in range(count)
    ]


class Clients:
    """All of them; `submit` returns when every 202 has been seen and every cancel answered."""

    def __init__(
        self, api_url: str, history: History, *, key: str | None = None, patience_seconds: float = 120.0
    ) -> None:
        self.history = history
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=api_url, timeout=20, trust_env=False, headers=headers)
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
            answer = self._insist("POST", f"/fits/{promise.fit_id}/cancel", {200, 409})
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

    def follow(self, promise: Promise) -> dict[str, Any]:
        """Look at a fit, and do what the service advises where it came to nothing; returns the fit that counts."""
        fit = self.look(promise.fit_id)
        if fit["status"] == "failed" and fit["error"]["code"] in ADVISED and promise.cancel is None:
            if fit["error"]["code"] in LOST:
                self.upload()
            return self._again(promise)
        return fit

    def download_or_heal(self, promise: Promise) -> bytes | None:
        """The compressed file; or, where the service says that its bytes are lost, the retry that it advises."""
        answer = self._http.get(f"/fits/{promise.fit_id}/representation")
        if answer.status_code == 200:
            return answer.content
        if answer.status_code != 500 or answer.json()["code"] not in LOST:
            return None  # a moment of something else
        self.upload()
        self._again(promise)
        return None

    def view(self, fit_id: str) -> bytes | None:
        """The picture of a result, or None while it is being drawn; the service may say that its bytes were lost."""
        answer = self._http.get(f"/fits/{fit_id}/reconstruction")
        if answer.status_code == 200:
            return answer.content
        if answer.status_code < 500 and answer.status_code not in {202, 409}:
            self.history.strange.append(f"the view of {fit_id}: {answer.status_code} {answer.text}")
        elif answer.status_code == 500 and answer.json()["code"] not in LOST:
            self.history.strange.append(f"the view of {fit_id}: {answer.text}")
        return None

    def see_nothing_of(self, fit_id: str) -> None:
        """Ask for a fit of another tenant, which must be as absent as one that never was."""
        self._insist("GET", f"/fits/{fit_id}", {404})

    def look_if_mine(self, fit_id: str) -> dict[str, Any] | None:
        """One fit, or None if it is not this tenant's."""
        answer = self._insist("GET", f"/fits/{fit_id}", {200, 404})
        return answer if answer.get("id") == fit_id else None

    def ready(self) -> dict[str, Any]:
        """What the service says of itself."""
        return self._insist("GET", "/readyz", {200})

    def listen(self, url: str) -> None:
        """Have every end told to this address."""
        self._insist("POST", "/webhooks", {201}, json={"url": url})

    def _again(self, promise: Promise) -> dict[str, Any]:
        fit = self._insist("POST", f"/fits/{promise.fit_id}/retry", {202, 409})
        if "id" not in fit:  # what was lost is there again
            return self.look(promise.fit_id)
        if fit["id"] != promise.fit_id:
            promise.again.append(fit["id"])
        return fit

    def _send(self, promise: Promise, signal_id: str) -> None:
        body = {
            "signal_id": signal_id,
            "seed": promise.seed,
            **KINDS[promise.kind],
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
