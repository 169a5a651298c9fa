"""Tables of finished cells: means over pictures, and how much they vary from seed to seed."""

import csv
import io
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from tuner.experiment.methods import METHODS, NATURAL_GRADIENT
from tuner.experiment.paper import METRICS, Cell

HEADERS = ("method", "width", "weights", "learning rate", "train", "held-out", "gradient", "seconds")


def rows(cells: Sequence[Cell]) -> list[list[str]]:
    """One row per method and learning rate.

    A number is the mean over pictures and seeds in dB; after it, the standard deviation over seeds of the mean over
    pictures, where there are several seeds. Trainings that diverged are counted instead.
    """
    table = []
    for (name, rate), group in groupby(sorted(cells, key=_order), key=lambda cell: (cell.method, cell.rate)):
        same = list(group)
        diverged = sum(cell.test_psnr_db is None for cell in same)
        numbers = [f"{diverged} of {len(same)} diverged"] * 3 if diverged else [_over_seeds(same, m) for m in METRICS]
        published = " (published)" if rate == METHODS[name].learning_rate else ""
        shown = "none" if name == NATURAL_GRADIENT else f"{rate:g}{published}"
        seconds = f"{np.mean([cell.seconds for cell in same]):.0f}"
        table.append([name, str(same[0].width), str(same[0].trained_weights), shown, *numbers, seconds])
    return table


def markdown(cells: Sequence[Cell]) -> str:
    """The table for a page."""
    lines = [HEADERS, ["---"] * len(HEADERS), *rows(cells)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(cells: Sequence[Cell]) -> str:
    """The table for a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADERS, *rows(cells)])
    return text.getvalue()


def _order(cell: Cell) -> tuple[int, float]:
    return list(METHODS).index(cell.method), cell.rate


def _over_seeds(cells: Sequence[Cell], metric: str) -> str:
    seeds = sorted({cell.seed for cell in cells})
    means = [float(np.mean([getattr(cell, metric) for cell in cells if cell.seed == seed])) for seed in seeds]
    spread = f" ± {np.std(means, ddof=1):.2f}" if len(means) > 1 else ""
    return f"{np.mean(means):.2f}{spread}"
