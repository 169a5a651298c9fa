"""How a method did: PSNR against training time, and what several methods say about each other."""

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from time import perf_counter

MARKS_DB = (25.0, 28.0, 30.0, 32.0, 34.0, 34.5, 36.0, 37.0, 38.0, 40.0)
OURS = "natural_gradient"


@dataclass(frozen=True)
class Budget:
    """How long a method may train, by the wall clock or by the processor's; `stop_db` ends it sooner."""

    seconds: float
    by_processor: bool
    stop_db: float = 45.0

    def now(self) -> float:
        """The clock that counts."""
        return cpu_seconds() if self.by_processor else perf_counter()


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

    def reached(self) -> dict[str, dict[str, float] | None]:
        """`first` of every mark."""
        return {str(mark): self.first(mark) for mark in MARKS_DB}

    def to_json(self) -> dict[str, object]:
        """Marks, and the curve thinned to at most 300 points."""
        every = max(1, len(self.seconds) // 300)
        return {
            "steps": len(self.seconds),
            "final_psnr_db": round(max(self.psnr_db), 3),
            "reached": self.reached(),
            "seconds": [round(s, 3) for s in self.seconds[::every]],
            "psnr_db": [round(p, 3) for p in self.psnr_db[::every]],
        }


def run(step: Callable[[], float], budget: Budget, *, setup: float = 0.0) -> Curve:
    """Step until the time is up; `step` returns the mean squared error."""
    curve, elapsed, spent = Curve(), setup, setup
    while not curve.seconds or (spent if budget.by_processor else elapsed) < budget.seconds:
        started, spent_before = perf_counter(), cpu_seconds()
        mse = step()
        elapsed += perf_counter() - started
        spent += cpu_seconds() - spent_before
        curve.seconds.append(elapsed)
        curve.cpu_seconds.append(spent)
        curve.psnr_db.append(-10.0 * log10(max(mse, 1e-12)))
        if curve.psnr_db[-1] >= budget.stop_db:
            break
    return curve


def soonest(curves: Mapping[str, Curve], name: str, mark: float, clock: str) -> float | None:
    """Of all runs of a method, the soonest to a mark, by `seconds` or `cpu_seconds`."""
    times = [
        hit[clock]
        for method, curve in curves.items()
        if method.split(" ")[0] == name and (hit := curve.first(mark)) is not None
    ]
    return min(times, default=None)


def speedups(curves: Mapping[str, Curve], clock: str) -> dict[str, dict[str, float | str | None]]:
    """How many times sooner the default trainer reaches each mark; ">" where the other did not reach it."""
    table: dict[str, dict[str, float | str | None]] = {}
    for mark in MARKS_DB:
        ours = soonest(curves, OURS, mark, clock)
        if ours is None:
            continue
        row: dict[str, float | str | None] = {}
        for name in dict.fromkeys(method.split(" ")[0] for method in curves):
            theirs = soonest(curves, name, mark, clock)
            spent = max(getattr(c, clock)[-1] for m, c in curves.items() if m.split(" ")[0] == name)
            row[name] = f">{spent / ours:.1f}" if theirs is None else round(theirs / ours, 1)
        table[str(mark)] = row
    return table


def plot(curves: Mapping[str, Curve], path: Path, title: str) -> None:
    """PSNR against seconds and against steps, both on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (by_time, by_step) = plt.subplots(1, 2, figsize=(13, 5), sharey=True)
    for name, curve in curves.items():
        width = 2.5 if name == OURS else 1.2
        by_time.plot(curve.seconds, curve.psnr_db, label=name, linewidth=width)
        by_step.plot(range(1, len(curve.psnr_db) + 1), curve.psnr_db, linewidth=width)
    by_time.set(xscale="log", xlabel="seconds of training", ylabel="PSNR in dB", title=title)
    by_step.set(xscale="log", xlabel="steps")
    by_time.legend(fontsize=8)
    for axes in (by_time, by_step):
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def cpu_seconds() -> float:
    """Of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
