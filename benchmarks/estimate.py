"""How good estimates are: `make bench-estimate` writes build/bench/estimate.json.

Pictures of several sizes, generated and from scikit-image (or a folder), are asked for by target, estimated without a
fit, and then fitted. The file has, for each case, estimated and true weights, bytes and seconds with their ratio, and
the share of cases in which all three are right within a factor of 1.5. Seconds are processor seconds of one thread,
which are nearly the same on a busy machine; the machine's speed is measured on the other cases' fits, as the service
does it. The constants of `tuner.targets.sines.forecast` come from other pictures, so that these are held out.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path

import numpy as np
import torch
from skimage import data

from tuner.shapes import FloatArray
from tuner.signal.image import read_image
from tuner.signal.signal import Signal
from tuner.targets.estimate import estimate
from tuner.targets.request import ask_for
from tuner.targets.search import fit_to_target
from tuner.targets.sines.strategy import forecast_of
from tuner.targets.target import Target, TargetKind

OUTPUT = Path("build/bench/estimate.json")
WITHIN = 1.5
HELD_OUT = (
    "the constants of targets.sines.forecast were fitted to 39 other pictures: Kodak reduced or cropped; brick, "
    "gravel, hubble_deep_field, ihc, retina, page, text, cell, horse, motorcycle_left, microaneurysms and phantom of "
    "scikit-image; generated noise and rings. The thresholds of targets.sines.plan and the form of the rules were "
    "chosen with this report in view"
)
PICTURES = ("astronaut", "camera", "chelsea", "coffee", "rocket", "moon", "coins", "grass")
ASKS = (
    ("psnr_db", 26.0, "fast"),
    ("psnr_db", 31.0, "balanced"),
    ("bytes", 1500.0, "fast"),
    ("bits_per_sample", 1.5, "balanced"),
)


@dataclass(frozen=True)
class Case:
    """One picture and one ask: what was foreseen, and what came of it."""

    picture: str
    grid_shape: tuple[int, ...]
    channels: int
    target: str
    effort: str
    estimated: dict[str, float]
    true: dict[str, float]
    work_seconds: float
    work: float
    networks: int
    kind: str
    outcome: str


def main() -> None:
    """Fit everything and write the report."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.estimate", description=__doc__)
    options.add_argument("--folder", type=Path, help="of pictures to take instead")
    options.add_argument("--most", type=int, default=10**9, help="fit at most so many cases")
    asked = options.parse_args()
    torch.set_num_threads(1)
    signals = _from_folder(asked.folder) if asked.folder else _pictures()
    jobs = [(name, signal, ask) for name, signal in signals.items() for ask in ASKS]
    # What only the first fit of a process pays for.
    blank = _signal(np.zeros((24, 24, 1)))
    fit_to_target(blank, ask_for(blank, steps=2))
    # In any order, so that a part of the cases is a fair part.
    order = np.random.default_rng(1).permutation(len(jobs))[: asked.most]
    cases = [_case(name, signal, *ask) for name, signal, ask in (jobs[i] for i in order)]
    report = _report(cases)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1))
    print(json.dumps({name: value for name, value in report.items() if name != "cases"}, indent=1))  # noqa: T201


def _case(name: str, signal: Signal, kind: str, value: float, effort: str) -> Case:
    ask = ask_for(signal, effort, Target(TargetKind(kind), value))
    foreseen = estimate(ask, forecast_of(signal))
    started = time.process_time()
    result = fit_to_target(signal, ask)
    seconds = time.process_time() - started
    assert result.content is not None  # noqa: S101  nobody stops it
    chosen = [trial for trial in result.trials if trial.file_bytes == len(result.content)] or result.trials
    case = Case(
        picture=name,
        grid_shape=signal.grid_shape,
        channels=signal.channels,
        target=f"{value:g} {kind}",
        effort=effort,
        estimated={"weights": foreseen.weights, "bytes": foreseen.bytes or 0, "seconds": foreseen.seconds},
        true={"weights": chosen[-1].weights, "bytes": len(result.content), "seconds": round(seconds, 3)},
        work_seconds=seconds,
        work=foreseen.seconds,
        networks=len({trial.network for trial in result.trials}),
        kind=ask.kind,
        outcome=result.outcome.value,
    )
    print(name, case.target, effort, case.estimated, case.true, case.outcome, flush=True)  # noqa: T201
    return case


