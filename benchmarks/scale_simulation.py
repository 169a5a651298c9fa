"""Ten thousand workers in SimPy: which engine is full first, and what waits before it.

An engine is a line before so many servers, first come first served; what it is asked for comes from fits that run
through the service and from workers that only are there. How long it takes for each is measured (`scale_stack`), in
seconds of a processor, and drawn from an exponential distribution around that. The order of claims is an engine of its
own with one place, since claims wait for each other, each until its transaction ends.
"""

import heapq
import statistics
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import simpy

Steps = Generator[simpy.Event, Any, None]
TURN = "order of claims"
MOST_PER_SECOND = 2000.0  # visits of one stream; more are taken together


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Who asks for what.

    Attributes:
        workers: number of workers.
        fits_per_second: mean number of fits asked for in a second, at random times; not used where `arrivals` are.
        hold_seconds: mean time for which a worker trains a fit, or times to draw from.
        servers: number of servers of each engine, one if it is not there.
        poll_every_seconds: time between two looks of a client at its fit.
        report_every_seconds: time between two reports of a running fit.
        beat_every_seconds: time between two extensions of a lease.
        signs_per_second: number of signs of life that a worker publishes to all others in a second.
        seconds: length of what is simulated in seconds.
        warm_up_seconds: length in seconds of what is not counted at its beginning.
        running_at_first: number of workers that are in the middle of a fit when it begins.
        arrivals: times at which fits are asked for, in seconds, in place of random ones.
        stretch: seconds on the wall for each second of a processor that an engine needs.
        seed: number that decides every random choice.
    """

    workers: int
    fits_per_second: float
    hold_seconds: float | Sequence[float]
    servers: Mapping[str, int] = field(default_factory=dict)
    poll_every_seconds: float = 5.0
    report_every_seconds: float = 4.0
    beat_every_seconds: float = 4.0
    signs_per_second: float = 0.0
    seconds: float = 300.0
    warm_up_seconds: float = 60.0
    running_at_first: int = 0
    arrivals: Sequence[float] | None = None
    stretch: float = 1.0
    seed: int = 0

    @property
    def mean_hold_seconds(self) -> float:
        """Mean time for which a worker trains a fit, in seconds."""
        return float(np.mean(self.hold_seconds))


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What is paid for each kind of work, as measured.

    Attributes:
        paid: processor seconds by engine, then by kind of work.
        claim_seconds: processor seconds of the database for one claim while nothing runs.
        claim_seconds_per_running: processor seconds of the database that each running fit adds to a claim.
        claim_held_share: seconds for which a claim keeps the others waiting, for each second of the database's
            processor that it takes.
    """

    paid: Mapping[str, Mapping[str, float]]
    claim_seconds: float = 0.0
    claim_seconds_per_running: float = 0.0
    claim_held_share: float = 1.0

    def of(self, engine: str, kind: str) -> float:
        """Processor seconds of an engine for one of a kind of work."""
        return self.paid.get(engine, {}).get(kind, 0.0)

    def claim(self, running: float) -> float:
        """Processor seconds of a claim while so many fits run."""
        return self.claim_seconds + self.claim_seconds_per_running * running


def work_per_second(scenario: Scenario) -> dict[str, float]:
    """How much of each kind of work a second brings, as long as nothing is full."""
    fits = scenario.fits_per_second
    running = min(float(scenario.workers), fits * scenario.mean_hold_seconds)
    beats = 1.0 / scenario.report_every_seconds + 1.0 / scenario.beat_every_seconds
    brief = scenario.mean_hold_seconds < scenario.report_every_seconds
    return {
        "seconds": 1.0,
        "uploads": fits,
        "posts": fits,
        "polls": fits * (1.0 + scenario.mean_hold_seconds / scenario.poll_every_seconds),  # the last one at the end
        "fits": fits,
        "worker_seconds": float(scenario.workers),
        "reports": 0.0 if brief else running * beats,
        "running_row_seconds": running,
        "queued_row_seconds": 0.0,
        "heard": scenario.signs_per_second * scenario.workers**2,
    }


def demand(scenario: Scenario, costs: Costs, engines: Sequence[str]) -> dict[str, float]:
    """Servers of each engine that are busy on average, by arithmetic alone; more than there are means never done."""
    work = work_per_second(scenario)
    found = {name: sum(costs.of(name, kind) * amount for kind, amount in work.items()) for name in engines}
    claim = costs.claim(work["running_row_seconds"])
    if "postgres" in found:
        found["postgres"] += work["fits"] * (claim - costs.claim_seconds)
    return found | {TURN: work["fits"] * claim * costs.claim_held_share}


