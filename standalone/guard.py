"""The guard: a small process that outlives a killed parent just long enough to stop everything in order.

The parent holds the writing end of a pipe to the guard's standard input and tells it each process that it starts. When
the parent dies, by whatever means, the kernel closes the pipe; the guard reads its end and stops what still lives.
After a clean stop nothing lives and the guard just ends. It writes no files, so it cannot disturb a successor that is
already starting; the successor waits for it.

`Guard` is the parent's side, called by `standalone.supervise`; `python -m standalone.guard` is the other.
"""

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict
from typing import TextIO

import psutil

from standalone.errors import log_tail
from standalone.home import Home
from standalone.program import python_environment
from standalone.records import ProcessRecord, stop_in_order


class Guard:
    """The guard process, as seen by the parent."""

    def __init__(self, home: Home) -> None:
        self._log = home.logs / "guard.log"
        with self._log.open("ab") as log:
            self._log_begins = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "standalone.guard"],
                cwd=home.path,
                env=python_environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # neither Ctrl-C nor the end of the terminal may reach it
            )
        self.record = ProcessRecord(
            name="guard", pid=self._process.pid, created=psutil.Process(self._process.pid).create_time()
        )

    def is_alive(self) -> bool:
        """Whether it still watches."""
        return self._process.poll() is None

    def log_tail(self) -> str:
        """The last lines that it wrote, for the end of an error message."""
        return log_tail(self._log, self._log_begins)

    def watch(self, record: ProcessRecord) -> None:
        """Tell the guard about a process; does nothing when the guard itself is gone."""
        with contextlib.suppress(BrokenPipeError):  # the supervisor sees that it is gone and starts another
            print(json.dumps(asdict(record)), file=self._process.stdin, flush=True)

    def release(self) -> None:
        """Close the pipe, and wait until the guard has stopped whatever it still finds."""
        try:
            self._process.communicate()
        except BrokenPipeError:
            self._process.wait()


def main(lines: TextIO = sys.stdin) -> None:
    """Collect what the parent starts; when the parent is gone, stop it."""
    records = [ProcessRecord.from_json(json.loads(line)) for line in lines if line.endswith("\n")]
    stop_in_order(records, say=_log)


def _log(line: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not keep it from its work
        print(line, flush=True)  # noqa: T201 (into guard.log)


if __name__ == "__main__":
    main()
