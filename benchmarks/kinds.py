"""Our files of sounds, volumes, videos, meshes and arrays beside what such signals are usually coded with.

    python -m benchmarks.kinds --take strings knot
    make bench-kinds BENCH_OPTIONS='--data FOLDER'

Every cell (signal, codec, bytes) writes a file and one line of `cells.jsonl`; a run that was interrupted goes on with
the cells that are missing. Ours come first: `tuner` is what a request for so many bytes gets, `sines` the network that
it got before. Rivals are asked for the same bytes, and give what is nearest. All lines together become `kinds.json` and
`kinds.md`. Bytes are those of files, containers and metadata included, seconds those of the processor. Signals are
generated, or ship with libraries; a folder adds `audio/*.wav` and `mesh/*.obj`.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks import signals
from benchmarks.cells import Cells
from benchmarks.kinds_codecs import RIVALS, Rival, Source, field_of
from tuner.codec.decode import decode
from tuner.metrics import snr_db, written_psnr_db
from tuner.quality.sound import log_spectral_distance_db
from tuner.quality.surface import chamfer_distance, occupancy_iou
from tuner.signal.details import AudioDetails
from tuner.signal.formats import read_signal, read_surface
from tuner.signal.mesh import surface_of
from tuner.signal.signal import Signal, SignalKind
from tuner.targets.ask import NetworkKind
from tuner.targets.request import ask_for
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind

OURS, BEFORE = "tuner", "sines"
_KILOBITS = (24.0, 48.0, 96.0)  # per second and channel of a sound
_BITS = {SignalKind.VOLUME: (0.3, 1.0, 2.0), SignalKind.VIDEO: (0.2, 0.5, 1.5), SignalKind.ARRAY: (1.0, 2.0)}
_MESH_BYTES = (2500, 5000, 10_000)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Case:
    """A named source, and the bytes that all codecs are asked for."""

    name: str
    source: Source
    sizes: tuple[int, ...]


def main() -> None:
    """Fill the cells that are missing, then report on all that are there."""
    options = _options()
    torch.set_num_threads(options.threads)
    out: Path = options.out
    (out / "files").mkdir(parents=True, exist_ok=True)
    cells = Cells(out)
    done = {(row["signal"], row["codec"], row["asked"]) for row in cells.rows()}
    for case in _cases(options):
        rivals = RIVALS[case.source.signal.kind]
        for size in case.sizes:
            for codec in (OURS, BEFORE, *rivals):
                if (case.name, codec, size) in done or (options.codecs and codec not in options.codecs):
                    continue
                row = _cell(case, codec, size, rivals.get(codec), options.effort, out / "files")
                cells.add(row)
    rows = sorted(cells.rows(), key=lambda row: (row["kind"], row["signal"], row["asked"]))
    (out / "kinds.json").write_text(json.dumps({"cells": rows}, indent=1) + "\n", encoding="utf-8")
    (out / "kinds.md").write_text(_table(rows), encoding="utf-8")


def _cell(case: Case, codec: str, size: int, rival: Rival | None, effort: str, folder: Path) -> dict[str, object]:
    source = case.source
    if rival is None:
        facts: dict[str, object] = {"effort": effort}
        data, encode_seconds = _timed(lambda: _ours(source.signal, size, codec, effort))
        back, decode_seconds = _timed(lambda: Source(decode(data).render()))
    else:
        setting = _nearest(rival, source, size)
        facts = {"setting": setting}
        data, encode_seconds = _timed(lambda: rival.encode(source, setting))
        back, decode_seconds = _timed(lambda: rival.decode(source, data))
    (folder / f"{case.name}-{size}.{codec}").write_bytes(data)
    return {
        "signal": case.name,
        "kind": source.signal.kind.value,
        "shape": source.signal.grid_shape,
        "codec": codec,
        "asked": size,
        "bytes": len(data),
        **{name: round(value, 5) for name, value in _measured(source, back).items()},
        "encode_seconds": round(encode_seconds, 3),
        "decode_seconds": round(decode_seconds, 4),
        **facts,
    }


def _ours(signal: Signal, size: int, codec: str, effort: str) -> bytes:
    target = Target(TargetKind.BYTES, size)
    ask = ask_for(signal, effort, target, kind=NetworkKind.SINES if codec == BEFORE else None)
    content = fit_to_target(signal, ask).content
    assert content is not None  # noqa: S101  nobody stops it
    return content


def _nearest(rival: Rival, source: Source, size: int) -> float:
    """The setting whose file is nearest in size, files growing with it."""
    settings = rival.settings
    low, high = 0, len(settings) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(rival.encode(source, settings[middle])) < size else (low, middle)
    candidates = settings[max(0, low - 1) : low + 1]
    return min(candidates, key=lambda setting: abs(len(rival.encode(source, setting)) - size))


def _measured(source: Source, back: Source) -> dict[str, float]:
    """Quality, in the measures of the kind."""
    signal, found = source.signal, back.signal
    if signal.kind is SignalKind.AUDIO:
        return {
            "snr_db": snr_db(signal.values, found.values),
            "lsd_db": log_spectral_distance_db(signal.values, found.values),
        }
    if source.surface is not None:
        surface = back.surface or surface_of(found)
        field = found if back.surface is None else field_of(source, surface)
        length = float(np.ptp(source.surface.vertices, axis=0).max())
        return {
            "psnr_db": written_psnr_db(signal.values, field.values, signal.storage),
            "iou": occupancy_iou(signal.values, field.values),
            # Of the longest side.
            "chamfer": chamfer_distance(source.surface, surface) / length,
        }
    return {"psnr_db": written_psnr_db(signal.values, found.values, signal.storage)}


def _cases(options: argparse.Namespace) -> list[Case]:
    found = {
        "strings": Source(signals.sound()),
        "phantom": Source(signals.volume()),
        "head": Source(signals.head()),
        "ball": Source(signals.video()),
        "pan": Source(signals.pan()),
        "knot": Source(signals.mesh(), read_surface(signals.knot())),
        "terrain": Source(signals.terrain()),
    }
    if options.data is not None:
        for path in sorted(options.data.glob("audio/*.wav")):
            found[path.stem] = Source(read_signal(path))
        for path in sorted(options.data.glob("mesh/*.obj")):
            found[path.stem] = Source(read_signal(path, resolution=64), read_surface(path))
    return [
        Case(name, source, _sizes(source.signal))
        for name, source in found.items()
        if not options.take or name in options.take
    ]


def _sizes(signal: Signal) -> tuple[int, ...]:
    if signal.kind is SignalKind.DISTANCE:
        return _MESH_BYTES
    if isinstance(signal.details, AudioDetails):
        seconds = signal.sample_count / signal.details.sample_rate
        return tuple(round(125.0 * kilobits * seconds * signal.channels) for kilobits in _KILOBITS)
    return tuple(round(bits * signal.sample_count / 8.0) for bits in _BITS[signal.kind])


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| signal | asked | codec | bytes | measures | encode s | decode s |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        names = [name for name in ("snr_db", "lsd_db", "psnr_db", "iou", "chamfer") if name in row]
        measures = ", ".join(f"{name} {row[name]}" for name in names)
        cells = ("signal", "asked", "codec", "bytes", "", "encode_seconds", "decode_seconds")
        lines.append("| " + " | ".join(measures if not name else str(row[name]) for name in cells) + " |")
    return "\n".join(lines) + "\n"


def _timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    started = process_time()
    return work(), process_time() - started


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with audio/*.wav and mesh/*.obj")
    parser.add_argument("--take", nargs="*", default=[], help="names of signals; all if left out")
    parser.add_argument("--codecs", nargs="*", default=[], help="names of codecs; all if left out")
    parser.add_argument("--effort", default="balanced", choices=("fast", "balanced", "best"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/bench/kinds"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
