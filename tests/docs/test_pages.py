"""Pages lead where they say, words of the glossary stand once, decisions have one layout."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "tuner/**/*.md", "[!.]*/README.md") for page in ROOT.glob(pattern)
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names that a link to a heading of a page may have."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached, ahead = set(), [index]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)", page.read_text(encoding="utf-8"))
        ahead += [path for link in links if (path := (page.parent / link).resolve()).exists() and path not in reached]
    assert set(ROOT.glob("docs/**/*.md")) <= reached


def test_every_sheet_of_views_is_shown() -> None:
    sheets = {f"images/views/{path.name}" for path in (ROOT / "docs/images/views").iterdir()}
    shown = re.findall(r"^!\[.+\]\((.+)\)$", (ROOT / "docs/views.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(sheets)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_number_and_is_in_the_index(page: Path) -> None:
    number = int(page.name[:4])
    assert page.read_text(encoding="utf-8").startswith(f"# {number}. ")
    index = (page.parent / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(rf"^\| {number} \| .*\]\({re.escape(page.name)}\)", index, re.MULTILINE)) == 1


def test_words_of_the_glossary_stand_once() -> None:
    rows = re.findall(r"^\| (\*\*.*?) \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row)]
    assert len(words) > 40
    assert len(words) == len(set(words))


def test_the_readme_shows_both_kinds_of_network_before_anything_else() -> None:
    first = README.partition("\n## ")[0]
    assert {"**sines**", "**wavelets**"} <= set(re.findall(r"\*\*\w+\*\*", first))
    # What only networks of sines have is promised of these alone.
    for line in README.splitlines():
        if re.search(r"spectrum (?:that )?(?:is )?(?:known|follows)|bounded", line):
            assert line.startswith("| **sines** |"), line


def test_the_drawing_of_the_service_names_all_that_runs() -> None:
    drawing = (ROOT / "docs/images/service.svg").read_text(encoding="utf-8")
    drawn = " ".join(re.findall(r">([^<]+)</text>", drawing)).lower()
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    running = {
        name
        for name, service in services.items()
        if service["restart"] == "unless-stopped" and "profiles" not in service
    }
    assert len(running) == 7
    assert not {name for name in running if name not in drawn}
    assert "(docs/images/service.svg)" in README
