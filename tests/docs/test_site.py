"""The documentation site builds without a warning, and opens nothing that lies elsewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tuner
import tuner_client

ROOT = Path(__file__).parents[2]


def test_names_of_the_client_have_entries() -> None:
    """By the source of the page, which is quick; the built pages are looked at by the long tests."""
    text = (ROOT / "docs" / "site" / "client.rst").read_text("utf-8")
    assert not set(vars(tuner_client)["__all__"]) - set(re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE))


def test_every_page_has_a_place() -> None:
    """By the sources, too: of every page that is taken, the index says where it is found."""
    conf = (ROOT / "docs" / "site" / "conf.py").read_text("utf-8")
    (listed,) = re.findall(r"include_patterns = \[(.*?)\]", conf, re.DOTALL)
    taken = {
        f"/{path.relative_to(ROOT).with_suffix('')}"
        for pattern in re.findall(r'"(.*?)"', listed)
        for path in ROOT.glob(pattern.replace("**", "**/*"))
        if path.suffix in {".md", ".ipynb"}
    }
    index = (ROOT / "docs" / "site" / "index.rst").read_text("utf-8")
    places = re.findall(r"^   (?:.* <)?(/[^>\n]+)>?$", index, re.MULTILINE)
    assert not {page for page in taken if not any(Path(page).match(place) for place in places)}
    links = {
        f"/{(path.parent / link).resolve().relative_to(ROOT).with_suffix('')}"
        for page in taken
        if (path := ROOT / f"{page[1:]}.md").exists()
        for link in re.findall(r"\]\(([^):#]+\.md)(?:#[^)]*)?\)", path.read_text("utf-8"))
    }
    assert not links - taken, "pages that are linked and not taken"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it: the tutorial runs, too."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs/site", ".", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.mark.long
def test_public_names_and_routes_are_in_it(site: Path) -> None:
    for page, module in (("library", tuner), ("client", tuner_client)):
        text = (site / "docs" / "site" / f"{page}.html").read_text("utf-8")
        names = [name for name in module.__all__ if f'id="{module.__name__}.{name}"' not in text]
        assert not names, f"these are public and have no entry on the page {page}: {names}"
    routes = (site / "docs" / "site" / "http.html").read_text("utf-8")
    document = json.loads((ROOT / "api" / "openapi.json").read_text("utf-8"))
    assert len(re.findall(r'<dl class="http \w+">', routes)) == sum(
        method in {"get", "post", "put", "patch", "delete", "head"}
        for path in document["paths"].values()
        for method in path
    )


@pytest.mark.long
def test_the_tutorial_has_run(site: Path) -> None:
    text = (site / "docs" / "tutorial.html").read_text("utf-8")
    assert "target met: True" in text
    assert text.count("<img") >= 3


@pytest.mark.long
def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No page makes a browser ask another server for a font, a script, a style or a picture."""
    for page in site.rglob("*.html"):
        asked = re.findall(
            r"<(?:script|img|iframe)[^>]*src=\"(?:https?:)?//[^\"]*|<link[^>]*href=\"(?:https?:)?//[^\"]*",
            page.read_text("utf-8"),
        )
        assert not asked, f"{page.relative_to(site)}: {asked}"
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\"?(?:https?:)?//", style.read_text("utf-8")), style


def test_the_tutorial_is_kept_without_outputs() -> None:
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text("utf-8"))["cells"]
    assert not [cell for cell in cells if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])]
