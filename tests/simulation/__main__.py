"""`python -m tests.simulation --seed N`: one schedule and its history; `--schedules N`: many, and how they ended."""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.schedule import Outcome, run
from tests.simulation.world import patched


def main() -> int:
    """Run what was asked for; the exit status is 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule")
    parser.add_argument("--schedules", type=int, default=None, help="how many, from that seed on, without histories")
    parser.add_argument("--seconds", type=float, default=None, help="begin no further schedule after so long")
    chosen = parser.parse_args()
    with patched():
        if chosen.schedules is None:
            outcome = run(chosen.seed, tell=True)
            print("\n".join(outcome.history))  # noqa: T201
            print(f"ends: {outcome.ends}, faults: {outcome.faults}, round trips: {outcome.trips}")  # noqa: T201
            return _judge([outcome])
        return _judge(_many(chosen.seed, chosen.schedules, chosen.seconds))


def _many(first: int, count: int, seconds: float | None) -> list[Outcome]:
    begun = time.perf_counter()
    bad: list[Outcome] = []
    ends: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    trips = done = 0
    for seed in range(first, first + count):
        outcome = run(seed)
        ends.update(outcome.ends)
        faults.update(outcome.faults)
        trips += outcome.trips
        done += 1
        if outcome.violations:
            bad.append(outcome)
        if seconds is not None and time.perf_counter() - begun > seconds:
            break
    taken = time.perf_counter() - begun
    pace = f"{taken:.1f} s ({done / taken * 60:.0f} a minute)"
    print(f"{done} schedules in {pace}, {trips} round trips, {len(bad)} violated")  # noqa: T201
    print(f"fits: {dict(ends.most_common())}")  # noqa: T201
    print(f"faults: {dict(faults.most_common())}")  # noqa: T201
    return bad


def _judge(outcomes: list[Outcome]) -> int:
    bad = [outcome for outcome in outcomes if outcome.violations]
    for outcome in bad[:20]:
        print(f"seed {outcome.seed} (python -m tests.simulation --seed {outcome.seed}):")  # noqa: T201
        for sentence in outcome.violations[:5]:
            print(f"    {sentence}")  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
