"""The pages that describe the bytes: they can be read, lead to each other, and name the chunks that there are."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from tuner.codec.file.container import NETWORKS, ChunkType
from tuner.codec.file.header import KIND_CODES, SAMPLE_FORMAT_CODES
from tuner.signal.signal import DETAILS

CODEC = Path(__file__).parents[4] / "tuner/codec"
PAGES = [CODEC / "FORMAT.md", *sorted((CODEC / "format").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_page_lists_the_chunks_that_there_are() -> None:
    page = PAGES[0].read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([0-9a-f]{2})` \| (.*) \|$", page, flags=re.MULTILINE)
    assert [int(number, 16) for number, _ in rows] == list(ChunkType)
    assert [int(number, 16) for number, meaning in rows if meaning.startswith(("network", "[network"))] == list(
        NETWORKS
    )


def table(heading: str) -> list[list[str]]:
    """Rows of a table of the page that begins with this line."""
    page = PAGES[0].read_text(encoding="utf-8")
    rows = page.split(f"{heading}\n")[1].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_page_lists_kinds_and_sample_formats() -> None:
    kinds = [kind for kind, *_ in table("| kind | axes | details |")]
    assert kinds == [f"{code} {kind.value}" for kind, code in KIND_CODES.items()]
    page = PAGES[0].read_text(encoding="utf-8").replace("\n", " ")
    formats = ", ".join(f"{code} {each.value}" for each, code in SAMPLE_FORMAT_CODES.items())
    assert f"**Sample formats**: {formats} (" in page


def test_the_page_lists_the_details_of_every_kind_and_which_must_be_there() -> None:
    listed = {
        name: absent for names, _, absent in table("| detail | value | if absent |") for name in names.split(", ")
    }
    for kind, (_, _, details) in zip(KIND_CODES, table("| kind | axes | details |"), strict=True):
        known = {} if DETAILS.get(kind) is None else {field.name: field for field in fields(DETAILS[kind])}
        names = list(known)
        if details.endswith(", as below"):  # a range of the second table, where the names would make too long a line
            order = list(listed)
            assert details == f"{names[0]} to {names[-1]}, as below"
            assert names == order[order.index(names[0]) : order.index(names[-1]) + 1]
        else:
            assert details == (", ".join(names) or "none")
        for name, field in known.items():
            assert (field.default is MISSING) == (listed[name] == "refuse"), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_short_enough_to_be_read(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120] == []
    assert len(lines) < 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)]*)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        there = page.parent / path
        assert there.is_file(), link
        assert not anchor or anchor in anchors(there), link
