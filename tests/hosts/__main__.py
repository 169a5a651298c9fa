"""`make test-hosts`: cut one of two hosts with workers off for a minute, and print what came of it.

Where namespaces cannot be made it says so and ends.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from tests.chaos.run import write_report
from tests.hosts.cut import run_cut
from tests.hosts.network import NetworkRefused


def main() -> int:
    """Returns the exit status: 0 if every fit came to its one end, or nothing could be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="time for which the host is cut off")
    parser.add_argument("--out", type=Path, default=Path("build/hosts"), help="folder for the report and the logs")
    asked = parser.parse_args()
    logging.getLogger("httpx").setLevel(logging.ERROR)
    try:
        report = run_cut(seconds=asked.seconds, logs=asked.out / "logs")
    except NetworkRefused as error:
        sys.stdout.write(f"Not run: this machine lets nobody make hosts of network namespaces here ({error}).\n")
        return 0
    write_report(report, asked.out / "report.json")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if report["violations"] or report["late"] else 0


if __name__ == "__main__":
    sys.exit(main())
