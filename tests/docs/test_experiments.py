"""What docs/experiments.md and docs/paper.md show works as printed."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from tests.factories import picture_png
from tuner.cli import app
from tuner.experiment.config import read_experiment

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def _photo_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(picture_png())
    monkeypatch.chdir(tmp_path)


def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "experiments.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert "curves" in names


def test_the_configuration_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "experiments.md").read_text(), re.DOTALL)
    (tmp_path / "experiment.yaml").write_text(text)
    assert read_experiment(tmp_path / "experiment.yaml").image == str(tmp_path / "photo.png")


@pytest.mark.parametrize("page", ["experiments.md", "paper.md"])
def test_the_commands_have_these_options(page: str) -> None:
    text = (DOCS / page).read_text().replace("\\\n", " ")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = re.findall(r"^tuner (?:experiment|paper) .*$", text, re.MULTILINE)
    assert lines
    for line in lines:
        _, name, *arguments = shlex.split(line, comments=True)
        context = commands[name].make_context(name, arguments)
        assert context.params["out"]
