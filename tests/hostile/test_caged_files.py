"""Every file of the corpus in the real cage: its own answer, within 512 MiB, and nothing opened.

That each is read within two seconds of a processor is said by `make bench-hostile`, on a machine that is known.
"""

from collections import Counter
from dataclasses import replace

import pytest

from tests.hostile import caged
from tests.hostile.files import FILES, NAMES, OVER_BUDGET, HostileFile
from tests.hostile.measure import LIMITS, Reading, read_all

ON_A_SLOW_MACHINE = replace(LIMITS, cpu_seconds=5 * LIMITS.cpu_seconds)


@pytest.fixture(scope="module")
def readings() -> dict[str, Reading]:
    return read_all(limits=ON_A_SLOW_MACHINE)


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(FILES) == len(set(NAMES))
    by_reader = Counter(file.reader for file in FILES)
    assert by_reader["signal"] >= 150
    assert by_reader["representation"] >= 100
    assert sum(file.code == OVER_BUDGET for file in FILES) <= 5  # the readers themselves refuse nearly all


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_each_file_gets_its_answer_and_opens_nothing(readings: dict[str, Reading], file: HostileFile) -> None:
    found = readings[file.name]
    assert found.code == file.code, found
    assert found.opened == []
    if found.ended is None:
        assert found.seconds is not None
        assert found.seconds <= ON_A_SLOW_MACHINE.cpu_seconds
        assert found.bytes is not None
        assert found.bytes <= ON_A_SLOW_MACHINE.memory_bytes


def test_what_could_be_opened_would_be_told() -> None:
    """The same report outside the cage names both."""
    (said,) = caged.run(b"", {"reader": "signal"})
    assert b'"opened": ["file", "socket"]' in said
