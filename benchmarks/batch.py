"""Small signals fitted together beside the same fitted one by one: `make bench-batch`, build/bench/batch.json.

Crops of several sizes, each with a network of sines whose weights are about a third of its pixels, as many steps for
all. What is compared is the quality of each member with that of its own fit, and the processor time of a picture, both
ways in one process on one thread and by turns, so that a busy machine is busy for both.
"""

import argparse
import json
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch

from benchmarks.crops import made_up
from benchmarks.load import machine
from tuner.errors import FitDiverged
from tuner.fit import Budget, FitConfig, FitResult, fit, fit_batch
from tuner.fit.config import NaturalGradientConfig
from tuner.network.sines.config import NetworkConfig
from tuner.signal.signal import Signal

NETWORKS = {32: (48, 24), 64: (96, 48), 128: (160, 80)}  # frequencies and neurons, by the pixels of a side
MEMBERS = (4, 16)
# A batch of four is fitted so often that its time can be read.
TURNS = 3


def main() -> None:
    """Measure, and write the report."""
    options = _options()
    torch.set_num_threads(1)
    report: dict[str, Any] = {"machine": machine(), "steps": options.steps, "batches": []}
    for side in options.sides:
        for members in options.members:
            row = measured(side, members, options.steps, options.seed)
            report["batches"].append(row)
            print(json.dumps(row), flush=True)  # noqa: T201
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measured(side: int, members: int, steps: int, seed: int) -> dict[str, Any]:
    """One batch and its members alone.

    Args:
        side: number of pixels of a side of each picture, a key of `NETWORKS`.
        members: number of pictures.
        steps: number of steps of each fit.
        seed: seed of the pictures.
    """
    random = np.random.default_rng(seed)
    signals = [Signal(values=made_up(random, side).astype(np.float32) / 255.0) for _ in range(members)]
    frequencies, neurons = NETWORKS[side]
    config = FitConfig(
        network=NetworkConfig(frequencies=frequencies, hidden=(neurons,)),
        budget=Budget(max_steps=steps),
        trainer=NaturalGradientConfig(),
    )
    alone: list[FitResult] = []
    together: tuple[FitResult | FitDiverged, ...] = ()
    spent: dict[str, list[float]] = {"alone": [], "together": []}
    for _ in range(TURNS):
        begun = process_time()
        alone = [fit(signal, config) for signal in signals]
        middle = process_time()
        together = fit_batch(signals, config)
        spent["alone"].append((middle - begun) / members)
        spent["together"].append((process_time() - middle) / members)
    differences = [_psnr_db(both) - one.psnr_db for one, both in zip(alone, together, strict=True)]
    seconds = {name: median(values) for name, values in spent.items()}
    return {
        "side": side,
        "members": members,
        "psnr_db": round(float(np.mean([one.psnr_db for one in alone])), 2),
        "greatest_difference_db": max(map(abs, differences)),
        "processor_seconds_of_a_picture": {name: round(value, 4) for name, value in seconds.items()},
        "times_as_fast": round(seconds["alone"] / seconds["together"], 2),
    }


def _psnr_db(ended: FitResult | FitDiverged) -> float:
    if isinstance(ended, FitDiverged):
        raise ended
    return ended.psnr_db


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", choices=sorted(NETWORKS), default=sorted(NETWORKS))
    parser.add_argument("--members", type=int, nargs="+", default=list(MEMBERS), help="pictures of each batch")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/bench/batch.json"), help="file of the report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
