"""Ctrl-C while a command is being imported, which is most of its first second."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]

# Interrupted where it looks for a module; whatever catches `Exception` or all there must not hide it.
PROGRAM = """
import os, signal, sys

wanted, *how = sys.argv[1:]

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except BaseException as error:
                raise ImportError(name) from error

sys.meta_path.insert(0, Interrupts())
signal.signal(signal.SIGINT, signal.SIG_IGN if how else signal.default_int_handler)
from {module} import {function}
sys.argv[1:] = ["--help"]
{function}()
"""


def commands() -> dict[str, str]:
    """Names of the commands that are installed, and the functions behind them."""
    found: dict[str, str] = {}
    for project in ("pyproject.toml", "service/pyproject.toml"):
        found |= tomllib.loads((ROOT / project).read_text("utf-8"))["project"]["scripts"]
    return found


def run(command: str, *given: str) -> "subprocess.CompletedProcess[str]":
    module, function = commands()[command].split(":")
    program = [sys.executable, "-c", PROGRAM.format(module=module, function=function), *given]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "module"), [("tuner", "typer"), ("tuner", "numpy"), ("tunerd", "typer"), ("tunerd", "redis")]
)
def test_an_interrupt_among_imports_is_one_line(command: str, module: str) -> None:
    ended = run(command, module)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", f"{command}: stopped\n")


@pytest.mark.parametrize("command", ["tuner", "tunerd"])
def test_what_is_to_be_ignored_stays_ignored(command: str) -> None:
    """A shell starts what is to go on in the background so."""
    ended = run(command, "typer", "ignored")
    assert ended.returncode == 0
    assert "Usage: " in ended.stdout


def test_every_command_is_met_here() -> None:
    assert commands().keys() == {"tuner", "tunerd"}
    for place in commands().values():
        module, function = place.split(":")
        assert isinstance(found := import_module(module), ModuleType)
        assert callable(getattr(found, function))
