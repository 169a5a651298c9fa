"""What a step of the default trainer costs: against the size of the problem, by kind of work, in batches."""

import resource
from dataclasses import replace
from time import perf_counter

import numpy as np

from benchmarks.curves import cpu_seconds
from tuner.fit import Budget, FitConfig, fit_batch
from tuner.fit.config import NaturalGradientConfig
from tuner.fit.natural import descent, sweeps
from tuner.fit.natural.samples import grid_sweeps
from tuner.fit.natural.trainer import NaturalGradientTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

SEED = 0
BATCHES = (1, 8, 64)


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
    clock(descent.Preconditioner, "direction", "solves")
    for name in ("solve_readout", "Preconditioner", "best_combination"):
        clock(descent, name, "solves")
    try:
        before = cpu_seconds()
        for _ in range(steps):
            trainer.step()
        total = cpu_seconds() - before
    finally:
        for owner, name, function in patched:
            setattr(owner, name, function)
    shares = {name: round(seconds / total, 3) for name, seconds in spent.items()}
    return shares | {"products_and_memory": round(1.0 - sum(shares.values()), 3)}


def images_per_second(signal: Signal, steps: int = 10) -> list[dict[str, float]]:
    """Small fits, 128 x 128 at most, by the number that run together: a fit is `steps` steps of a small network."""
    side = min(128, *signal.grid_shape)
    one = np.ascontiguousarray(signal.values[:side, :side])
    config = FitConfig(
        network=NetworkConfig(frequencies=256, hidden=(32,)),
        trainer=NaturalGradientConfig(),
        budget=Budget(max_steps=steps),
    )
    table = []
    for count in BATCHES:
        signals = [Signal(values=np.roll(one, 5 * i, axis=(0, 1))) for i in range(count)]
        fit_batch(signals[:1], replace(config, budget=Budget(max_steps=1)))
        started, before = perf_counter(), cpu_seconds()
        fit_batch(signals, config)
        seconds, spent = perf_counter() - started, cpu_seconds() - before
        table.append(
            {
                "batch": count,
                "images_per_second": round(count / seconds, 3),
                "images_per_cpu_second": round(count / spent, 3),
            }
        )
    return table


def _thread_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_utime + usage.ru_stime
