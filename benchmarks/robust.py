"""Does the default trainer start, and go on, on every picture of a folder? Short fits over sizes, depths and seeds.

    make bench-robust ROBUST_OPTIONS='--images /path/to/pictures'
    python -m benchmarks.robust --images FOLDER --pictures 4 --steps 10

Every picture is reduced to a square and fitted with each network and seed. A fit fails if its loss is no number, if it
rises, if no step was accepted, or if it ends below `--least-gain` decibels above a constant picture. Every result is a
line of `robust.jsonl`; a run that was interrupted goes on where it stopped. Ends with status 1 if anything failed.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tuner.decibels import mse_to_psnr_db
from tuner.errors import FitDiverged
from tuner.fit import Budget, FitConfig, fit
from tuner.fit.config import NaturalGradientConfig
from tuner.network.sines.config import NetworkConfig
from tuner.signal.signal import Signal

# Frequencies and hidden layers: widths 32 to 512, depths 1 to 3.
NETWORKS: dict[str, tuple[int, tuple[int, ...]]] = {
    "32": (256, (32,)),
    "128": (512, (128,)),
    "512": (364, (512,)),
    "64-64": (256, (64, 64)),
    "256-256": (256, (256, 256)),
    "48-48-48": (256, (48, 48, 48)),
}


def picture(path: Path, side: int) -> Signal:
    """A picture reduced to side x side, RGB."""
    with Image.open(path) as image:
        small = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    return Signal(values=np.asarray(small, dtype=np.float32) / 255.0)


def verdict(signal: Signal, network: NetworkConfig, seed: int, steps: int, least_gain_db: float) -> dict[str, object]:
    """Fit, and say what went wrong, if anything did."""
    config = FitConfig(network=network, trainer=NaturalGradientConfig(), budget=Budget(max_steps=steps), seed=seed)
    try:
        result = fit(signal, config)
    except FitDiverged as error:
        return {"failures": [f"diverged: {error}"]}
    history = result.history
    gain_db = result.psnr_db - mse_to_psnr_db(float(signal.values.var(axis=(0, 1)).mean()))
    accepted = sum(later < earlier for earlier, later in pairwise(history))
    failures = []
    if not all(isfinite(loss) for loss in history):
        failures.append("a loss is no number")
    if any(later > earlier for earlier, later in pairwise(history)):
        failures.append("the loss rose")
    if accepted == 0 or gain_db < least_gain_db:
        failures.append(f"did not start: {accepted} steps accepted, {gain_db:.1f} dB above a constant picture")
    return {
        "psnr_db": round(result.psnr_db, 3),
        "gain_db": round(gain_db, 3),
        "refused_steps": len(history) - 1 - accepted,
        "seconds": round(result.seconds, 2),
        "failures": failures,
    }


def cases(images: list[Path], networks: list[str], seeds: int) -> Iterator[tuple[Path, str, int]]:
    """Every picture first with one network, then with the next: a short run has seen all pictures."""
    for name, seed, path in product(networks, range(seeds), images):
        yield path, name, seed


def main() -> None:
    """Parse the options, run what is not in the report yet, sum up."""
    parser = argparse.ArgumentParser(description="The default trainer on many pictures, networks and seeds.")
    parser.add_argument("--images", type=Path, required=True, help="a folder of pictures")
    parser.add_argument("--pictures", type=int, default=None, help="only the first so many")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--least-gain", type=float, default=1.0, help="decibels above a constant picture")
    parser.add_argument("--out", type=Path, default=Path("build/bench/robust.jsonl"))
    options = parser.parse_args()

    os.nice(15)
    torch.set_num_threads(1)
    images = sorted(p for p in options.images.iterdir() if p.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {tuple(json.loads(line)["case"]): json.loads(line) for line in lines}
    with options.out.open("a") as report:
        for path, name, seed in cases(images[: options.pictures], options.networks, options.seeds):
            case = (path.name, name, seed, options.side, options.steps)
            if case in done:
                continue
            frequencies, hidden = NETWORKS[name]
            network = NetworkConfig(frequencies=frequencies, hidden=hidden)
            found = verdict(picture(path, options.side), network, seed, options.steps, options.least_gain)
            done[case] = {"case": case} | found
            report.write(json.dumps(done[case]) + "\n")
            report.flush()
    failed = {case: found["failures"] for case, found in done.items() if found["failures"]}
    refused = sum(found.get("refused_steps", 0) for found in done.values())
    print(f"{len(done)} fits, {len(failed)} failed, {refused} refused steps")  # noqa: T201
    for case, failures in failed.items():
        print(case, failures)  # noqa: T201
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
