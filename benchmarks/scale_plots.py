"""The picture of `make bench-scale`: throughput, load of the engines, time and memory against size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Draw what of it has been measured.

    Args:
        report: all parts that there are.
        path: file that is written.
    """
    figure, ((fits, load), (seconds, memory)) = plt.subplots(2, 2, figsize=(13, 9))
    runs = {name: run for name, run in report.get("stack", {}).get("runs", {}).items() if name.endswith("workers")}
    if runs:
        counts = [int(name.split()[0]) for name in runs]
        fits.plot(counts, [run["fits_per_second"] for run in runs.values()], "o-")
        fits.set(xlabel="workers", ylabel="fits a second", title="64 x 64 to 30 dB, on the wall", ylim=(0, None))
    simulated = report.get("simulation", {})
    grown = simulated.get("long fits, as it is", {}).get("demand_by_workers", {})
    if grown:
        sizes = [int(size) for size in grown]
        for name in next(iter(grown.values())):
            busy = [each[name] / simulated["servers"].get(name, 1) for each in grown.values()]
            load.plot(sizes, busy, label=name)
        load.axhline(1.0, color="black", linewidth=0.8)
        load.set(xscale="log", yscale="log", xlabel="workers", ylabel="demand by what there is")
        load.set(title="long fits, four fifths of the workers busy", ylim=(1e-4, 1e3))
        load.legend(fontsize=8)
    cells = report.get("sizes", {}).get("cells", [])
    for kind in sorted({cell["kind"] for cell in cells}):
        mine = sorted((cell for cell in cells if cell["kind"] == kind), key=lambda cell: float(cell["values"]))
        values = [cell["values"] for cell in mine]
        seconds.plot(values, [cell["processor_seconds"] for cell in mine], "o-", label=kind)
        memory.plot(values, [cell["peak_mebibytes"] for cell in mine], "o-", label=kind)
    for axes, name in ((seconds, "processor seconds"), (memory, "peak in MiB beyond what is held")):
        axes.set(xscale="log", yscale="log", xlabel="values of the signal", ylabel=name)
        if cells:
            axes.legend(fontsize=8)
    for axes in (fits, load, seconds, memory):
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
