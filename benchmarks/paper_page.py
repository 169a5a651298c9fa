"""Makes tables of docs/paper.md from committed results: `python -m benchmarks.paper_page`.

A table stands between `<!-- table: FOLDER KIND -->` and `<!-- end -->`. FOLDER is one of `benchmarks/results`, in which
`tuner paper` has put its cells, and KIND says what a row is: a picture that the library's own trainer was run on; a
method at a learning rate; a method at its best rate, picture by picture; ranges of frequencies; or, of the report of
`benchmarks.held_out`, how soon a picture is known. What neighbours say of a picture's pixels
(`benchmarks.interpolated`) is in the folder of the pictures, which has the name as far as the first "_".
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.held_out import PRIORS, PUBLISHED, first
from benchmarks.interpolated import INTERPOLATED
from tuner.experiment.methods import NATURAL_GRADIENT
from tuner.experiment.paper import Cell, read_cells
from tuner.experiment.tables import markdown

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "paper.md"
RUNS = (*PRIORS, PUBLISHED)
_TABLE = re.compile(
    r"(?P<begin><!-- table: (?P<folder>[a-z0-9_]+) (?P<kind>[a-z]+) -->\n).*?(?=<!-- end -->)", re.DOTALL
)


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


def methods(cells: Sequence[Cell]) -> str:
    """Each method at each rate at which all pictures and seeds were run, which leaves out other steps of searches."""
    return markdown(_at_whole_rates(cells))


def best_rates(cells: Sequence[Cell]) -> str:
    """Held-out and gradient PSNR of each method on each picture, at the rate with the best mean of the former."""
    whole = _at_whole_rates(cells)
    images = list(dict.fromkeys(cell.image for cell in whole))
    rows = []
    for name in dict.fromkeys(cell.method for cell in whole):
        own = [cell for cell in whole if cell.method == name]
        rate = max({cell.rate for cell in own}, key=lambda rate: _mean_held_out(own, rate))
        best = [cell for cell in own if cell.rate == rate]
        rows.append([name, *(_qualities([cell for cell in best if cell.image == image]) for image in images)])
    return _table(["held-out / gradient", *images], rows)


def ranges(cells: Sequence[Cell]) -> str:
    """Held-out and gradient PSNR on each picture with each range of frequencies, at the better of the whole rates."""
    images = list(dict.fromkeys(cell.image for cell in cells))
    rows = []
    for asked in dict.fromkeys((cell.method, cell.ranges) for cell in cells):
        own = _at_whole_rates([cell for cell in cells if (cell.method, cell.ranges) == asked])
        best = [max((c for c in own if c.image == image), key=_held_out_db) for image in images]
        title = ", ".join(f"{value:.2g}" for _, value in asked[1]) or asked[0]
        rows.append([title, *(_qualities([cell]) for cell in best)])
    return _table(["band limit, low box", *images], rows)


def sooner(report: Mapping[str, Any]) -> str:
    """When each picture of `benchmarks.held_out` was known to the mark between its samples, and how much sooner.

    Args:
        report: what that benchmark has written.
    """
    mark, rows = report["mark_db"], []
    for found in report["pictures"]:
        reached = [[first(each, mark, "held_out") for each in found["curves"][name]] for name in RUNS]
        seconds = [" and ".join("never" if each is None else f"{each:.1f}" for each in own) for own in reached]
        times = [found["times_sooner"]["held_out"].get(str(mark), {}).get(name, "never") for name in PRIORS]
        rows.append([found["image"], *seconds, *(str(each) for each in times)])
    return _table(["picture", "seconds, no prior", "seconds, prior", "recipe", "times, no prior", "times, prior"], rows)


def remade(page: str) -> str:
    """A page with every table made anew from the results.

    Raises:
        FileNotFoundError: if a table has no results.
        ValueError: if there is no such kind of table, or a mark names none.
    """
    marks = page.count("<!-- table: ")
    if marks != len(_TABLE.findall(page)):
        raise ValueError(f"{marks} tables begin, and not all as <!-- table: FOLDER KIND --> with an <!-- end -->")

    return _TABLE.sub(lambda found: found["begin"] + _body(RESULTS / found["folder"], found["kind"]), page)


def _body(folder: Path, kind: str) -> str:
    """A table of the results in a folder."""
    path = folder / ("held_out.json" if kind == "sooner" else "results.jsonl")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, expected the results of `tuner paper` or of a benchmark")
    if kind == "sooner":
        return sooner(json.loads(path.read_text()))
    cells = list(read_cells(path))
    match kind:
        case "pictures":
            neighbours = RESULTS / folder.name.partition("_")[0] / INTERPOLATED
            return pictures(cells, json.loads(neighbours.read_text()) if neighbours.is_file() else {})
        case "methods":
            return methods(cells)
        case "best":
            return best_rates(cells)
        case "ranges":
            return ranges(cells)
    raise ValueError(f"{kind!r} is no kind of table, expected pictures, methods, best, ranges or sooner")


def _at_whole_rates(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of a method and rate of which there is one for every picture and seed of any."""
    everywhere = {(cell.image, cell.seed) for cell in cells}
    places: dict[tuple[str, float], set[tuple[str, int]]] = {}
    for cell in cells:
        places.setdefault((cell.method, cell.rate), set()).add((cell.image, cell.seed))
    return [cell for cell in cells if places[cell.method, cell.rate] == everywhere]


def _mean_held_out(cells: Sequence[Cell], rate: float) -> float:
    return float(np.mean([_held_out_db(cell) for cell in cells if cell.rate == rate]))


def _held_out_db(cell: Cell) -> float:
    """What cells are ranked by: one that diverged comes last."""
    return float("-inf") if cell.test_psnr_db is None else cell.test_psnr_db


def _qualities(cells: Sequence[Cell]) -> str:
    """Means of the held-out and of the gradient PSNR."""
    held_out = np.mean([_or_nan(cell.test_psnr_db) for cell in cells])
    gradient = np.mean([_or_nan(cell.gradient_psnr_db) for cell in cells])
    return f"{held_out:.2f} / {gradient:.2f}"


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
