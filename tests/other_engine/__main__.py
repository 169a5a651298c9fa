"""`python -m tests.other_engine --files N --seed S`: whether two engines agree; the exit status is 1 if they do not."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.other_engine.agreement import cases, disagreements


def main() -> int:
    """Draw files, decode them twice, and say how many differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.other_engine", description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="number of files that are drawn")
    parser.add_argument("--seed", type=int, default=1, help="seed that they are drawn from")
    chosen = parser.parse_args()
    drawn = list(cases(chosen.files, chosen.seed))
    with tempfile.TemporaryDirectory() as folder:
        wrong = disagreements(drawn, Path(folder))
    version = subprocess.run(["node", "--version"], capture_output=True, check=True, text=True).stdout.strip()
    samples = sum(case.samples for case in drawn)
    sys.stdout.write(
        f"{len(drawn)} files of {samples} samples by wasmtime and Node {version}: {len(wrong)} differ in an "
        f"integer, or a bit of a weight, a value or a derivative{': ' if wrong else ''}{', '.join(map(str, wrong))}\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
