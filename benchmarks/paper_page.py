"""Makes tables of docs/paper.md from committed results: `python -m benchmarks.paper_page`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. NAME is a folder of `benchmarks/results`, in which
`tuner paper` has put its cells; each picture that the library's own trainer was run on is a row. What neighbours say of
its pixels (`benchmarks.interpolated`) is in the folder of the pictures, which has the name as far as the first "_".
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.interpolated import INTERPOLATED
from tuner.experiment.methods import NATURAL_GRADIENT
from tuner.experiment.paper import Cell, read_cells

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "paper.md"
BEGIN, END = "<!-- table: {name} -->\n", "<!-- end -->"
_TABLE = re.compile(r"<!-- table: (?P<name>[a-z0-9_]+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)


def pictures(cells: Sequence[Cell], interpolated: Mapping[str, float]) -> str:
    """What the library's own trainer came to on each picture, and the means of all.

    Args:
        cells: finished trainings.
        interpolated: quality in dB of the held-out pixels of each picture as their neighbours give them, by its name.
    """
    own = sorted((cell for cell in cells if cell.method == NATURAL_GRADIENT), key=lambda cell: (cell.image, cell.seed))
    titles = (
        "picture",
        "steps",
        "seconds",
        "train",
        "held-out",
        "lead",
        "gradient",
        "to the letter",
        "below the best",
        "interpolated",
    )
    columns = np.array([[*_numbers(cell), interpolated.get(cell.image, float("nan"))] for cell in own])
    rows = [[cell.image, *_shown(numbers)] for cell, numbers in zip(own, columns, strict=True)]
    return _table(titles, [*rows, ["**mean**", *_shown(columns.mean(0))], ["**worst**", *_shown(_worst(columns))]])


def remade(page: str) -> str:
    """A page with every table made anew from the results.

    Raises:
        FileNotFoundError: if a table has no results.
    """

    def table(found: re.Match[str]) -> str:
        folder = RESULTS / found["name"]
        path, neighbours = folder / "results.jsonl", RESULTS / found["name"].partition("_")[0] / INTERPOLATED
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist, expected the results of `tuner paper` for {found['name']}")
        known = json.loads(neighbours.read_text()) if neighbours.is_file() else {}
        return BEGIN.format(name=found["name"]) + pictures(list(read_cells(path)), known) + END

    return _TABLE.sub(table, page)


def _numbers(cell: Cell) -> list[float]:
    """Steps, seconds, qualities in dB; what a diverged training lacks is not a number."""
    train, held_out = _or_nan(cell.train_psnr_db), _or_nan(cell.test_psnr_db)
    return [
        _or_nan(cell.taken_steps),
        cell.seconds,
        train,
        held_out,
        train - held_out,
        _or_nan(cell.gradient_psnr_db),
        _or_nan(cell.authors_gradient_psnr_db),
        _or_nan(cell.peak_watched_psnr_db) - _or_nan(cell.watched_psnr_db),
    ]


def _shown(numbers: Sequence[float]) -> list[str]:
    return [f"{number:.0f}" if column < 2 else f"{number:.2f}" for column, number in enumerate(numbers)]


def _worst(columns: np.ndarray) -> list[float]:
    """The fewest steps and lowest qualities, the most seconds and greatest leads."""
    most = {1, 4, 7}
    return [float(values.max() if column in most else values.min()) for column, values in enumerate(columns.T)]


def _or_nan(number: float | None) -> float:
    return float("nan") if number is None else float(number)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(remade(PAGE.read_text()))


if __name__ == "__main__":
    main()
