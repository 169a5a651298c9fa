"""How soon each way of training reaches a quality: same picture, same size of network, same machine, one run.

    python -m benchmarks.fit --seconds 60            # a short look
    make bench-fit                                   # the full comparison

Methods:
- `published`: the recipe of arXiv 2407.21121 as its authors' code has it: dense evaluation, batches of 65,536 samples,
  Adam at 5e-4 on all parameters with weights stored as W / 30, fixed bounds clamped after every step.
- `siren`: two sine layers of the same widths, omega 30, all weights trained by Adam at 5e-4 (Sitzmann et al. 2020).
- `adam`: Adam on our network and fast evaluation, cosine schedule over the budget, best of four learning rates.
- `adam_readout`: the same with the output layer solved in every step.
- `natural_gradient`: the default trainer.

Writes `fit.json` (machine, curves, seconds and steps to each PSNR, ratios, cost of a step against the size of the
problem, where the time of a step goes) and `fit.png`. Seconds are of training only. On a machine that is shared
with other work the wall clock misleads: `--clock processor --threads 1` compares the work itself.
"""

import argparse
import json
import os
import platform
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import log10, sqrt
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tuner.fit import natural_gradient, sweeps
from tuner.fit.blocks import SignalBlocks
from tuner.fit.config import FirstOrderConfig, NaturalGradientConfig, Schedule
from tuner.fit.first_order import FirstOrderTrainer
from tuner.fit.natural_gradient import NaturalGradientTrainer
from tuner.fit.samples import grid_sweeps
from tuner.network.config import NetworkConfig
from tuner.network.sine import SineNetwork
from tuner.signal.grid import Grid
from tuner.signal.image import read_image
from tuner.signal.signal import Signal

MARKS_DB = (25.0, 28.0, 30.0, 32.0, 34.0, 34.5, 36.0, 37.0, 38.0, 40.0)
ADAM_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
BATCH = 65_536
OMEGA = 30.0
SEED = 0


@dataclass(frozen=True)
class Budget:
    """How long a method may train, by the wall clock or by the processor's."""

    seconds: float
    by_processor: bool

    def now(self) -> float:
        """The clock that counts."""
        return _cpu_seconds() if self.by_processor else perf_counter()


@dataclass
class Curve:
    """PSNR against training time, by the wall clock and by the processor's."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    psnr_db: list[float] = field(default_factory=list)

    def first(self, mark: float) -> dict[str, float] | None:
        """Seconds and steps to a PSNR, or None if it was not reached."""
        step = next((i for i, psnr in enumerate(self.psnr_db) if psnr >= mark), None)
        if step is None:
            return None
        return {
            "seconds": round(self.seconds[step], 3),
            "cpu_seconds": round(self.cpu_seconds[step], 3),
            "steps": step + 1,
        }

    def to_json(self) -> dict[str, object]:
        """Marks, and the curve thinned to at most 300 points."""
        every = max(1, len(self.seconds) // 300)
        return {
            "steps": len(self.seconds),
            "final_psnr_db": round(max(self.psnr_db), 3),
            "reached": {str(mark): self.first(mark) for mark in MARKS_DB},
            "seconds": [round(s, 3) for s in self.seconds[::every]],
            "psnr_db": [round(p, 3) for p in self.psnr_db[::every]],
        }


def run(step: Callable[[], float], budget: Budget, *, setup: float = 0.0, stop_db: float = 45.0) -> Curve:
    """Step until the time is up; `step` returns the mean squared error."""
    curve, elapsed, spent = Curve(), setup, setup
    while (spent if budget.by_processor else elapsed) < budget.seconds:
        started, spent_before = perf_counter(), _cpu_seconds()
        mse = step()
        elapsed += perf_counter() - started
        spent += _cpu_seconds() - spent_before
        curve.seconds.append(elapsed)
        curve.cpu_seconds.append(spent)
        curve.psnr_db.append(-10.0 * log10(max(mse, 1e-12)))
        if curve.psnr_db[-1] >= stop_db:
            break
    return curve


def published(signal: Signal, config: NetworkConfig, budget: Budget) -> Curve:
    """The authors' recipe on our frequencies and initial weights."""
    grid = Grid(signal.grid_shape, config.period)
    network = SineNetwork.initial(config, grid, signal.channels, SEED)
    coords, values = torch.tensor(grid.coords()), torch.tensor(signal.values).reshape(-1, signal.channels)
    layer = network.layers[0]
    limit = layer.bounds_M / OMEGA if layer.bounds_M is not None else torch.tensor(torch.inf)
    stored, bias = nn.Parameter(layer.weight_HM.detach() / OMEGA), nn.Parameter(layer.bias_H.detach() / OMEGA)
    trained = [network.phases_M, stored, bias, network.readout_weight_CH, network.readout_bias_C]
    adam = torch.optim.Adam(trained, lr=5e-4)
    batches = _batches(len(coords))

    def step() -> float:
        rows = next(batches)
        hidden = torch.sin(OMEGA * torch.addmm(bias, network.input_sines(coords[rows]), stored.T))
        return _descend(adam, network.readout(hidden), values[rows], lambda: _clamp(stored, limit))

    return run(step, budget)


