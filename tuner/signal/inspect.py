"""`python -m tuner.signal.inspect PATH`: what an uploaded image holds, as one JSON object on standard output.

A program of its own, so that files from strangers are decoded in a process that can be given limits of time and memory
and that can die alone. It prints {"ok": true, "facts": {...}} or {"ok": false, "code": "...", "message": "..."} and
exits with 0 in both cases; any other exit means that it was killed or that it is broken.
"""

import argparse
import json
import sys
from pathlib import Path

from tuner.errors import SignalTooLarge, TunerError
from tuner.signal.compaction import compaction_db
from tuner.signal.image import ImageLimits, inspect_image, read_image


def main(arguments: list[str] | None = None) -> None:
    """Inspect the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tuner.signal.inspect")
    parser.add_argument("path", type=Path)
    parser.add_argument("--max-pixels", type=int, default=ImageLimits().max_pixels)
    parser.add_argument("--max-side", type=int, default=ImageLimits().max_side)
    options = parser.parse_args(arguments)
    limits = ImageLimits(max_pixels=options.max_pixels, max_side=options.max_side)
    report: dict[str, object]
    try:
        facts = inspect_image(options.path, limits).to_json()
        values = read_image(options.path, limits).values
        report = {"ok": True, "facts": facts | {"compaction_db": compaction_db(values)}}
    except TunerError as error:
        report = {"ok": False, "code": error.code, "message": str(error)}
    except MemoryError:
        report = {"ok": False, "code": SignalTooLarge.code, "message": "the image needs more memory than is allowed"}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