def _report(cases: list[Case]) -> dict[str, object]:
    rows = []
    for case in cases:
        others = [other for other in cases if other is not case] or cases
        speed = float(np.median([other.work / other.work_seconds for other in others]))
        estimated = case.estimated | {"seconds": round(case.estimated["seconds"] / speed, 3)}
        ratio = {name: round(estimated[name] / case.true[name], 3) for name in case.true}
        row = asdict(case) | {
            "estimated": estimated,
            "ratio": ratio,
            "within_1_5": all(map(_is_within, ratio.values())),
        }
        rows.append({name: value for name, value in row.items() if name not in {"work", "work_seconds"}})
    names = ("weights", "bytes", "seconds")
    return {
        "within_1_5": round(float(np.mean([row["within_1_5"] for row in rows])), 3),
        "within_1_5_of_each": {
            name: round(float(np.mean([_is_within(row["ratio"][name]) for row in rows])), 3) for name in names
        },
        "median_factor": {
            name: round(float(np.exp(np.median([abs(log(row["ratio"][name])) for row in rows]))), 3) for name in names
        },
        "count": len(rows),
        "held_out": HELD_OUT,
        "networks": round(float(np.mean([case.networks for case in cases])), 3),
        "cases": rows,
    }


def _is_within(ratio: float) -> bool:
    return 1.0 / WITHIN <= ratio <= WITHIN


def _pictures() -> dict[str, Signal]:
    found = {}
    for number, name in enumerate(PICTURES):
        picture = np.atleast_3d(np.asarray(getattr(data, name)()))[..., :3]
        small, crop = _smaller(picture, 4), _smaller(picture, 2)
        top = 16 * (number % 4)
        found[f"{name} at a quarter"] = small
        found[f"{name}, a crop"] = crop[top : top + 176, 32 : 32 + 144]
    found["falling spectrum"] = _noise(160, 120, 3, exponent=1.6)
    found["steeper spectrum"] = _noise(96, 128, 1, exponent=2.2)
    y, x = np.mgrid[0:120, 0:160] / 160.0
    found["chirp"] = (0.5 + 0.45 * np.sin(40 * (x + 0.3) ** 3 + 9 * y))[..., None]
    return {name: _signal(values) for name, values in found.items()}


def _from_folder(folder: Path) -> dict[str, Signal]:
    return {path.name: read_image(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _signal(values: np.ndarray) -> Signal:
    stored: FloatArray = (np.rint(255.0 * np.clip(values, 0.0, 1.0)) / 255.0).astype(np.float32)
    return Signal(values=np.ascontiguousarray(stored))


def _smaller(picture: np.ndarray, factor: int) -> np.ndarray:
    height, width = (length // factor for length in picture.shape[:2])
    blocks = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    mean: np.ndarray = blocks.mean(axis=(1, 3)) / 255.0
    return mean


def _noise(height: int, width: int, channels: int, *, exponent: float) -> np.ndarray:
    """Noise whose amplitude falls with a power of the frequency."""
    random = np.random.default_rng(7)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width)[None] * width)
    frequency[0, 0] = 1.0
    planes = []
    for _ in range(channels):
        spectrum = np.fft.fft2(random.normal(size=(height, width))) * frequency**-exponent
        plane = np.fft.ifft2(spectrum).real
        planes.append((plane - plane.min()) / np.ptp(plane))
    return np.stack(planes, axis=-1)


if __name__ == "__main__":
    main()
