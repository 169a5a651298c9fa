"""The pages that describe the bytes: they can be read, lead to each other, and name the chunks that there are."""

import re
from pathlib import Path

import pytest

from tuner.codec.file.container import NETWORKS, ChunkType

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
    assert [int(number, 16) for number, meaning in rows if "network" in meaning] == list(NETWORKS)


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
