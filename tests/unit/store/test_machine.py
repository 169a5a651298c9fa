"""How much memory there is, where a container leaves less than the machine has."""

from pathlib import Path

import pytest

from store.machine import most_of_the_memory

GIBIBYTE = 1 << 30


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, None),
        ({"memory.max": "max"}, None),
        ({"memory.max": str(4 * GIBIBYTE)}, 3 * GIBIBYTE),
        ({"a/memory.max": str(2 * GIBIBYTE), "memory.max": "max"}, 3 * GIBIBYTE // 2),
        ({"a/b/memory.max": "max", "a/memory.max": str(2 * GIBIBYTE)}, 3 * GIBIBYTE // 2),
        ({"a/b/memory.max": str(64 << 20)}, GIBIBYTE),
        ({"other/memory.max": str(2 * GIBIBYTE)}, None),
    ],
)
def test_the_least_of_all_limits_counts(tmp_path: Path, limits: dict[str, str], expected: int | None) -> None:
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    nothing = most_of_the_memory(tmp_path / "none", own)
    for name, text in limits.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert most_of_the_memory(tmp_path, own) == (nothing if expected is None else expected)


def test_without_groups_it_is_the_machine(tmp_path: Path) -> None:
    assert most_of_the_memory(tmp_path, tmp_path / "none") == most_of_the_memory(tmp_path, tmp_path)
