"""Data folders for tests that start and kill processes of their own."""

from collections.abc import Iterator

import pytest

from standalone.home import Home
from tests.engines import throwaway_home


@pytest.fixture
def home() -> Iterator[Home]:
    """A fresh data folder, with a space in its path."""
    with throwaway_home() as fresh:
        yield fresh
