"""The page of a file: one document that holds all it needs, and runs nothing else; the command that writes it."""

import re
import webbrowser
from base64 import b64decode, b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.build import MODULE
from tuner.cli import app
from tuner.errors import ConfigError
from tuner.view import page as pages
from tuner.view.join import TARGET
from tuner.view.page import bundled, module, page

COLOUR = Path(__file__).parents[3] / "golden" / "v1-core" / "colour.tnr"


def elements(html: str, name: str) -> list[tuple[str, str]]:
    """Attributes and content of each element of a name."""
    return re.findall(rf"<{name}\b([^>]*)>(.*?)</{name}>", html, re.DOTALL)


def test_the_page_holds_the_file_and_the_core() -> None:
    data = COLOUR.read_bytes()
    scripts = dict(elements(page(data, "colour.tnr"), "script"))
    assert b64decode(scripts[' type="text/plain" id="tnr-file"']) == data
    assert b64decode(scripts[' type="text/plain" id="tnr-core"']) == MODULE.read_bytes()


def test_only_its_own_scripts_and_style_may_run_and_nothing_is_asked_for() -> None:
    html = page(COLOUR.read_bytes(), "colour.tnr")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    assert rules["default-src"] == ["'none'"]
    for directive, tag in (("script-src", "script"), ("style-src", "style")):
        running = [text for attributes, text in elements(html, tag) if "text/plain" not in attributes]
        digests = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in running]
        assert [source for source in rules[directive] if source.startswith("'sha")] == digests
    sources = {source for found in rules.values() for source in found}
    assert not {source for source in sources if "'" not in source} - {"blob:", "data:"}
    assert "'unsafe-inline'" not in sources
    assert not re.findall(r'(?:src|href)="(?!data:)', html)


@pytest.mark.parametrize("name", ["</title><script>alert(1)</script>", "a & b.tnr", '"quoted".tnr'])
def test_a_name_stays_text(name: str) -> None:
    html = page(COLOUR.read_bytes(), name)
    ((_, title),) = elements(html, "title")
    assert "<" not in title
    assert unescape(title) == name
    assert len(elements(html, "script")) == 4


@pytest.mark.parametrize("entry", [pages.PAGE, pages.WORKER])
def test_modules_are_joined_whole(entry: str) -> None:
    script = bundled(entry)
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert "/**\n" not in script
    if entry == pages.WORKER:
        assert "import.meta" not in script  # which a plain script may not have


def test_the_joined_module_is_what_its_modules_make() -> None:
    # Otherwise: make joined.
    assert TARGET.read_text(encoding="utf-8") == module()


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"a.js": 'import b from "./b.js";\n'}, "import b from"),
        ({"a.js": "export default 3;\n"}, "export default 3;"),
        ({"a.js": "const [a, b] = [1, 2];\n"}, "one name a declaration"),
        (
            {"a.js": 'import { c } from "./b.js";\nconst d = c;\n', "b.js": "export const c = 1;\nlet d = 2;\n"},
            "d in common",
        ),
        ({"a.js": 'const c = "</script>";\n'}, "would end their element"),
    ],
)
def test_what_cannot_be_joined_is_refused(
    sources: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(pages, "web_files", lambda: tmp_path)
    with pytest.raises(ConfigError, match=re.escape(message)):
        bundled("a.js")


def test_the_command_writes_a_page_and_says_where(tmp_path: Path) -> None:
    output = tmp_path / "colour.html"
    done = CliRunner().invoke(app, ["view", str(COLOUR), "-o", str(output)])
    assert done.exit_code == 0
    assert done.output == f"{output}: {output.stat().st_size} bytes\n"
    assert output.read_text(encoding="utf-8") == page(COLOUR.read_bytes(), "colour.tnr")


def test_without_an_output_the_page_is_opened_or_only_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def opens(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", opens)
    done = CliRunner().invoke(app, ["view", str(COLOUR), "--no-browser"])
    assert Path(done.output.strip()).is_relative_to(tmp_path)
    assert opened == []
    done = CliRunner().invoke(app, ["view", str(COLOUR)])
    assert opened == [Path(done.output.strip()).as_uri()]


def test_a_damaged_file_is_refused_before_a_page_is_written(tmp_path: Path) -> None:
    source = tmp_path / "cut.tnr"
    source.write_bytes(COLOUR.read_bytes()[:-1])
    done = CliRunner().invoke(app, ["view", str(source), "-o", str(tmp_path / "cut.html")])
    assert done.exit_code == 1
    assert not (tmp_path / "cut.html").exists()


def test_a_signal_in_tiles_makes_a_page_with_what_reads_it_inside(tmp_path: Path) -> None:
    source = COLOUR.parents[1] / "v1-tiles" / "picture.tnr"
    done = CliRunner().invoke(app, ["view", str(source), "-o", str(tmp_path / "x.html")])
    assert done.exit_code == 0
    worker = bundled(pages.WORKER)
    assert worker.count("class Tiles extends Decoder") == 1
    assert worker.index("class Decoder") < worker.index(
        "class Tiles extends Decoder"
    )  # the other way round it would not run
    assert "await import" not in worker
