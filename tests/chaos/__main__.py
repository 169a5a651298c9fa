"""`python -m tests.chaos --fits 200 --faults 60 --seed 1`: run, report, and fail if a promise was broken."""

import argparse
import json
import logging
import sys
from pathlib import Path

from tests.chaos.outage import run_outage
from tests.chaos.restored import run_restored
from tests.chaos.run import run_chaos, write_report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker-away", type=float, help="only this, for so many seconds, 20 fits and 50 submissions")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"), help="folder of report.json and the logs")
    parser.add_argument("--backup", type=int, help="only this: a backup while so many fits run, and what is made of it")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for noisy in ("httpx", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    if asked.broker_away is not None:
        outage = run_outage(seconds=asked.broker_away, fits=20, submissions=50)
        write_report(outage, asked.out / "outage.json")
        sys.stdout.write(json.dumps(outage, indent=2) + "\n")
        return 0 if outage["succeeded"] == outage["accepted"] == 70 else 1
    if asked.backup is not None:
        restored = run_restored(fits=asked.backup)
        write_report(restored, asked.out / "restored.json")
        sys.stdout.write(json.dumps(restored, indent=2) + "\n")
        return 0 if restored["same_bytes"] == restored["fits"] and not restored["strange"] else 1
    report = run_chaos(fits=asked.fits, faults=asked.faults, seed=asked.seed, logs=asked.out / "logs")
    write_report(report, asked.out / "report.json")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
