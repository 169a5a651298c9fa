"""The file in which a benchmark keeps its results, one line of JSON for each, so that it goes on where it stopped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Cells:
    """The results so far, in `cells.jsonl` of a folder.

    Args:
        folder: folder of all that the benchmark writes, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cells.jsonl"

    def rows(self) -> list[dict[str, Any]]:
        """All results, in the order in which they came."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines() if line]

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a result, and print it."""
        line = json.dumps(row)
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")
        print(line, flush=True)  # noqa: T201  what a benchmark is for
