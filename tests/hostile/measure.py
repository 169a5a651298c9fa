"""What each file of the corpus takes in the cage: `make bench-hostile`, or `python -m tests.hostile.measure`.

It writes build/bench/hostile.json and ends with 1 if an entry got another answer than its own, or took more than two
seconds of a processor or 512 MiB.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from cage.keeper import Keeper
from cage.limits import Limits, OverBudget
from tests.hostile.files import FILES, OVER_BUDGET, HostileFile
from tuner.files import write_whole

LIMITS = Limits(memory_bytes=512 << 20, cpu_seconds=2, wall_seconds=60.0, answer_bytes=1 << 16)
TOGETHER = 2  # files that are read at the same time


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What became of one file.

    Attributes:
        name: name of the entry.
        attack: kind of the attack.
        expected: code of the error that is documented; None if the file is read.
        code: code of the error that was met.
        file_bytes: size of the file.
        seconds: processor time of the reading; None if the cage ended it.
        bytes: memory that the reading took beyond what the process began with; None if the cage ended it.
        wall_seconds: time from the request to the answer, the process included.
        opened: what the process could have opened afterwards, of a file and a socket.
        ended: why the cage ended the process; None if it answered.
    """

    name: str
    attack: str
    expected: str | None
    code: str | None
    file_bytes: int
    seconds: float | None
    bytes: int | None
    wall_seconds: float
    opened: list[str]
    ended: str | None


def read_all(files: Iterable[HostileFile] = FILES, limits: Limits = LIMITS) -> dict[str, Reading]:
    """Every file read in the cage, by name."""
    keeper = Keeper("tests.hostile.caged", limits)
    try:
        with ThreadPoolExecutor(TOGETHER) as pool:
            return {one.name: one for one in pool.map(lambda file: read_one(keeper, file), files)}
    finally:
        keeper.close()


def read_one(keeper: Keeper, file: HostileFile) -> Reading:
    """One file read in the cage."""
    data = file.make()
    begun, ended = time.monotonic(), None
    try:
        said = json.loads(bytes(keeper.ask_bytes(data, {"reader": file.reader})))
    except OverBudget as error:
        said, ended = {"code": OVER_BUDGET, "seconds": None, "bytes": None, "opened": []}, str(error)
    return Reading(
        name=file.name,
        attack=file.attack,
        expected=file.code,
        file_bytes=len(data),
        wall_seconds=round(time.monotonic() - begun, 3),
        ended=ended,
        **said,
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, write and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.measure")
    parser.add_argument("--out", type=Path, default=Path("build/bench/hostile.json"))
    options = parser.parse_args(arguments)
    readings = list(read_all().values())
    wrong = [one for one in readings if one.code != one.expected or one.opened]
    answered = [one for one in readings if one.ended is None]
    summary = {
        "files": len(readings),
        "wrong": [one.name for one in wrong],
        "ended_by_the_cage": len(readings) - len(answered),
        "most_seconds": max(one.seconds or 0.0 for one in answered),
        "most_bytes": max(one.bytes or 0 for one in answered),
        "seconds": round(sum(one.seconds or 0.0 for one in answered), 2),
        "wall_seconds": round(sum(one.wall_seconds for one in readings), 2),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"limits": asdict(LIMITS), "summary": summary, "files": [asdict(one) for one in readings]}
    write_whole(options.out, json.dumps(report, indent=1).encode())
    sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
