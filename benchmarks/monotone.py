"""Whether a file that may be larger is ever worse: quality at forty sizes for each of several signals.

    python -m benchmarks.monotone --take phantom
    make bench-monotone BENCH_OPTIONS='--files p128.png t.npy'

Sixteen sizes span the range from 0.1 bits for each value to 8, twelve lie within 2 % of 2.5 bits for each value, and
twelve within 5 % of 1,800 bytes: where requests once changed from one network to another, and quality fell by 15 dB.
Every size is a fit of its own, as a request for it would get. What is reported of a signal is the greatest fall: how
far the quality of a file lies below the best of those that were asked for fewer bytes, in dB. Every fit is one line
of `cells.jsonl`; a run that was interrupted goes on with those that are missing. Seconds are those of the processor.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from benchmarks import signals
from benchmarks.cells import Cells
from tuner.codec.decode import decode
from tuner.metrics import written_psnr_db
from tuner.signal.formats import read_signal
from tuner.signal.signal import Signal
from tuner.targets.request import ask_for
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind

_RANGE = (0.1, 8.0)  # bits for each value
_THRESHOLD_BITS, _THRESHOLD_BYTES = 2.5, 1800


def main() -> None:
    """Fit what is missing, then report on all that is there."""
    options = _options()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    cells = Cells(options.out)
    done = {(row["signal"], row["asked"]) for row in cells.rows()}
    for name, signal in _signals(options).items():
        for size in sizes(signal):
            if (name, size) not in done:
                row = {"signal": name, "shape": signal.values.shape, "asked": size} | _fitted(signal, size)
                cells.add(row)
    report = {name: falls(rows) for name, rows in _by_signal(cells.rows()).items()}
    (options.out / "monotone.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))  # noqa: T201


def sizes(signal: Signal) -> list[int]:
    """Forty sizes of files in bytes, rising; fewer where a signal is so small that several are the same."""
    whole = signal.values.size / 8.0
    spans = (
        np.geomspace(_RANGE[0] * whole, _RANGE[1] * whole, 16),
        np.linspace(0.98, 1.02, 12) * _THRESHOLD_BITS * whole,
        np.linspace(0.95, 1.05, 12) * _THRESHOLD_BYTES,
    )
    return sorted({max(200, round(size)) for size in np.concatenate(spans)})


def falls(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The greatest fall among the files of one signal, and where it is.

    Args:
        rows: results of fits of the signal, with the keys "asked", "bytes" and "psnr_db".

    Returns:
        Number of the sizes, number of the files that are larger than asked, greatest fall in dB (0 where quality never
        falls), size that was asked for where it is, and number of the falls above 0.05 dB.
    """
    best, fall, where, many = -np.inf, 0.0, 0, 0
    for row in sorted(rows, key=lambda row: row["asked"]):
        below = best - row["psnr_db"]
        many += below > 0.05
        if below > fall:
            fall, where = below, row["asked"]
        best = max(best, row["psnr_db"])
    return {
        "sizes": len(rows),
        "too_large": sum(row["bytes"] > row["asked"] for row in rows),
        "greatest_fall_db": round(float(fall), 4),
        "at_bytes": where,
        "falls_above_0.05_db": int(many),
    }


def _fitted(signal: Signal, size: int) -> dict[str, Any]:
    began = process_time()
    content = fit_to_target(signal, ask_for(signal, "balanced", Target(TargetKind.BYTES, size))).content
    seconds = process_time() - began
    assert content is not None  # noqa: S101  nobody stops it
    found = decode(content).render()
    quality = written_psnr_db(signal.values, found.values, signal.storage)
    return {"bytes": len(content), "psnr_db": round(quality, 4), "seconds": round(seconds, 2)}


def _signals(options: argparse.Namespace) -> dict[str, Signal]:
    found = {"face": signals.photo(), "strings": signals.sound(), "phantom": signals.volume()}
    found |= {"terrain": signals.terrain()}
    found |= {path.stem: read_signal(path) for path in options.files}
    return {name: signal for name, signal in found.items() if not options.take or name in options.take}


def _by_signal(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [row for row in rows if row["signal"] == name] for name in sorted({row["signal"] for row in rows})}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="*", type=Path, default=[], help="further signals, of any kind")
    parser.add_argument("--take", nargs="*", default=[], help="names of signals; all if left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/bench/monotone"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