class Engine:
    """A line before servers, first come first served: who comes is told at once when it will be served."""

    def __init__(self, environment: simpy.Environment, scenario: Scenario, servers: int) -> None:
        self._environment, self._scenario = environment, scenario
        self._free = [0.0] * servers
        self.waits: list[float] = []
        self.busy_seconds = 0.0
        self.servers = servers

    def visit(self, seconds: float) -> simpy.Event:
        """Wait for a server and be served for so long.

        Args:
            seconds: time in seconds that it takes.
        """
        now, scenario = self._environment.now, self._scenario
        begin = max(now, heapq.heappop(self._free))
        end = begin + seconds
        heapq.heappush(self._free, end)
        if now >= scenario.warm_up_seconds:
            self.waits.append(begin - now)
        self.busy_seconds += max(0.0, min(end, scenario.seconds) - max(begin, scenario.warm_up_seconds))
        return self._environment.timeout(end - now)

    def told(self) -> dict[str, float]:
        """Share of the time that its servers were busy, and how long was waited for them."""
        window = self._scenario.seconds - self._scenario.warm_up_seconds
        waits = self.waits or [0.0]
        return {
            "servers": self.servers,
            "utilisation": round(self.busy_seconds / window / self.servers, 4),
            "visits_per_second": round(len(self.waits) / window, 2),
            "wait_mean_ms": round(1000.0 * statistics.mean(waits), 3),
            "wait_p95_ms": round(1000.0 * float(np.percentile(waits, 95)), 3),
        }


