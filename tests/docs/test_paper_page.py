"""The tables of docs/paper.md between marks are what the committed results give."""

import re

import pytest

from benchmarks.paper_page import PAGE, best_rates, ranges, remade
from tuner.experiment.paper import Cell


def test_the_page_is_what_the_results_give() -> None:
    page = PAGE.read_text()
    assert "<!-- table: " in page
    assert remade(page) == page, "run python -m benchmarks.paper_page"


def test_a_changed_number_is_seen() -> None:
    page = PAGE.read_text()
    begin = page.index("<!-- table: ")
    changed = page[:begin] + re.sub(r"(\| \d+)\.(\d)", r"\1.\g<2>9", page[begin:], count=1)
    assert changed != page
    assert remade(changed) == page


def test_a_table_without_results_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match="expected the results"):
        remade("<!-- table: nothing pictures -->\n<!-- end -->")


def test_a_mark_that_names_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="1 tables begin"):
        remade("<!-- table: kodak -->\n<!-- end -->")
    with pytest.raises(ValueError, match="'plots' is no kind of table"):
        remade("<!-- table: kodak plots -->\n<!-- end -->")


def cell(image: str, rate: float, held_out: float | None, **asked: float) -> Cell:
    sizes = {"size": 8, "weights": 9, "layers": 2, "steps": 3, "batch_samples": 64, "trained_weights": 9, "width": 2}
    numbers = dict.fromkeys(("train_psnr_db", "test_psnr_db", "gradient_psnr_db"), held_out)
    return Cell(image=image, method="tuner", seed=0, rate=rate, seconds=1.0, **sizes, **numbers, **asked)  # type: ignore[arg-type]


def test_a_rate_that_diverged_is_not_the_best_one_and_a_step_of_a_search_is_none() -> None:
    cells = [
        cell("a", 0.1, None),
        cell("b", 0.1, 50.0),
        cell("a", 0.2, 20.0),
        cell("b", 0.2, 21.0),
        cell("a", 0.4, 90.0),
    ]
    assert best_rates(cells) == (
        "| held-out / gradient | a | b |\n| --- | --- | --- |\n| tuner | 20.00 / 20.00 | 21.00 / 21.00 |\n"
    )


def test_each_range_has_a_row_with_the_better_rate_of_each_picture() -> None:
    cells = [cell(image, rate, db, band_limit=0.5) for image, rate, db in (("a", 0.1, None), ("a", 0.2, 20.0))]
    cells += [cell("a", 0.1, 30.0, band_limit=0.25, low_limit=0.1)]
    assert ranges(cells).splitlines()[2:] == ["| 0.5 | 20.00 / 20.00 |", "| 0.25, 0.1 | 30.00 / 30.00 |"]
