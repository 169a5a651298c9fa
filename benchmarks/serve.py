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
from standalone.home import Home
from standalone.program import Service
from standalone.stack import stack
from standalone.supervise import Supervisor
from tests.engines import throwaway_home

WORKERS = 2
SETTINGS = {"TUNER_WORKER_DEVICE": "cpu", "TUNER_WORKER_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Serve."""
    os.environ.update(SETTINGS)
    with throwaway_home() as home, stack(home, with_worker=False) as running:
        running.start(*(worker_number(running, home, number) for number in range(WORKERS)))
        told = {"api_url": running.api_url, "processes": [(each.name, each.pid) for each in running.records()]}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


def worker_number(running: Supervisor, home: Home, number: int) -> Service:
    """A worker of one thread beside others.

    Args:
        running: stack that the worker belongs to.
        home: folder of its data.
        number: number of the worker, counted from 0.
    """
    made = processes.worker(home, {**running.environment, **SETTINGS}, running.account)
    name = f"worker-{number + 1}"
    return replace(made, program=replace(made.program, name=name, log=made.program.log.with_name(f"{name}.log")))


if __name__ == "__main__":
    main()
