"""What a sentence advises is there: options, settings, commands, extras, presets, kinds of network and targets.

Sentences are the strings of all packages that hold a space and are no documentation: errors, help and advice alike.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tomllib import loads
from typing import Final

import pytest
import typer
from pydantic_settings import BaseSettings
from typer.core import TyperGroup

import api.keys
import standalone.cli
import tuner.cli
from api.settings import ApiSettings
from store.settings import StoreSettings
from tuner.fit.presets import Effort
from tuner.signal.kind import SignalKind
from tuner.targets.ask import NetworkKind
from tuner.targets.target import SPELLINGS
from worker.settings import WorkerSettings

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("tuner", "tuner_client", "standalone", "store", "api", "worker", "cage")
SETTINGS: Final[tuple[type[BaseSettings], ...]] = (ApiSettings, StoreSettings, WorkerSettings)

OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
SETTING: Final = re.compile(r"\bTUNER(?:_[A-Z0-9]+)+\b")
COMMAND: Final = re.compile(r"['`](tunerd?) ([a-z]+)")
MODULE: Final = re.compile(r"python -m ([a-z_.]+)")
EXTRA: Final = re.compile(r"(tuner-neural|service)\[([a-z,]+)\]|\bextra [`']([a-z]+)[`']")
PRESET: Final = re.compile(r"\b(?:preset|effort) '(\w+)'")
NETWORK: Final = re.compile(r"\bnetwork kind '(\w+)'")
SIGNAL: Final = re.compile(r"\bsignals? of kind '?(\w+)'?")
TARGET: Final = re.compile(r"(?<![\w.])([a-z_]+)=\d")


@dataclass(frozen=True)
class Sentence:
    """A string of a module, with what is put into it left out, and where it stands."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def sentences_of(source: str, path: str) -> Iterator[Sentence]:
    tree = ast.parse(source)
    apart = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            apart |= {id(part) for part in node.values}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            text = node.value
        else:
            continue
        if " " in text.strip():
            yield Sentence(path, node.lineno, text)


@cache
def all_sentences() -> tuple[Sentence, ...]:
    return tuple(
        sentence
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for sentence in sentences_of(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    )


@cache
def commands(app: typer.Typer) -> dict[str, frozenset[str]]:
    """The options of each command; those of the program itself under the empty name."""
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    return {
        name: frozenset({"--help"}.union(*([*one.opts, *one.secondary_opts] for one in command.params)))
        for name, command in {"": program, **program.commands}.items()
    }


# The commands that say what a module says; of any other module, all of the program.
SAID_BY: Final = {
    "tuner/experiment/": ("experiment",),
    "tuner/export/": ("export",),
    "tuner/view/": ("view",),
}


def options_of(path: str) -> frozenset[str]:
    """The options that whoever reads a sentence of a module can give."""
    if path.startswith("standalone/"):
        # `tunerd keys` hands on what it is given.
        return frozenset().union(*commands(standalone.cli.app).values(), *commands(api.keys.app).values())
    if path == "api/__main__.py":
        return frozenset({"--host", "--port"})
    known = commands(tuner.cli.app)
    chosen = next((names for begin, names in SAID_BY.items() if path.startswith(begin)), tuple(known))
    return frozenset().union(*(known[name] for name in chosen))


@cache
def settings() -> frozenset[str]:
    """Names of environment variables: fields of settings, and what is read from the environment by its name."""
    names = {
        f"{kind.model_config.get('env_prefix', '')}{field}".upper() for kind in SETTINGS for field in kind.model_fields
    }
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                read: list[ast.expr] = []
                if isinstance(node, ast.Subscript):
                    read = [node.slice]
                elif isinstance(node, ast.Call):
                    read = [keyword.value for keyword in node.keywords if keyword.arg == "envvar"]
                    if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                        read += node.args[:1]
                names |= {str(one.value) for one in read if isinstance(one, ast.Constant)}
    return frozenset(name for name in names if name.startswith("TUNER_"))


@cache
def extras(package: str) -> frozenset[str]:
    """What can be asked for beside a package: the library, or the service of the checkout."""
    folder = ROOT / "service" if package == "service" else ROOT
    return frozenset(loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])


def unknown_in(sentence: Sentence) -> list[str]:
    """What a sentence names that does not exist."""
    text, found = sentence.text, []
    found += [word for word in OPTION.findall(text) if word not in options_of(sentence.path)]
    found += [word for word in SETTING.findall(text) if word not in settings()]
    for program, name in COMMAND.findall(text):
        if name not in commands(tuner.cli.app if program == "tuner" else standalone.cli.app):
            found.append(f"{program} {name}")
    found += [module for module in MODULE.findall(text) if not _is_module(module.rstrip("."))]
    for package, several, one in EXTRA.findall(text):
        found += [name for name in (several or one).split(",") if name not in extras(package)]
    found += [word for word in PRESET.findall(text) if word not in set(Effort)]
    found += [word for word in NETWORK.findall(text) if word not in set(NetworkKind)]
    found += [word for word in SIGNAL.findall(text) if word not in set(SignalKind)]
    if "target" in text:
        found += [word for word in TARGET.findall(text) if word not in SPELLINGS]
    return found


def _is_module(name: str) -> bool:
    return name.partition(".")[0] not in PACKAGES or find_spec(name) is not None


def test_every_sentence_names_what_exists() -> None:
    wrong = [f"{sentence} -> {', '.join(names)}" for sentence in all_sentences() if (names := unknown_in(sentence))]
    assert not wrong, "\n".join(wrong)


def test_sentences_of_every_sort_are_found() -> None:
    """So that a pattern that no longer finds anything is noticed."""
    for pattern in (OPTION, SETTING, COMMAND, EXTRA, PRESET, NETWORK, TARGET):
        assert any(pattern.search(sentence.text) for sentence in all_sentences()), pattern.pattern


@pytest.mark.parametrize(
    ("path", "text", "unknown"),
    [
        ("tuner/targets/a.py", "to come closer, ask for --quality", "--quality"),
        ("tuner/experiment/a.py", "give --tiles for less", "--tiles"),
        ("tuner/a.py", "see 'tuner explain'", "tuner explain"),
        ("standalone/a.py", "make one with `tunerd key create`", "tunerd key"),
        ("api/a.py", "name it in TUNER_ALLOWED_NAMES", "TUNER_ALLOWED_NAMES"),
        ("worker/a.py", "ask for the preset 'slow'", "slow"),
        ("tuner/a.py", "ask for the network kind 'tuner'", "tuner"),
        ("tuner/a.py", "install it: pip install 'tuner-neural[video,fits]'", "fits"),
        ("standalone/a.py", "install Tuner with the extra 'standalone'", "standalone"),
        ("tuner/a.py", "ask for a target such as quality=30", "quality"),
    ],
)
def test_what_does_not_exist_is_found(path: str, text: str, unknown: str) -> None:
    source = f"def f(a):\n    raise ValueError(f{text + ' …'!r})\n"
    (sentence,) = sentences_of(source, path)
    assert unknown_in(sentence) == [unknown]


def test_no_sentence_of_the_library_advises_a_preset() -> None:
    """Only the service calls it so; the command line and `represent` know an effort."""
    advised = re.compile(r"\bpreset\b(?! of the service\b)")
    wrong = [
        str(sentence)
        for sentence in all_sentences()
        if sentence.path.startswith("tuner/") and advised.search(sentence.text)
    ]
    assert not wrong, "\n".join(wrong)
