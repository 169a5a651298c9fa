"""What the README shows works as printed."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.factories import picture_png
from tuner.cli import app

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(autouse=True)
def _photo_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(picture_png())
    monkeypatch.chdir(tmp_path)


def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert "representation" in names


def test_the_commands_of_the_library_run() -> None:
    commands = [shlex.split(line)[1:] for line in re.findall(r"^tuner .*$", README, re.MULTILINE)]
    assert [command[0] for command in commands] == ["fit", "info", "decode", "shrink", "export"]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
