"""`python -m tuner.signal.inspect PATH`: what an uploaded file holds, as one JSON object on standard output.

A program of its own, so that files from strangers are decoded in a process that can be given limits of time and memory
and that can die alone. It prints {"ok": true, "facts": {...}} or {"ok": false, "code": "...", "message": "..."} and
exits with 0 in both cases; any other exit means that it was killed or that it is broken. The facts of every kind have
`kind`, `format`, `shape`, `channels`, `sample_format` and `compaction_db`; `--kind` says which kinds are welcome.
"""

import argparse
import json
import sys
from pathlib import Path

from tuner.errors import SignalTooLarge, TunerError, UnsupportedFormat
from tuner.signal.formats import format_of, inspect_signal
from tuner.signal.limits import SignalLimits
from tuner.signal.signal import SignalKind


def main(arguments: list[str] | None = None) -> None:
    """Inspect the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tuner.signal.inspect")
    parser.add_argument("path", type=Path)
    parser.add_argument("--max-pixels", type=int, default=SignalLimits().points, help="points of the grid, of any kind")
    parser.add_argument("--max-side", type=int, default=SignalLimits().side)
    parser.add_argument("--kind", action="append", choices=[kind.value for kind in SignalKind], help="all if not given")
    options = parser.parse_args(arguments)
    limits = SignalLimits(points=options.max_pixels, side=options.max_side)
    report: dict[str, object]
    try:
        report = {"ok": True, "facts": _facts(options.path, limits, options.kind)}
    except TunerError as error:
        report = {"ok": False, "code": error.code, "message": str(error)}
    except MemoryError:
        report = {"ok": False, "code": SignalTooLarge.code, "message": "the file needs more memory than is allowed"}
    sys.stdout.write(json.dumps(report) + "\n")


def _facts(path: Path, limits: SignalLimits, kinds: list[str] | None) -> dict[str, object]:
    limits.check("bytes", path.stat().st_size)
    data = path.read_bytes()
    kind = format_of(data).kind
    if kinds and kind not in kinds:
        raise UnsupportedFormat(f"the file is of kind {kind}, expected {' or '.join(kinds)}")
    return inspect_signal(data, limits)


if __name__ == "__main__":
    main()
