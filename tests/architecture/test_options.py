"""Every command of every program takes each of its options once: of two the last would count, and nothing be said."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperOption

import api.keys

ROOT = Path(__file__).parents[2]
PACKAGES = ("tuner", "tuner_client", "standalone", "store", "api", "worker", "cage")


def programs() -> Iterator[tuple[str, typer.Typer]]:
    """What the packages make of typer, with the name of the module."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "typer.Typer(" in path.read_text("utf-8"):
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield from ((name, one) for one in vars(import_module(name)).values() if isinstance(one, typer.Typer))


def options() -> Iterator[tuple[str, TyperCommand, str]]:
    """Program, command and name of each option with one value."""
    for program, app in programs():
        for command in typer.main.get_group(app).commands.values():
            assert isinstance(command, TyperCommand)
            for option in command.params:
                if isinstance(option, TyperOption) and not (option.is_flag or option.multiple):
                    yield program, command, option.opts[-1]


ALL = list(options())


@pytest.mark.parametrize(
    ("command", "option"), [pytest.param(each, name, id=f"{of} {each.name} {name}") for of, each, name in ALL]
)
def test_an_option_is_given_once(command: TyperCommand, option: str) -> None:
    """Options are counted before their values and all else that the command needs are looked at."""
    with pytest.raises(typer.BadParameter, match="it is given 2 times, expected once"):
        command.make_context("", [option, "1", option, "2"])


def test_one_of_several_values_may_be_repeated() -> None:
    create = typer.main.get_group(api.keys.app).commands["create"]
    given = create.make_context("", ["--tenant", "a", "--scope", "signals:read", "--scope", "fits:read"])
    assert given.params["scope"] == ["signals:read", "fits:read"]


def test_the_options_of_every_program_are_found() -> None:
    assert {program for program, _, _ in ALL} == {"api.keys", "standalone.cli", "tuner.cli"}