def siren(signal: Signal, config: NetworkConfig, budget: Budget) -> Curve:
    """SIREN of the same widths."""
    grid = Grid(signal.grid_shape, config.period)
    coords, values = torch.tensor(grid.coords()), torch.tensor(signal.values).reshape(-1, signal.channels)
    torch.manual_seed(SEED)
    sizes = [len(signal.grid_shape), config.frequencies, *config.hidden, signal.channels]
    layers = [nn.Linear(into, out) for into, out in pairwise(sizes)]
    for i, layer in enumerate(layers):
        bound = 1.0 / layer.in_features if i == 0 else sqrt(6.0 / layer.in_features) / OMEGA
        nn.init.uniform_(layer.weight, -bound, bound)
    adam = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=5e-4)
    batches = _batches(len(coords))

    def step() -> float:
        rows = next(batches)
        value = coords[rows]
        for layer in layers[:-1]:
            value = torch.sin(OMEGA * layer(value))
        return _descend(adam, layers[-1](value), values[rows], lambda: None)

    return run(step, budget)


def adam(signal: Signal, config: NetworkConfig, budget: Budget, *, rate: float, solve_readout: bool) -> Curve:
    """Our first-order trainer on whole pictures; the cosine schedule ends with the budget."""
    grid = Grid(signal.grid_shape, config.period)

    def trainer(steps: int) -> FirstOrderTrainer:
        network = SineNetwork.initial(config, grid, signal.channels, SEED)
        settings = FirstOrderConfig(learning_rate=rate, schedule=Schedule.COSINE, solve_readout=solve_readout)
        blocks = SignalBlocks(signal, grid, torch.device("cpu"))
        return FirstOrderTrainer(network, blocks, settings, total_steps=steps, seed=SEED)

    trial = trainer(100)
    trial.step()
    started = budget.now()
    for _ in range(5):
        trial.step()
    steps = int(5 * budget.seconds / (budget.now() - started))
    return run(trainer(max(10, steps)).step, budget)


def natural(signal: Signal, config: NetworkConfig, budget: Budget) -> Curve:
    """The default trainer; its first evaluation, before any step, is counted."""
    started = budget.now()
    trainer = natural_trainer(signal, config)
    return run(trainer.step, budget, setup=budget.now() - started)


def natural_trainer(signal: Signal, config: NetworkConfig) -> NaturalGradientTrainer:
    """The default trainer at its default settings."""
    settings = NaturalGradientConfig()
    network = SineNetwork.initial(config, Grid(signal.grid_shape, config.period), signal.channels, SEED)
    return NaturalGradientTrainer(network, grid_sweeps(network, signal, settings), settings)


