"""The load generator, a process of its own: `python -m benchmarks.load_client URL`, a JSON object in and one out.

Open loops send at fixed times whatever the server does, and count each latency from the time at which it should have
been sent: a server that stalls cannot hide the requests that it kept from being sent.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from benchmarks.load_http import Answer, Connections

SPEC: dict[str, Any] = {"max_steps": 8, "network": {"frequencies": 16, "hidden": [8]}}
LEAD_SECONDS = 0.5  # until the first request of an open loop
EARLY_SECONDS = 0.002  # timers are late by a millisecond, which is not the server's
CONNECTIONS = 8  # of a closed loop

Send = Callable[[], Awaitable[Answer]]
Report = dict[str, Any]


class Load:
    """Phases of load on one server."""

    def __init__(self, url: str, plan: dict[str, Any]) -> None:
        self._http = Connections(url)
        self._plan = plan
        self._random = random.Random(1)  # noqa: S311  the same mixture every time
        self._fits: list[str] = []

    async def run(self) -> Report:
        """All phases that the plan asks for, one after the other."""
        picture = bytes.fromhex(self._plan["picture"])
        answer = await self._http.request("POST", "/signals?filename=load.png", picture, "image/png")
        self._body = json.dumps({"signal_id": json.loads(answer.body)["id"]} | SPEC).encode()
        report: Report = {}
        for name in self._plan["phases"]:
            phase = getattr(self, f"_{name}")
            print(f"load: {name}", file=sys.stderr, flush=True)  # noqa: T201
            report[name] = await phase()
        await self._http.close()
        return report

    async def _first_step(self) -> Report:
        """From the 202 until a worker begins, idle before each fit; a fit so small reports no step."""
        await self._one_fit()  # the worker may still be starting
        times = [await self._one_fit() for _ in range(self._plan["fits"])]
        return _summary(times) | {"done": self._fits[-1]}

    async def _one_fit(self) -> float:
        fit_id = self._id(await self._post())
        accepted = time.time()
        events: list[dict[str, Any]] = []
        while not events or events[-1]["kind"] not in {"succeeded", "failed"}:
            await asyncio.sleep(0.1)
            events = json.loads((await self._http.request("GET", f"/fits/{fit_id}/events")).body)["data"]
        await asyncio.sleep(0.3)
        first = next(event for event in events if event["kind"] == "running")
        return datetime.fromisoformat(first["created_at"]).timestamp() - accepted

    async def _post_fits(self) -> Report:
        return await self._open_loop([self._post] * round(self._plan["rate"] * self._plan["seconds"]))

    async def _post_signals(self) -> Report:
        """Pictures of 64 x 64 that were never seen before, one after the other."""
        seconds: list[float] = []
        statuses: Counter[int] = Counter()
        for number, picture in enumerate(self._plan["pictures"]):
            started = time.perf_counter()
            path = f"/signals?filename=small{number}.png"
            answer = await self._http.request("POST", path, bytes.fromhex(picture), "image/png")
            statuses[answer.status] += 1
            seconds.append(time.perf_counter() - started)
        return _summary(seconds, None, statuses)

    async def _get_status_200(self) -> Report:
        return await self._open_loop([self._status] * (10 * self._plan["rate"]))

    async def _get_status_304(self) -> Report:
        fit_id = self._id(await self._post())
        # A place in the queue belongs to what is shown: take one that does not move.
        await self._http.request("POST", f"/fits/{fit_id}/cancel")
        etag = (await self._http.request("GET", f"/fits/{fit_id}")).header(b"etag")
        return await self._open_loop([lambda: self._unchanged(fit_id, etag)] * (10 * self._plan["rate"]))

    async def _downloads(self) -> Report:
        return await self._open_loop([self._download] * (5 * self._plan["rate"]))

    async def _listeners(self) -> Report:
        """Streams that wait, and how long it takes until each of them hears of an event."""
        count, groups = self._plan["listeners"], 20
        fits = [self._id(await self._post()) for _ in range(groups)]
        heard: list[float] = []
        ready = asyncio.Semaphore(0)
        sent = dict.fromkeys(fits, 0.0)

        async def listen(fit_id: str) -> None:
            async for piece in self._http.stream(f"/fits/{fit_id}/events", Accept="text/event-stream"):
                if b"event: queued" in piece:
                    ready.release()
                if b"event: cancelled" in piece:
                    heard.append(time.perf_counter() - sent[fit_id])

        listeners = [asyncio.create_task(listen(fits[index % groups])) for index in range(count)]
        for _ in listeners:
            await ready.acquire()
        # As long as they listen, others are served.
        while_listening = await self._open_loop([self._status] * (5 * self._plan["rate"]))
        for fit_id in fits:
            sent[fit_id] = time.perf_counter()
            await self._http.request("POST", f"/fits/{fit_id}/cancel")
            await asyncio.sleep(0.05)
        await asyncio.gather(*listeners)
        return _summary(heard) | {"streams": count, "status_while_they_listen": while_listening}

    async def _mixed(self) -> Report:
        """As many as the server takes, over a few connections."""
        kinds: list[Send] = [
            self._status,
            self._post,
            self._list,
            self._events,
            self._download,
            self._missing,
            self._bad,
        ]
        chosen = iter(self._random.choices(kinds, weights=[45, 15, 10, 10, 10, 5, 5], k=self._plan["mixed"]))
        seconds: list[float] = []
        statuses: Counter[int] = Counter()

        async def worker() -> None:
            for send in chosen:
                started = time.perf_counter()
                statuses[(await send()).status] += 1
                seconds.append(time.perf_counter() - started)

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
        return _summary(seconds, time.perf_counter() - started, statuses)

    async def _open_loop(self, sends: Sequence[Send]) -> Report:
        start = time.perf_counter() + LEAD_SECONDS
        statuses: Counter[int] = Counter()

        async def one(send: Send, due: float) -> float:
            await _until(due)
            answer = await send()
            statuses[answer.status] += 1
            return time.perf_counter() - due

        due = (start + index / self._plan["rate"] for index in itertools.count())
        seconds = await asyncio.gather(*(one(send, when) for send, when in zip(sends, due, strict=False)))
        return _summary(seconds, time.perf_counter() - start, statuses)

    # Single requests.

    async def _post(self) -> Answer:
        answer = await self._http.request("POST", "/fits", self._body, Idempotency_Key=f"{self._random.random()}")
        if answer.status == 202:
            self._fits.append(self._id(answer))
        return answer

    async def _status(self) -> Answer:
        return await self._http.request("GET", f"/fits/{self._any()}")

    async def _unchanged(self, fit_id: str, etag: str) -> Answer:
        return await self._http.request("GET", f"/fits/{fit_id}", If_None_Match=etag)

    async def _list(self) -> Answer:
        return await self._http.request("GET", "/fits?limit=10")

    async def _events(self) -> Answer:
        return await self._http.request("GET", f"/fits/{self._any()}/events")

    async def _download(self) -> Answer:
        return await self._http.request("GET", f"/fits/{self._plan['done']}/representation")

    async def _missing(self) -> Answer:
        return await self._http.request("GET", f"/fits/fit_{'0' * 32}")

    async def _bad(self) -> Answer:
        return await self._http.request("POST", "/fits", b'{"signal_id": 1}')

    def _any(self) -> str:
        return self._random.choice(self._fits)

    @staticmethod
    def _id(answer: Answer) -> str:
        fit_id: str = json.loads(answer.body)["id"]
        return fit_id


async def _until(due: float) -> None:
    await asyncio.sleep(due - EARLY_SECONDS - time.perf_counter())
    while time.perf_counter() < due:
        await asyncio.sleep(0)


def _summary(seconds: Sequence[float], wall: float | None = None, statuses: Counter[int] | None = None) -> Report:
    ordered = sorted(seconds)
    report: Report = {"count": len(ordered)}
    report |= {
        f"p{percent}_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 2)
        for percent in (50, 95, 99)
    }
    report["max_ms"] = round(1000 * ordered[-1], 2)
    if wall is not None:
        report["requests_per_second"] = round(len(ordered) / wall, 1)
    if statuses is not None:
        report["statuses"] = {str(status): count for status, count in sorted(statuses.items())}
    return report


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Load(sys.argv[1], json.load(sys.stdin)).run())))  # noqa: T201
