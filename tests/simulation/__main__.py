"""`python -m tests.simulation --seed N`: one schedule and its history; `--schedules N`: many, and how they ended.

With `--into FOLDER` each range of seeds leaves a file there, and a later call goes on with the ranges that have none.
"""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulation.schedule import Outcome, run
from tests.simulation.world import patched

RANGE = 250  # schedules for which one file is written
ROOT = Path(__file__).parents[2]
# What a schedule depends on: a result says nothing of another state of this code.
SOURCES = ("api/services", "store", "worker", "tests/simulation")


@dataclass(kw_only=True)
class Tally:
    """What many schedules came to.

    Attributes:
        schedules: number of schedules that were run.
        trips: number of messages to engines in all of them.
        seconds: processor time in seconds.
        ends: number of fits that ended in each way.
        faults: number of faults of each kind that struck.
        violations: sentences by the seed of their schedule.
    """

    schedules: int = 0
    trips: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, list[str]] = field(default_factory=dict)

    def note(self, outcome: Outcome) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.trips += outcome.trips
        self.ends.update(outcome.ends)
        self.faults.update(outcome.faults)
        if outcome.violations:
            self.violations[outcome.seed] = outcome.violations[:5]

    def add(self, other: "Tally") -> None:
        """Count what another one has counted."""
        self.schedules += other.schedules
        self.trips += other.trips
        self.seconds += other.seconds
        self.ends.update(other.ends)
        self.faults.update(other.faults)
        self.violations.update(other.violations)

    def to_json(self) -> dict[str, Any]:
        return {
            "schedules": self.schedules,
            "trips": self.trips,
            "seconds": round(self.seconds, 2),
            "ends": dict(self.ends),
            "faults": dict(self.faults),
            "violations": {str(seed): sentences for seed, sentences in self.violations.items()},
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Tally":
        return cls(
            schedules=told["schedules"],
            trips=told["trips"],
            seconds=told["seconds"],
            ends=Counter(told["ends"]),
            faults=Counter(told["faults"]),
            violations={int(seed): sentences for seed, sentences in told["violations"].items()},
        )


def main() -> int:
    """Run what was asked for; the exit status is 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule")
    parser.add_argument("--schedules", type=int, default=None, help="how many, from that seed on, without histories")
    parser.add_argument("--seconds", type=float, default=None, help="begin no further range after so long")
    parser.add_argument(
        "--into", type=Path, default=None, help="folder of a file for each range, which is not run again"
    )
    chosen = parser.parse_args()
    with patched():
        if chosen.schedules is None:
            outcome = run(chosen.seed, tell=True)
            print("\n".join(outcome.history))  # noqa: T201
            print(f"ends: {outcome.ends}, faults: {outcome.faults}, round trips: {outcome.trips}")  # noqa: T201
            tally = Tally()
            tally.note(outcome)
        else:
            tally = _many(chosen.seed, chosen.schedules, chosen.seconds, chosen.into)
    return _judge(tally)


def _many(first: int, count: int, seconds: float | None, into: Path | None) -> Tally:
    begun = time.monotonic()
    whole, reused = Tally(), 0
    for start in range(first, first + count, RANGE):
        stop = min(start + RANGE, first + count)
        place = None if into is None else into / f"{start:07}-{stop - 1:07}.json"
        if place is not None and (known := _known(place)) is not None:
            whole.add(known)
            reused += known.schedules
            continue
        if seconds is not None and time.monotonic() - begun > seconds:
            break
        tally = _range(start, stop)
        whole.add(tally)
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished = place.with_suffix(".part")
            unfinished.write_text(json.dumps({"code": _code(), **tally.to_json()}) + "\n")
            unfinished.replace(place)
    each = 1000 * whole.seconds / max(1, whole.schedules)
    print(  # noqa: T201
        f"{whole.schedules} of {count} schedules ({reused} of them before), {each:.0f} ms of processor each, "
        f"{whole.trips} round trips, {len(whole.violations)} violated"
    )
    print(f"fits: {dict(whole.ends.most_common())}")  # noqa: T201
    print(f"faults: {dict(whole.faults.most_common())}")  # noqa: T201
    return whole


def _range(start: int, stop: int) -> Tally:
    tally, begun = Tally(), time.process_time()
    for seed in range(start, stop):
        tally.note(run(seed))
    tally.seconds = time.process_time() - begun
    return tally


def _known(place: Path) -> Tally | None:
    """What a range came to with the code as it is."""
    if not place.exists():
        return None
    told = json.loads(place.read_text())
    return Tally.from_json(told) if told["code"] == _code() else None


@cache
def _code() -> str:
    """A hash of everything that a schedule depends on."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _judge(tally: Tally) -> int:
    for seed, sentences in list(tally.violations.items())[:20]:
        print(f"seed {seed} (python -m tests.simulation --seed {seed}):")  # noqa: T201
        for sentence in sentences:
            print(f"    {sentence}")  # noqa: T201
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
