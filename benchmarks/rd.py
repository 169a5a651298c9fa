"""Rate and distortion: our files against those of other codecs, on the same pixels, with the same metric.

    python -m benchmarks.rd --pictures FOLDER --take kodim15 kodim23 --rates 0.2 0.3 0.6
    make bench-rd BENCH_OPTIONS='--pictures FOLDER --published CURVES.csv'

Every cell (picture, codec, rate) writes a file and one line of `cells.jsonl`; a run that was interrupted goes on with
the cells that are missing. Then all lines together become `rd.json` (points, means over the pictures that every codec
has, BD-rates with the interval of PSNR on which they are taken) and plots. Bytes are those of files on disk, seconds
those of the processor. Without `--pictures` it takes two photographs that come with scikit-image.
`--published` draws curves behind ours: a CSV with the columns codec, bpp, psnr, which are means over another set of
pictures unless the whole of that set was taken here.
"""

import argparse
import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.cells import Cells
from benchmarks.rd_codecs import OURS, RIVALS, code_ours, code_rival
from benchmarks.rd_report import bd_rate_percent, draw_curves, draw_side_by_side
from tuner.metrics import psnr_db
from tuner.signal.image import read_image
from tuner.signal.signal import Signal

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Picture:
    """A name and its signal."""

    name: str
    signal: Signal


def main() -> None:
    """Fill the cells that are missing, then report on all that are there."""
    options = _options()
    torch.set_num_threads(options.threads)
    out: Path = options.out
    (out / "files").mkdir(parents=True, exist_ok=True)
    pictures = _pictures(options, out)
    cells = Cells(out)
    done = {_key(row) for row in cells.rows()}
    for picture in pictures:
        for rate in options.rates:
            for codec in options.codecs:
                if (picture.name, codec, rate) not in done:
                    row = _cell(picture, codec, rate, options, out)
                    cells.add(row)
    _report(cells.rows(), out, options.published)


def _cell(picture: Picture, codec: str, rate: float, options: argparse.Namespace, out: Path) -> dict[str, object]:
    suffix = "tnr" if codec == OURS else codec
    path = out / "files" / f"{picture.name}-{rate}.{suffix}"
    if codec == OURS:
        chosen = {"steps": options.steps, "max_seconds": options.seconds, **json.loads(options.config)}
        coded = code_ours(picture.signal, rate, chosen, path)
    else:
        coded = code_rival(codec, picture.signal, rate, path)
    Image.fromarray(coded.pixels).save(path.with_name(f"{path.name}.png"))
    return {
        "image": picture.name,
        "codec": codec,
        "rate": rate,
        "bytes": path.stat().st_size,
        "bpp": 8 * path.stat().st_size / picture.signal.sample_count,
        "psnr": psnr_db(picture.signal.values, (coded.pixels / np.float32(255.0)).astype(np.float32)),
        "encode_seconds": round(coded.encode_seconds, 3),
        "decode_seconds": round(coded.decode_seconds, 4),
        **coded.facts,
    }


def _report(rows: list[dict[str, object]], out: Path, published: Path | None) -> None:
    by_image: dict[str, dict[str, Points]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_image[str(row["image"])][str(row["codec"])].append((float(str(row["bpp"])), float(str(row["psnr"]))))
    complete = {name: curves for name, curves in by_image.items() if OURS in curves}
    rates = sorted({float(str(row["rate"])) for row in rows if row["codec"] == OURS and row["image"] in complete})
    means = []
    for codec in (OURS, *RIVALS):
        for rate in rates:
            cells = [row for row in rows if row["codec"] == codec and row["rate"] == rate and row["image"] in complete]
            ours = {row["image"] for row in rows if row["codec"] == OURS and row["rate"] == rate}
            cells = [row for row in cells if row["image"] in ours]
            mean = {name: float(np.mean([float(str(row[name])) for row in cells])) for name in _MEANS}
            means.append({"codec": codec, "rate": rate, "images": sorted(str(row["image"]) for row in cells), **mean})
    bd = {
        name: {rival: bd_rate_percent(curves[rival], curves[OURS]) for rival in RIVALS}
        for name, curves in complete.items()
    }
    report = {"images": sorted(complete), "means": means, "bd_rate": bd, "cells": rows}
    # One flat row for each codec and picture, as other tools read it.
    report["points"] = [
        row | {"bd_rate_vs_jpeg": bd[str(row["image"])]["jpeg"] if row["codec"] == OURS else None}
        for row in rows
        if row["image"] in complete
    ]
    (out / "rd.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    draw_curves(complete, _published(published), out / "rd.png")
    for name in complete:
        draw_side_by_side(name, [row for row in rows if row["image"] == name], out)


_MEANS = ("bpp", "psnr", "encode_seconds", "decode_seconds")


def _pictures(options: argparse.Namespace, out: Path) -> list[Picture]:
    if options.pictures is None:
        from skimage import data

        paths = []
        for name in ("astronaut", "coffee"):
            paths.append(out / f"{name}.png")
            Image.fromarray(getattr(data, name)()).save(paths[-1])
    else:
        paths = sorted(options.pictures.glob("*.png"))
    chosen = [path for path in paths if not options.take or path.stem in options.take]
    return [Picture(path.stem, read_image(path)) for path in chosen]


def _published(path: Path | None) -> dict[str, Points]:
    curves: dict[str, Points] = defaultdict(list)
    if path is not None:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                curves[row["codec"]].append((float(row["bpp"]), float(row["psnr"])))
    return {codec: sorted(points) for codec, points in curves.items()}


def _key(row: dict[str, object]) -> tuple[str, str, float]:
    return str(row["image"]), str(row["codec"]), float(str(row["rate"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of PNG images")
    parser.add_argument("--take", nargs="*", default=[], help="names without suffix; all if left out")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.2, 0.3, 0.6], help="bits per pixel")
    parser.add_argument("--codecs", nargs="+", choices=[*RIVALS, OURS], default=[*RIVALS, OURS], help="whose files")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float, help="of training per fit")
    parser.add_argument("--config", default="{}", help="other settings of WaveletConfig, as JSON")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--published", type=Path, help="CSV of curves to draw behind")
    parser.add_argument("--out", type=Path, default=Path("build/bench/rd"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
