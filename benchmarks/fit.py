"""How soon each way of training reaches a quality: same picture, same size of network, same machine, one run.

    make bench-fit BENCH_OPTIONS='--image kodim23.png'                    # ten minutes
    python -m benchmarks.fit --methods natural_gradient adam --skip-cost  # a short look

Methods:
- `natural_gradient`: the default trainer.
- `published`: the recipe of arXiv 2407.21121 (`benchmarks.published`) from its own initialisation; `published_ours`:
  from our initial weights.
- `siren`: two sine layers of the same widths, omega 30, all weights trained by Adam at 5e-4 (Sitzmann et al. 2020).
- `adam`, `muon`: on our network and fast evaluation, cosine schedule over the budget, best of several rates;
  `schedule_free`: the same without a schedule; `lbfgs`: strong Wolfe. With `_readout` behind the name, the output layer
  is solved in every step.

Writes `fit.json` (machine, curves, seconds and steps to each PSNR, ratios, cost of a step against the size of the
problem, where the time of a step goes, batches) and `fit.png`. Seconds are of training only. On a machine that is
shared with other work the wall clock misleads: `--clock processor --threads 1` compares the work itself.
"""

import argparse
import json
import os
import platform
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cost import cost_of_a_step, images_per_second, natural_trainer, shares_of_a_step
from benchmarks.curves import OURS, Budget, Curve, plot, run, speedups
from benchmarks.published import published, siren
from tuner.fit.config import FirstOrderConfig, Rule, Schedule
from tuner.fit.first_order.blocks import SignalBlocks
from tuner.fit.first_order.trainer import FirstOrderTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.image import read_image
from tuner.signal.signal import Signal

SEED = 0
# Learning rates to choose the best from.
RATES: dict[Rule, tuple[float, ...]] = {
    Rule.ADAM: (1e-3, 3e-3, 1e-2, 3e-2),
    Rule.MUON: (3e-3, 1e-2, 3e-2),
    Rule.SCHEDULE_FREE: (3e-3, 1e-2, 3e-2),
    Rule.LBFGS: (1.0,),
}
SLOW = ("published", "published_ours", "siren")
FIRST_ORDER = tuple(f"{rule}{suffix}" for rule in Rule for suffix in ("", "_readout"))
METHODS = (OURS, *FIRST_ORDER, *SLOW)
DEFAULT = (OURS, "adam", "adam_readout", "muon", "schedule_free", "lbfgs_readout", "published", "siren")


def first_order(signal: Signal, config: NetworkConfig, budget: Budget, settings: FirstOrderConfig) -> Curve:
    """Our first-order trainer on whole pictures; a cosine schedule ends with the budget."""
    grid = Grid(signal.grid_shape, config.period)

    def trainer(steps: int) -> FirstOrderTrainer:
        network = SineNetwork.initial(config, grid, signal.channels, SEED)
        blocks = SignalBlocks(signal, grid, torch.device("cpu"))
        return FirstOrderTrainer(network, blocks, settings, total_steps=steps, seed=SEED)

    trial = trainer(100)
    trial.step()
    started = budget.now()
    for _ in range(3):
        trial.step()
    steps = int(3 * budget.seconds / (budget.now() - started))
    return run(trainer(max(10, steps)).step, budget)


def natural(signal: Signal, config: NetworkConfig, budget: Budget) -> Curve:
    """The default trainer; its first evaluation, before any step, is counted."""
    started = budget.now()
    trainer = natural_trainer(signal, config)
    return run(trainer.step, budget, setup=budget.now() - started)


def runs_of(name: str, signal: Signal, config: NetworkConfig, budget: Budget) -> dict[str, Curve]:
    """The curves of a method, one for each learning rate that is tried."""
    if name == OURS:
        return {name: natural(signal, config, budget)}
    if name == "siren":
        return {name: siren(signal, config, budget)}
    if name in SLOW:
        return {name: published(signal, config, budget, own_start=name == "published")}
    rule = Rule(name.removesuffix("_readout"))
    schedule = Schedule.COSINE if rule in {Rule.ADAM, Rule.MUON} else Schedule.CONSTANT
    curves = {}
    for rate in RATES[rule]:
        settings = FirstOrderConfig(
            rule=rule, learning_rate=rate, schedule=schedule, solve_readout=name.endswith("_readout")
        )
        curves[f"{name} lr {rate:g}"] = first_order(signal, config, budget, settings)
    return curves


