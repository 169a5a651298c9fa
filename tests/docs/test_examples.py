"""Every example in a docstring of the library runs and prints what it shows."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.networks import random_representation

TUNER = Path(__file__).parents[2] / "tuner"
MODULES = [
    ".".join(path.relative_to(TUNER.parent).with_suffix("").parts)
    for path in sorted(TUNER.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of(name: str) -> None:
    module = import_module(name)
    failed, run = doctest.testmod(module, extraglobs={"representation": random_representation((24, 16))})
    assert run
    assert not failed


def test_there_are_examples() -> None:
    assert {"tuner.representation", "tuner.signal.formats", "tuner.fit.presets"} <= set(MODULES)
