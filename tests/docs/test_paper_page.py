"""The tables of docs/paper.md between marks are what the committed results give."""

import re

import pytest

from benchmarks.paper_page import PAGE, remade


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
