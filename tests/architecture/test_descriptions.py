"""What an argument, an attribute, an option or a field is, said in a phrase that stands without its name.

Such descriptions reach `help()`, `--help` and the OpenAPI document, where "of the file" beside a name is a riddle.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("tuner", "tuner_client", "standalone", "store", "api", "worker")

# A description that begins so is the end of a sentence whose beginning is the name, or the bare shape of an array.
FRAGMENT = re.compile(
    r"(of|or|and|for|in|on|at|by|from|to|with|that|which|where|when|while|as|if|so|than|until|once|after|afterwards"
    r"|before|between|beside|besides|along|above|below|within|also|then|like|likewise|see|its|not|none|null|float32"
    r"|int32|uint8|their|they|whose|who)\b|[<>(]|the same[,.]|\w(?:[.;]|$)|\w, (?:float|int|in |as |\()",
    re.IGNORECASE,
)
SECTION = re.compile(r"(\w[\w ]*):$")
ENTRY = re.compile(r" {4}(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)$")

# Files that still have fragments. A file that has none any more must leave the list: the second test sees to it.
STILL_TO_BE_DONE: frozenset[str] = frozenset()


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def _entries(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and first lines of what stands under "Args:" and "Attributes:"."""
    section = ""
    for line in docstring.splitlines():
        if heading := SECTION.match(line):
            section = heading[1]
        elif section in ("Args", "Attributes") and (entry := ENTRY.match(line)):
            yield entry[1], entry[2]


def _options(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Texts of options and fields: `help=` and `description=`, where they are written out."""
    for node in ast.walk(tree):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg in ("help", "description") and isinstance(keyword.value, ast.Constant | ast.JoinedStr):
                value = keyword.value
                start = value.values[0] if isinstance(value, ast.JoinedStr) and value.values else value
                if isinstance(start, ast.Constant) and isinstance(start.value, str):
                    yield value.lineno, keyword.arg, start.value


def fragments(source: str) -> list[str]:
    """Each description that begins in the middle of a sentence, as "line: name: description"."""
    tree = ast.parse(source)
    found = [(line, name, text) for line, docstring in _docstrings(tree) for name, text in _entries(docstring)] + list(
        _options(tree)
    )
    return [f"{line}: {name}: {text}" for line, name, text in sorted(found) if FRAGMENT.match(text)]


def _files() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def test_descriptions_stand_without_the_name_they_describe() -> None:
    found = [
        f"{name}:{fragment}"
        for name, source in _files().items()
        if name not in STILL_TO_BE_DONE
        for fragment in fragments(source)
    ]
    assert not found, "say what it is, such as 'size of the file in bytes':\n" + "\n".join(found)


def test_the_list_of_files_to_be_done_only_shrinks() -> None:
    files = _files()
    done = sorted(name for name in STILL_TO_BE_DONE if name not in files or not fragments(files[name]))
    assert not done, f"these have no fragments any more, take them off STILL_TO_BE_DONE: {done}"


def test_no_docstring_says_who_calls() -> None:
    """Imports say it, and stay true; a line of prose does not."""
    found = [
        f"{name}:{line}"
        for name, source in _files().items()
        for line, docstring in _docstrings(ast.parse(source))
        if re.search(r"^\s*called by\b", docstring, re.IGNORECASE | re.MULTILINE)
    ]
    assert not found, f"leave out who calls: {found}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Size.\n\nArgs:\n    size: of the file.\n"""', ["1: size: of the file."]),
        ('class A:\n    """A.\n\n    Attributes:\n        a, b: > 0.\n    """', ["2: a, b: > 0."]),
        ('def f(x):\n    """F.\n\n    Args:\n        x: (N, C).\n    """', ["2: x: (N, C)."]),
        ('Field(description="or at that moment")', ["1: description: or at that moment"]),
        ('Option(help=f"of {x}")', ["1: help: of "]),
        ('"""Size.\n\nArgs:\n    size: size of the file in bytes.\n\nRaises:\n    Full: if it is too large.\n"""', []),
        ('Field(description="offset in the file")', []),
    ],
)
def test_fragments_are_recognised(source: str, expected: list[str]) -> None:
    assert fragments(source) == expected
