"""A short fuzz of every operation: enough to notice what a change of the interface forgot."""

from pathlib import Path

import pytest

from tests.fuzz.run import fuzz


@pytest.mark.long
def test_a_short_run_finds_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    result = fuzz(environment, tmp_path, examples=2, seed=1)
    assert result["status"] == 0, result["output"]
    assert result["errors_logged"] == []
    assert "Tested: " in result["output"]
