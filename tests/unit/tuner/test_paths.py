"""Every command looks at its paths before it works, whichever commands and paths there are."""

import inspect
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from typer import Exit
from typer.models import ArgumentInfo
from typer.testing import CliRunner, Result

from tests.networks import random_representation
from tuner.cli import app
from tuner.codec.encode import encode
from tuner.terminal import errors_in_one_line


def path_parameters() -> dict[str, dict[str, bool]]:
    """The parameters of each command that take a path, and whether they are arguments, not options."""
    found: dict[str, dict[str, bool]] = {}
    for command in app.registered_commands:
        assert command.callback is not None
        hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
        for name, hint in hints.items():
            given, *told = get_args(hint) or (hint,)
            if Path in (given, *get_args(given)):
                found.setdefault(command.callback.__name__, {})[name] = isinstance(told[0], ArgumentInfo)
    return found


COMMANDS = path_parameters()
PATHS = [(command, name) for command, names in sorted(COMMANDS.items()) for name in names]
READ = [(name, parameter) for name, parameter in PATHS if parameter not in {"output", "out"}]
WRITTEN = [(name, parameter) for name, parameter in PATHS if parameter == "output"]


def run(command: str, paths: dict[str, Path]) -> Result:
    """Run a command with a path for each of its parameters that takes one."""
    arguments = [command]
    for name, path in paths.items():
        arguments += [str(path)] if COMMANDS[command][name] else [f"--{name}", str(path)]
    return CliRunner().invoke(app, arguments)


def good_paths(command: str, folder: Path) -> dict[str, Path]:
    """Paths with which the command would begin to work."""
    file = folder / "file.tnr"
    file.write_bytes(encode(random_representation()))
    (folder / "pictures").mkdir()
    known = {"output": folder / "new.tnr", "out": folder / "runs", "folder": folder / "pictures"}
    return {parameter: known.get(parameter, file) for name, parameter in PATHS if name == command}


def expect_one_line(result: Result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("tuner: ")
    assert result.stderr.count("\n") == 1
    assert "Errno" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_all_commands_with_paths_are_here() -> None:
    assert {name for name, _ in READ} == {"decode", "experiment", "export", "fit", "info", "paper", "submit", "view"}
    assert {name for name, _ in WRITTEN} == {"decode", "export", "fit", "submit", "view"}


@pytest.mark.parametrize(("command", "parameter"), READ)
def test_what_is_not_there_is_one_clear_sentence(command: str, parameter: str, tmp_path: Path) -> None:
    paths = good_paths(command, tmp_path) | {parameter: tmp_path / "absent"}
    noun = "folder" if parameter == "folder" else "file"
    expect_one_line(run(command, paths), f"there is no {noun} {tmp_path / 'absent'}: check the name")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("command", "parameter"), READ)
def test_a_folder_is_no_file_nor_a_file_a_folder(command: str, parameter: str, tmp_path: Path) -> None:
    paths = good_paths(command, tmp_path)
    other = tmp_path / "file.tnr" if parameter == "folder" else tmp_path / "pictures"
    noun, wanted = ("file", "folder") if parameter == "folder" else ("folder", "file")
    expect_one_line(run(command, paths | {parameter: other}), f"{other} is a {noun}, expected a {wanted}")


@pytest.mark.parametrize(("command", "parameter"), WRITTEN)
def test_an_output_that_cannot_be_written_is_noticed_first(command: str, parameter: str, tmp_path: Path) -> None:
    paths = good_paths(command, tmp_path)
    expect_one_line(run(command, paths | {parameter: tmp_path / "no" / "new.tnr"}), "does not exist: create it first")
    expect_one_line(run(command, paths | {parameter: tmp_path}), "is a folder, expected the name of a file")
    expect_one_line(run(command, paths | {parameter: tmp_path / "file.tnr"}), "is the input itself")


@pytest.mark.parametrize("command", [name for name, parameter in PATHS if parameter == "out"])
def test_a_folder_to_make_is_not_a_file(command: str, tmp_path: Path) -> None:
    paths = good_paths(command, tmp_path)
    expect_one_line(run(command, paths | {"out": tmp_path / "file.tnr"}), "is a file, expected the name of a folder")


def test_a_relative_name_is_told_with_the_folder_it_is_looked_for_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expect_one_line(run("info", {"source": Path("absent.tnr")}), f"absent.tnr in {tmp_path}: check", "the whole path")


def test_what_goes_wrong_later_is_told_without_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as ended, errors_in_one_line():
        (tmp_path / "absent.png").read_bytes()
    assert ended.value.exit_code == 1
    said = f"tuner: {tmp_path / 'absent.png'} cannot be used: no such file or directory\n"
    assert capsys.readouterr().err == said
