"""How soon a network knows a picture between its samples: the default trainer and the published recipe, in one run.

    make bench-held-out                                             # twenty minutes of one core
    python -m benchmarks.held_out --images retina photo.png        # names of scikit-image, or files

The middle 256 x 256 pixels of pictures, 5 % of them held out; no setting was chosen by those that are run by default.
Both networks have 364 frequencies and 256 neurons; the recipe (`benchmarks.published`) begins with its own
initialisation, the default trainer with steps on coarser samples, as in `tuner paper`.
Each is measured on the pixels held out, and by its gradients, after a step or several; seconds are those of the
processor, one thread, measurements not counted. The default trainer runs before the recipe and after it, so that
whatever else the machine does meets both; of its two times the longer one counts. Writes `held_out.json`, anew after
each picture.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.curves import cpu_seconds
from benchmarks.fit import machine
from benchmarks.published import Recipe, adam
from tuner.experiment.paper import PAPER_TABLES
from tuner.experiment.samples import Samples, centre_crop
from tuner.experiment.training import measurement
from tuner.fit.config import NaturalGradientConfig
from tuner.fit.natural.samples import coarser_sweeps, grid_sweeps
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.natural.trainer import NaturalGradientTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.image import read_image
from tuner.signal.signal import Signal

IMAGES = ("hubble_deep_field", "motorcycle", "retina")
SIDE, HELD_OUT, SEED = 256, 0.05, 0
# The low box as for the published sizes (docs/decisions/0044-watched-samples.md); the recipe has its own.
NETWORK = NetworkConfig(frequencies=364, hidden=(256,), low_limit=0.1)
MARKS_DB = (26.0, 28.0, 30.0, 31.0, 32.0)
MARK_DB = 30.0
# As `tuner paper` begins.
COARSE_STEPS = PAPER_TABLES["kodak"].coarse_steps
# The default trainer without a prior on the weights, and with the prior of `tuner paper`.
PRIORS = {"natural_gradient": 0.0, "natural_gradient_prior": 1.0}
PUBLISHED = "published"
MEASURED = ("held_out", "gradient")

Curve = list[dict[str, float]]


def natural(signal: Signal, samples: Samples, prior: float) -> tuple[nn.Module, Iterator[float]]:
    """A network and its training by the default trainer, which gives the seconds of each step."""
    began = cpu_seconds()
    settings = NaturalGradientConfig(prior=prior, coarse_steps=COARSE_STEPS)
    network = SineNetwork.initial(NETWORK, samples.grid, signal.channels, SEED)
    held_out = samples.held_out_P.reshape(samples.shape)
    sweeps = grid_sweeps(network, signal, settings, held_out=held_out)

    def coarser() -> Iterator[Sweeps]:
        return coarser_sweeps(network, signal, settings, held_out=held_out)

    trainer = NaturalGradientTrainer(network, sweeps, settings, coarser)
    return network, _clocked(trainer.step, cpu_seconds() - began)


def published(signal: Signal, samples: Samples) -> tuple[nn.Module, Iterator[float]]:
    """A network and its training by the published recipe, from its own start."""
    recipe = Recipe.own(signal, NETWORK)
    return recipe, _clocked(adam(*samples.seen(), recipe, recipe.clamp), 0.0)


def curve(network: nn.Module, steps: Iterator[float], samples: Samples, *, seconds: float, every: int) -> Curve:
    """Qualities on the way, until the time is up or the highest mark is passed.

    Args:
        network: network that is trained.
        steps: its training, which gives the seconds of each step.
        samples: pixels, some of them held out.
        seconds: seconds of training after which it ends.
        every: number of steps from one measurement to the next.
    """
    found: Curve = []
    spent = 0.0
    for step, took in enumerate(steps, 1):
        spent += took
        if step % every == 0 or spent >= seconds:
            seen = measurement(network, samples, step=step, loss=0.0)  # type: ignore[arg-type]
            found.append(
                {
                    "step": step,
                    "seconds": round(spent, 3),
                    "train": round(seen.train_psnr_db, 3),
                    "held_out": round(seen.test_psnr_db or 0.0, 3),
                    "gradient": round(seen.gradient_psnr_db or 0.0, 3),
                }
            )
            if spent >= seconds or found[-1]["held_out"] >= MARKS_DB[-1]:
                break
    return found


def first(curve: Curve, mark: float, what: str) -> float | None:
    """Seconds until a quality was first measured; None if it never was."""
    return next((row["seconds"] for row in curve if row[what] >= mark), None)


def compared(image: str, *, seconds: float, published_seconds: float) -> dict[str, Any]:
    """All curves of one picture, and how many times sooner each mark comes."""
    signal = centre_crop(_picture(image), SIDE)
    samples = Samples.of(signal, NETWORK.period, held_out=HELD_OUT, seed=SEED)
    curves: dict[str, list[Curve]] = {name: [] for name in (*PRIORS, PUBLISHED)}

    def ours() -> None:
        for name, prior in PRIORS.items():
            curves[name].append(curve(*natural(signal, samples, prior), samples, seconds=seconds, every=1))
            print(image, name, curves[name][-1][-1], flush=True)  # noqa: T201

    ours()
    curves[PUBLISHED].append(curve(*published(signal, samples), samples, seconds=published_seconds, every=5))
    print(image, PUBLISHED, curves[PUBLISHED][-1][-1], flush=True)  # noqa: T201
    ours()
    return {
        "image": Path(image).stem,
        "curves": curves,
        "times_sooner": {what: times(curves, what) for what in MEASURED},
    }


def times(curves: dict[str, list[Curve]], what: str) -> dict[str, dict[str, str | float]]:
    """How many times sooner than by the recipe a mark is reached; ">" where the recipe did not reach it at all."""
    theirs = curves[PUBLISHED][0]
    table: dict[str, dict[str, str | float]] = {}
    for mark in MARKS_DB:
        for name in PRIORS:
            reached = [first(each, mark, what) for each in curves[name]]
            own = [seconds for seconds in reached if seconds is not None]
            if len(own) < len(reached):
                continue
            other = first(theirs, mark, what)
            ratio = round((theirs[-1]["seconds"] if other is None else other) / max(own), 1)
            table.setdefault(str(mark), {})[name] = f">{ratio}" if other is None else ratio
    return table


def _clocked(step: Callable[[], object], setup: float) -> Iterator[float]:
    """Steps without end, each with its seconds of the processor; the first one with those of what preceded it."""
    while True:
        began = cpu_seconds()
        step()
        yield cpu_seconds() - began + setup
        setup = 0.0


def _picture(name: str) -> Signal:
    if Path(name).suffix:
        return read_image(Path(name))
    from skimage import data

    samples = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    return Signal(values=np.ascontiguousarray(samples[..., :3].astype(np.float32) / 255.0))


def main() -> None:
    """Parse the options, run, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", default=list(IMAGES), help="names of scikit-image, or files, in colour")
    parser.add_argument("--seconds", type=float, default=25.0, help="of training, for the default trainer")
    parser.add_argument("--published-seconds", type=float, default=240.0, help="of training, for the recipe")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = machine()
    options.out.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    for image in options.images:
        found.append(compared(image, seconds=options.seconds, published_seconds=options.published_seconds))
        report = {
            "machine": before | {"load_average_after": machine()["load_average"]},
            "side": SIDE,
            "held_out": HELD_OUT,
            "mark_db": MARK_DB,
            "at_the_mark": {row["image"]: row["times_sooner"]["held_out"].get(str(MARK_DB)) for row in found},
            "pictures": found,
        }
        (options.out / "held_out.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({row["image"]: row["times_sooner"] for row in found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
