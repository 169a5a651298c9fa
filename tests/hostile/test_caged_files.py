"""Every file of the corpus in the real cage: its own answer, within 512 MiB, and nothing opened.

That each is read within two seconds of a processor is said by `make bench-hostile`, on a machine that is known.
"""

from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest

from cage.keeper import Keeper
from cage.limits import CageError
from cage.shared import SharedChild
from tests.factories import picture_png
from tests.hostile import caged
from tests.hostile.files import FILES, NAMES, OVER_BUDGET, HostileFile
from tests.hostile.measure import LIMITS, Reading, read_all
from tuner.signal.inspect import SMALL_BYTES

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


def test_what_is_read_by_the_process_that_read_a_hostile_file_is_as_it_was() -> None:
    """Small files of the corpus and an honest one by turns, in one child as long as that is one."""
    keeper, honest, owner = Keeper("tuner.signal.handover", ON_A_SLOW_MACHINE), picture_png(), "somebody"
    child = SharedChild(keeper)
    try:
        truth = bytes(keeper.ask_bytes(honest, {}))
        files = [file for file in FILES if file.reader == "signal" and file.code != OVER_BUDGET]
        read_together = 0
        for file in files:
            data = file.make()
            if len(data) > SMALL_BYTES:
                continue
            try:
                alone = bytes(keeper.ask_bytes(data, {}))
            except CageError:
                alone = b""
            shared = child.ask(owner, data, {}, sha256(alone).hexdigest())
            assert shared in (alone, None), file.name
            read_together += shared is not None
            said = child.ask(owner, honest, {}, sha256(truth).hexdigest())
            assert said is None or bytes(said) == truth, file.name
        assert read_together > 50
    finally:
        child.close()
        keeper.close()
