"""`python -m tuner.signal.inspect PATH`: what an uploaded file holds, as one JSON object on standard output.

It prints {"ok": true, "facts": {...}} or {"ok": false, "code": "...", "message": "..."} and exits with 0 in both cases;
any other exit means that it was killed or that it is broken. The facts of every kind have `kind`, `format`, `shape`,
`channels`, `sample_format` and `compaction_db`; `--kind` says which kinds are welcome. Those of a small signal have
`decoded_sha256`, too: the digest of what `tuner.signal.handover` hands over for the file, by which whoever has it read
together with others knows whether that can be believed.

Files from strangers are decoded in a process that can open nothing and that ends with the file: `prepare` and `run` are
the same without a path, for a process that is locked in between the two.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, Final

from tuner.errors import SignalTooLarge, TunerError, UnsupportedFormat
from tuner.notes import pass_over_notes
from tuner.signal import handover
from tuner.signal.formats import FileFormat, format_of, inspect_signal
from tuner.signal.handover import blame_memory, load_readers
from tuner.signal.limits import SignalLimits
from tuner.signal.signal import SignalKind

SMALL_BYTES: Final = 1 << 18  # of the largest file, and the most values of its signal, of which a digest is made
SMALL_VALUES: Final = 49_152  # 128 x 128 in colour

LimitsOf = Callable[[FileFormat], SignalLimits]


def main(arguments: list[str] | None = None) -> None:
    """Inspect the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tuner.signal.inspect")
    parser.add_argument("path", type=Path)
    parser.add_argument("--max-pixels", type=int, default=SignalLimits().points, help="points of the grid, of any kind")
    parser.add_argument("--max-side", type=int, default=SignalLimits().side)
    parser.add_argument("--kind", action="append", choices=[kind.value for kind in SignalKind], help="all if not given")
    options = parser.parse_args(arguments)
    pass_over_notes()
    limits = SignalLimits(points=options.max_pixels, side=options.max_side)
    report: dict[str, object]
    try:
        limits.check("bytes", options.path.stat().st_size)
        report = _report(options.path.read_bytes(), lambda _: limits, options.kind)
    except TunerError as error:
        report = _refusal(error)
    except MemoryError:
        report = {"ok": False, "code": SignalTooLarge.code, "message": "the file needs more memory than is allowed"}
    sys.stdout.write(json.dumps(report) + "\n")


def prepare() -> None:
    """Load everything that any file may need."""
    load_readers()
    sha256()  # once, since nothing that it may need can be opened later
    pass_over_notes()


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    """Inspect a file: the report as JSON.

    Args:
        data: content of the file.
        request: may have `max_pixels`, the pixels of the largest picture, and `max_points`, the points of the largest
            grid of another kind; only what is never held as values may have more than `SignalLimits` allows.
    """
    held = SignalLimits()

    def limits(found: FileFormat) -> SignalLimits:
        if found.kind is SignalKind.IMAGE:
            return replace(held, points=request.get("max_pixels", held.points))
        points: int = request.get("max_points", held.points)
        return replace(held, points=points if found.is_read_as_stored else min(points, held.points))

    yield json.dumps(_report(data, limits, None)).encode()


def _report(data: bytes, limits: LimitsOf, kinds: list[str] | None) -> dict[str, object]:
    try:
        return {"ok": True, "facts": _facts(data, limits, kinds)}
    except TunerError as error:
        blame_memory(error)
        return _refusal(error)


def _refusal(error: TunerError) -> dict[str, object]:
    return {"ok": False, "code": error.code, "message": str(error)}


def _facts(data: bytes, limits: LimitsOf, kinds: list[str] | None) -> dict[str, object]:
    found = format_of(data)
    if kinds and found.kind not in kinds:
        raise UnsupportedFormat(f"the file is of kind {found.kind}, expected {' or '.join(kinds)}")
    facts = inspect_signal(data, limits(found))
    return facts | ({"decoded_sha256": _decoded_sha256(data)} if _is_small(data, found, facts) else {})


def _is_small(data: bytes, found: FileFormat, facts: dict[str, Any]) -> bool:
    """Whether a file is read as quickly as it was inspected; a mesh is not, which was only looked at coarsely."""
    values = prod(facts["shape"]) * facts["channels"]
    return found.kind is not SignalKind.DISTANCE and len(data) <= SMALL_BYTES and values <= SMALL_VALUES


def _decoded_sha256(data: bytes) -> str:
    digest = sha256()
    # As values, which is how every signal of so few is handed over.
    for piece in handover.run(data, {"stored_beyond": dict.fromkeys(SignalKind, SMALL_VALUES)}):
        digest.update(piece)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
