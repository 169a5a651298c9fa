"""A service to be measured, with two workers of one thread each, until standard input ends.

It is run by its path, with PYTHONPATH at the checkout whose service it is, be it this one or an earlier one: so it uses
nothing of the benchmarks beside it. It prints one line of JSON once all is up: `api_url`, and `processes`, the name and
the id of each process of the service.
"""

import json
import os
import sys
from dataclasses import replace

from standalone import processes
from standalone.stack import stack
from tests.engines import throwaway_home

WORKERS = 2
SETTINGS = {"TUNER_WORKER_DEVICE": "cpu", "TUNER_WORKER_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Serve."""
    os.environ.update(SETTINGS)
    with throwaway_home() as home, stack(home, with_worker=False) as running:
        made = processes.worker(home, {**running.environment, **SETTINGS}, running.account)
        names = [f"worker-{number + 1}" for number in range(WORKERS)]
        logs = [made.program.log.with_name(f"{name}.log") for name in names]
        programs = [replace(made.program, name=name, log=log) for name, log in zip(names, logs, strict=True)]
        running.start(*(replace(made, program=program) for program in programs))
        told = {"api_url": running.api_url, "processes": [(each.name, each.pid) for each in running.records()]}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