class Simulation:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, costs: Costs) -> None:
        self.scenario, self.costs = scenario, costs
        self.environment = simpy.Environment()
        self._random = Random(scenario.seed)  # noqa: S311  the same every time
        names = [*costs.paid, TURN]
        self.engines = {name: Engine(self.environment, scenario, scenario.servers.get(name, 1)) for name in names}
        self.workers = simpy.Resource(self.environment, scenario.workers)
        self.asked = self.begun = self.done = self.done_in_window = self.running = 0
        self.waits: list[float] = []
        self.first_begun: float | None = None
        self.last_done = 0.0

    def run(self) -> dict[str, Any]:
        """Simulate, and say what came of it."""
        scenario = self.scenario
        for _ in range(scenario.running_at_first):
            self.asked += 1
            self._start(self._fit(self._hold()))
        self._start(self._arrivals())
        self._background()
        self.environment.run(until=scenario.seconds)
        window = scenario.seconds - scenario.warm_up_seconds
        waits = self.waits or [0.0]
        made = {
            "asked": self.asked,
            "done": self.done,
            "queued_at_end": len(self.workers.queue),
            "unfinished_at_end": self.asked - self.done,
            "per_second": round(self.done_in_window / window, 4),
            "wait_mean_seconds": round(statistics.mean(waits), 4),
            "wait_median_seconds": round(statistics.median(waits), 4),
            "wait_p95_seconds": round(float(np.percentile(waits, 95)), 4),
        }
        if self.first_begun is not None and self.done:
            made["per_second_from_first_to_last"] = round(self.done / (self.last_done - self.first_begun), 4)
        return {"engines": {name: engine.told() for name, engine in self.engines.items()}, "fits": made}

    # What goes on.

    def _arrivals(self) -> Steps:
        scenario = self.scenario
        if scenario.arrivals is not None:
            for due in scenario.arrivals:
                yield self.environment.timeout(max(0.0, due - self.environment.now))
                self.asked += 1
                self._start(self._fit())
            return
        while scenario.fits_per_second > 0:
            yield self.environment.timeout(self._random.expovariate(scenario.fits_per_second))
            self.asked += 1
            self._start(self._fit())

    def _fit(self, hold: float | None = None) -> Steps:
        """From the upload to the stored file; one that has a hold of its own is already under way."""
        asked = simpy.Event(self.environment)
        if hold is None:
            for kind in ("uploads", "posts"):
                for engine in ("api", "postgres", "seaweedfs", "valkey"):
                    yield from self._pay(engine, kind)
        self._start(self._client(asked))
        since = self.environment.now
        with self.workers.request() as turn:
            yield turn
            if hold is None:
                yield from self._pay("valkey", "fits")
                yield from self._claim()
                yield from self._pay("seaweedfs", "fits", 0.5)
            self.begun += 1
            self.running += 1
            begun = self.environment.now
            if hold is None:
                self.first_begun = begun if self.first_begun is None else self.first_begun
                if since >= self.scenario.warm_up_seconds:
                    self.waits.append(begun - since)
            ended = simpy.Event(self.environment)
            self._start(self._reports(ended))
            yield self.environment.timeout(self._draw() if hold is None else hold)
            ended.succeed()
            yield from self._pay("seaweedfs", "fits", 0.5)
            rest = max(0.0, self.costs.of("postgres", "fits") - self.costs.claim_seconds)
            yield from self._serve("postgres", rest)
            self.running -= 1
        asked.succeed()
        self.done += 1
        self.last_done = self.environment.now
        self.done_in_window += self.environment.now >= self.scenario.warm_up_seconds
        for engine in ("api", "upkeep"):  # what they do for a fit after its end, nobody waits for
            self._start(self._pay(engine, "fits"))

    def _claim(self) -> Steps:
        """Whoever claims keeps the others from it; the database works for the claim at the same time."""
        seconds = self._vary(self.costs.claim(self.running)) * self.scenario.stretch
        yield self.engines[TURN].visit(seconds * self.costs.claim_held_share)
        if "postgres" in self.engines:
            yield self.engines["postgres"].visit(seconds)

    def _client(self, ended: simpy.Event) -> Steps:
        """Looks every few seconds until its fit has ended, whose end it is told at once in the best case."""
        pause = self._random.uniform(0.0, self.scenario.poll_every_seconds)
        while not ended.triggered:
            yield self.environment.timeout(pause) | ended
            pause = self.scenario.poll_every_seconds
            for engine in ("api", "postgres"):
                yield from self._pay(engine, "polls")

    def _reports(self, ended: simpy.Event) -> Steps:
        scenario = self.scenario
        pause = 1.0 / (1.0 / scenario.report_every_seconds + 1.0 / scenario.beat_every_seconds)
        if scenario.mean_hold_seconds < scenario.report_every_seconds:
            return  # over before anything is told
        yield self.environment.timeout(self._random.uniform(0.0, pause))
        while not ended.triggered:
            for engine in self.engines:
                if engine != TURN and self.costs.of(engine, "reports"):
                    self._start(self._pay(engine, "reports"))
            yield self.environment.timeout(pause)

    def _background(self) -> None:
        """What is paid whether or not anything is asked for: by the second, by the worker, by the row."""
        scenario = self.scenario
        for name in self.costs.paid:
            self._start(self._stream(name, lambda: 10.0, self.costs.of(name, "seconds") / 10.0))
            idle = self.costs.of(name, "worker_seconds")
            self._start(self._stream(name, lambda: 2.0 * scenario.workers, idle / 2.0))
            row = self.costs.of(name, "running_row_seconds")
            self._start(self._stream(name, lambda: 0.5 * self.running, 2.0 * row))
            heard = self.costs.of(name, "heard") * scenario.workers
            self._start(self._stream(name, lambda: scenario.signs_per_second * scenario.workers, heard))

    def _stream(self, engine: str, rate: Callable[[], float], seconds: float) -> Steps:
        """Visits at random times; where there are very many, several at once."""
        if seconds <= 0.0:
            return
        while True:
            now = rate()
            if now <= 0.0:
                yield self.environment.timeout(1.0)
                continue
            together = max(1.0, now / MOST_PER_SECOND)
            yield self.environment.timeout(self._random.expovariate(now / together))
            self.engines[engine].visit(self._vary(seconds * together) * self.scenario.stretch)

    # Pieces of it.

    def _start(self, steps: Steps) -> None:
        self.environment.process(steps)

    def _pay(self, engine: str, kind: str, share: float = 1.0) -> Steps:
        return self._serve(engine, share * self.costs.of(engine, kind))

    def _serve(self, engine: str, seconds: float) -> Steps:
        if seconds > 0.0:
            yield self.engines[engine].visit(self._vary(seconds) * self.scenario.stretch)

    def _vary(self, mean: float) -> float:
        return self._random.expovariate(1.0 / mean) if mean > 0.0 else 0.0

    def _draw(self) -> float:
        """How long a worker trains."""
        if isinstance(self.scenario.hold_seconds, float | int):
            return self._vary(float(self.scenario.hold_seconds))
        return self._random.choice(self.scenario.hold_seconds)

    def _hold(self) -> float:
        """What is left of one that is under way; of exponential times as much as of a new one."""
        return self._vary(self.scenario.mean_hold_seconds)


def first_full(
    scenarios: Callable[[float], Scenario], costs: Costs, engines: Sequence[str], most: float = 1e9
) -> dict[str, float]:
    """The size of a service at which each engine is full, by arithmetic, up to a largest size.

    Args:
        scenarios: the scenario of each size.
        costs: what is paid for each kind of work.
        engines: names of the engines.
        most: largest size that is looked at.
    """
    found = {}
    for name in (*engines, TURN):

        def is_full(size: float, name: str = name) -> bool:
            scenario = scenarios(size)
            return demand(scenario, costs, engines)[name] >= scenario.servers.get(name, 1)

        low, high = 1.0, most
        if not is_full(high):
            continue
        for _ in range(80):
            middle = (low * high) ** 0.5
            low, high = (low, middle) if is_full(middle) else (middle, high)
        found[name] = high
    return dict(sorted(found.items(), key=lambda item: item[1]))
