"""Fixtures for everybody: the real engines, started once per session and only when a test asks for them."""

from collections.abc import Iterator

import pytest

from tests.engines import fresh_corner, throwaway_engines


@pytest.fixture(scope="session")
def engines() -> Iterator[dict[str, str]]:
    """PostgreSQL, Valkey and SeaweedFS, as the `TUNER_` variables that lead to them; shared, so change nothing."""
    with throwaway_engines() as environment:
        yield environment


@pytest.fixture(scope="module")
def store_environment(engines: dict[str, str]) -> Iterator[dict[str, str]]:
    """An empty database, bucket and broker database of this test module's own, as `TUNER_` variables."""
    with fresh_corner(engines) as environment:
        yield environment