def cost_of_a_step(signal: Signal, steps: int = 4) -> list[dict[str, object]]:
    """Seconds a natural-gradient step takes, as one size at a time changes."""
    side = min(signal.grid_shape)
    cases: list[tuple[int, int, tuple[int, ...]]] = [(side, 364, (256,))]
    cases += [(side // 2, 364, (256,)), (side // 4, 364, (256,))]
    cases += [(side, 91, (256,)), (side, 1024, (256,)), (side, 364, (64,)), (side, 364, (128,)), (side, 364, (512,))]
    cases += [(side, 364, (256, 256)), (side, 364, (256, 256, 256))]
    table: list[dict[str, object]] = []
    for size, frequencies, hidden in cases:
        part = Signal(values=np.ascontiguousarray(signal.values[:size, :size]))
        trainer = natural_trainer(part, NetworkConfig(frequencies=frequencies, hidden=hidden))
        trainer.step()
        started = perf_counter()
        for _ in range(steps):
            trainer.step()
        seconds = (perf_counter() - started) / steps
        table.append({"samples": size**2, "frequencies": frequencies, "hidden": hidden, "seconds": round(seconds, 4)})
    return table


def shares_of_a_step(signal: Signal, config: NetworkConfig, steps: int = 6) -> dict[str, float]:
    """Where the processor's time goes: sine and cosine, small dense solves, the rest (products and memory)."""
    trainer = natural_trainer(signal, config)
    trainer.step()
    spent = {"sine_cosine": 0.0, "solves": 0.0}
    patched: list[tuple[object, str, object]] = []

    def clock(owner: object, name: str, share: str) -> None:
        function = getattr(owner, name)

        def timed(*args: object, **kwargs: object) -> object:
            started = _thread_seconds()
            result = function(*args, **kwargs)
            spent[share] += _thread_seconds() - started
            return result

        patched.append((owner, name, function))
        setattr(owner, name, timed)

    clock(sweeps, "sine_cosine", "sine_cosine")
    for name in ("solve_readout", "natural_direction", "best_combination"):
        clock(natural_gradient, name, "solves")
    try:
        before = _cpu_seconds()
        for _ in range(steps):
            trainer.step()
        total = _cpu_seconds() - before
    finally:
        for owner, name, function in patched:
            setattr(owner, name, function)
    shares = {name: round(seconds / total, 3) for name, seconds in spent.items()}
    return shares | {"products_and_memory": round(1.0 - sum(shares.values()), 3)}


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


def compare(signal: Signal, config: NetworkConfig, budgets: dict[str, Budget]) -> dict[str, Curve]:
    """Run every method that has time; of the Adams, keep the one that is soonest at the highest mark reached."""
    curves: dict[str, Curve] = {}
    for name, budget in budgets.items():
        if name == "natural_gradient":
            curves[name] = natural(signal, config, budget)
        elif name == "published":
            curves[name] = published(signal, config, budget)
        elif name == "siren":
            curves[name] = siren(signal, config, budget)
        else:
            for rate in ADAM_RATES:
                solve = name == "adam_readout"
                curves[f"{name} lr {rate:g}"] = adam(signal, config, budget, rate=rate, solve_readout=solve)
        for method, curve in curves.items():
            if method.startswith(name):
                print(f"{method:24} {len(curve.seconds):6} steps {max(curve.psnr_db):6.2f} dB", flush=True)  # noqa: T201
    return curves


def soonest(curves: dict[str, Curve], name: str, mark: float, clock: str) -> float | None:
    """Of all runs of a method, the soonest to a mark, by `seconds` or `cpu_seconds`."""
    times = [
        hit[clock]
        for method, curve in curves.items()
        if method.split(" ")[0] == name and (hit := curve.first(mark)) is not None
    ]
    return min(times, default=None)


def speedups(curves: dict[str, Curve], clock: str) -> dict[str, dict[str, float | str | None]]:
    """How many times sooner the default trainer reaches each mark; ">" where the other did not reach it."""
    table: dict[str, dict[str, float | str | None]] = {}
    for mark in MARKS_DB:
        ours = soonest(curves, "natural_gradient", mark, clock)
        if ours is None:
            continue
        row: dict[str, float | str | None] = {}
        for name in dict.fromkeys(method.split(" ")[0] for method in curves):
            theirs = soonest(curves, name, mark, clock)
            spent = max(getattr(c, clock)[-1] for m, c in curves.items() if m.split(" ")[0] == name)
            row[name] = f">{spent / ours:.1f}" if theirs is None else round(theirs / ours, 1)
        table[str(mark)] = row
    return table


def plot(curves: dict[str, Curve], path: Path, title: str) -> None:
    """PSNR against seconds and against steps, both on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (by_time, by_step) = plt.subplots(1, 2, figsize=(13, 5), sharey=True)
    for name, curve in curves.items():
        style = {"linewidth": 2.5 if name == "natural_gradient" else 1.2}
        by_time.plot(curve.seconds, curve.psnr_db, label=name, **style)
        by_step.plot(range(1, len(curve.psnr_db) + 1), curve.psnr_db, **style)
    by_time.set(xscale="log", xlabel="seconds of training", ylabel="PSNR in dB", title=title)
    by_step.set(xscale="log", xlabel="steps")
    by_time.legend(fontsize=8)
    for axes in (by_time, by_step):
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Parse the options, run, write the report."""
    parser = argparse.ArgumentParser(description="Compare trainers on one picture.")
    parser.add_argument("--image", type=Path, default=None, help="a picture; without one, scikit-image's astronaut")
    parser.add_argument("--top", type=int, default=128, help="first row of the crop")
    parser.add_argument("--left", type=int, default=256, help="first column of the crop")
    parser.add_argument("--size", type=int, default=256, help="side of the crop")
    parser.add_argument("--frequencies", type=int, default=364)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each run")
    parser.add_argument("--published-seconds", type=float, default=None, help="for the published recipe and SIREN")
    methods = ["natural_gradient", "adam", "adam_readout", "published", "siren"]
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall", help="which seconds are budgeted")
    parser.add_argument("--threads", type=int, default=None, help="of torch; by default one for each core")
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--skip-cost", action="store_true", help="leave out the cost of a step")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()

    if options.threads:
        torch.set_num_threads(options.threads)
    signal, name = _picture(options.image, options.top, options.left, options.size)
    config = NetworkConfig(frequencies=options.frequencies, hidden=tuple(options.hidden))
    weights = natural_trainer(signal, config).network.parameters_numpy().weight_count
    slow = options.published_seconds or options.seconds
    budgets = {
        method: Budget(slow if method in {"published", "siren"} else options.seconds, options.clock == "processor")
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
        "curves": {method: curve.to_json() for method, curve in curves.items()},
        "speedups": speedups(curves, "seconds"),
        "speedups_by_cpu_seconds": speedups(curves, "cpu_seconds"),
    }
    at_30 = speedups(curves, "seconds").get("30.0", {})
    report["speedup_over_adam_at_30db"] = at_30.get("adam")
    report["speedup_over_published_at_30db"] = at_30.get("published")
    if not options.skip_cost:
        report["shares_of_a_step"] = shares_of_a_step(signal, config)
        report["cost_of_a_step"] = cost_of_a_step(signal)
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


def _batches(samples: int) -> Iterator[Tensor | slice]:
    """Random batches without end; all samples at once if they fit in one."""
    generator = torch.Generator().manual_seed(SEED)
    while True:
        if samples <= BATCH:
            yield slice(None)
        else:
            yield from torch.split(torch.randperm(samples, generator=generator), BATCH)


def _descend(adam: torch.optim.Adam, output: Tensor, target: Tensor, after: Callable[[], None]) -> float:
    loss = (output - target).square().mean()
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()
    after()
    return loss.item()


def _clamp(stored: nn.Parameter, limit: Tensor) -> None:
    with torch.no_grad():
        torch.clamp(stored, -limit, limit, out=stored)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _thread_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_utime + usage.ru_stime


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