def compare(signal: Signal, config: NetworkConfig, budgets: dict[str, Budget]) -> dict[str, Curve]:
    """Run every method."""
    curves: dict[str, Curve] = {}
    for name, budget in budgets.items():
        for method, curve in runs_of(name, signal, config, budget).items():
            curves[method] = curve
            print(f"{method:24} {len(curve.seconds):6} steps {max(curve.psnr_db):6.2f} dB", flush=True)  # noqa: T201
    return curves


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cuda": torch.cuda.is_available(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def main() -> None:
    """Parse the options, run, write the report."""
    parser = argparse.ArgumentParser(description="Compare trainers on one picture.")
    parser.add_argument("--image", type=Path, default=None, help="a picture; without one, scikit-image's astronaut")
    parser.add_argument("--top", type=int, default=128, help="first row of the crop")
    parser.add_argument("--left", type=int, default=256, help="first column of the crop")
    parser.add_argument("--size", type=int, default=256, help="side of the crop")
    parser.add_argument("--frequencies", type=int, default=364)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256])
    parser.add_argument("--seconds", type=float, default=20.0, help="for each run")
    parser.add_argument("--published-seconds", type=float, default=220.0, help="for the published recipe")
    parser.add_argument("--stop-db", type=float, default=40.0, help="a run that reaches this has done its work")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall", help="which seconds are budgeted")
    parser.add_argument("--threads", type=int, default=None, help="of torch; by default one for each core")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=DEFAULT)
    parser.add_argument("--skip-cost", action="store_true", help="leave out the cost of a step")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()

    if options.threads:
        torch.set_num_threads(options.threads)
    signal, name = _picture(options.image, options.top, options.left, options.size)
    config = NetworkConfig(frequencies=options.frequencies, hidden=tuple(options.hidden))
    weights = natural_trainer(signal, config).network.parameters_numpy().weight_count
    budgets = {
        method: Budget(
            options.published_seconds if method.startswith("published") else options.seconds,
            options.clock == "processor",
            options.stop_db,
        )
        for method in options.methods
    }
    before = machine()
    curves = compare(signal, config, budgets)
    report: dict[str, object] = {
        "machine": before | {"load_average_after": machine()["load_average"]},
        "image": name,
        "weights": weights,
        "frequencies": options.frequencies,
        "hidden": options.hidden,
        "seconds_to_psnr": {
            method: {mark: hit and hit["seconds"] for mark, hit in curve.reached().items()}
            for method, curve in curves.items()
        },
        "curves": {method: curve.to_json() for method, curve in curves.items()},
        "speedups": speedups(curves, "seconds"),
        "speedups_by_cpu_seconds": speedups(curves, "cpu_seconds"),
    }
    at_30 = speedups(curves, "cpu_seconds" if options.clock == "processor" else "seconds").get("30.0", {})
    report["speedup_over_adam_at_30db"] = at_30.get("adam")
    report["speedup_over_published_at_30db"] = at_30.get("published")
    if not options.skip_cost:
        report["shares_of_a_step"] = shares_of_a_step(signal, config)
        report["cost_of_a_step"] = cost_of_a_step(signal)
        report["images_per_second"] = images_per_second(signal)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "fit.json").write_text(json.dumps(report, indent=1))
    plot(curves, options.out / "fit.png", f"{name}, {weights} weights")
    print(json.dumps({k: v for k, v in report.items() if k != "curves"}, indent=1))  # noqa: T201


def _picture(path: Path | None, top: int, left: int, size: int) -> tuple[Signal, str]:
    if path is None:
        from skimage import data

        samples: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
        values, name = samples.astype(np.float32) / 255.0, "astronaut"
    else:
        values, name = read_image(path).values, path.stem
    crop = np.ascontiguousarray(values[top : top + size, left : left + size])
    return Signal(values=crop), f"{name}[{top}:{top + crop.shape[0]}, {left}:{left + crop.shape[1]}]"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
