"""A few of the files that `make test-node` tries by the thousand."""

import shutil
from pathlib import Path

import pytest

from tests.other_engine.agreement import Case, cases, disagreements

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def test_node_gives_the_same_bits(tmp_path: Path) -> None:
    assert disagreements(list(cases(40, seed=0)), tmp_path) == []


def test_another_bit_would_be_seen(tmp_path: Path) -> None:
    first, second, *_ = cases(3, seed=0)
    swapped = [Case(first.pieces, second.digests, 1), second]
    assert disagreements(swapped, tmp_path) == [0]
