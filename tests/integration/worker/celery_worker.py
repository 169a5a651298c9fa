"""A worker as Celery runs it, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_worker(environment: Mapping[str, str], log: Path, *options: str, **settings: str) -> Iterator[None]:
    """One Celery worker, as `tunerd` starts it, with further options of its command line."""
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--loglevel", "INFO", *options]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, env=os.environ | environment | settings, stdout=output, stderr=output)
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(60)
        finally:
            worker.kill()
            worker.wait()
