"""`python -m tests.fuzz --examples 100`: fuzz the API for long, and leave `build/api/fuzz.json`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.engines import fresh_corner, throwaway_engines
from tests.fuzz.run import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="requests made up for each operation, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/api/fuzz.json"))
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        throwaway_engines() as engines,
        fresh_corner(engines) as environment,
    ):
        migrate = [sys.executable, "-m", "standalone.migrate"]
        subprocess.run(migrate, env=os.environ | environment, check=True, capture_output=True)
        result = fuzz(environment, Path(folder), examples=asked.examples, seed=asked.seed)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(result["output"] + f"\n{asked.out}\n")
    return int(result["status"] != 0 or bool(result["errors_logged"]))


if __name__ == "__main__":
    sys.exit(main())
