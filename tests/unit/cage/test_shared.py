"""One child reads several files of one owner, and no file gains anything over the next."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psutil
import pytest

from cage import shared
from cage.keeper import Keeper
from cage.limits import JobBroken, Limits
from cage.shared import SharedChild
from tests.unit.cage.prisoner import ALLOWED, ATTEMPTS

ROOT = Path(__file__).parents[3]
LIMITS = Limits(memory_bytes=1 << 28, cpu_seconds=2, wall_seconds=30.0, answer_bytes=1 << 22)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is less of a cage, and it says so")


class Asked:
    """A shared child of a stand-in, and the keeper that has it forked."""

    def __init__(self, module: str = "tests.unit.cage.turncoat", limits: Limits = LIMITS) -> None:
        self.keeper = Keeper(module, limits)
        self.child = SharedChild(self.keeper)

    def read(
        self, content: str, answer: str | None = None, owner: str = "a", heed: Callable[[], None] = lambda: None
    ) -> str | None:
        """What a file is believed to say, if that is the answer that was attested; itself if none is named."""
        digest = sha256((content if answer is None else answer).encode()).hexdigest()
        said = self.child.ask(owner, content.encode(), {}, digest, heed)
        return None if said is None else bytes(said).decode()

    def alone(self, content: str) -> str:
        """What a file says in a child of its own."""
        return bytes(self.keeper.ask_bytes(content.encode(), {})).decode()

    def processes(self) -> list[psutil.Process]:
        """Children that live."""
        assert self.keeper._nursery is not None
        found = psutil.Process(self.keeper._nursery.pid).children()
        return [one for one in found if not is_gone(one)]


@pytest.fixture
def asked() -> Iterator[Asked]:
    found = Asked()
    yield found
    found.child.close()
    found.keeper.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it went between the two
        return True


def test_files_of_one_owner_are_read_by_one_child(asked: Asked) -> None:
    assert [asked.read("count", str(number)) for number in (1, 2, 3)] == ["1", "2", "3"]
    (first,) = asked.processes()
    assert asked.read("something else") == "something else"
    assert asked.processes() == [first]


def test_a_file_of_another_owner_ends_it_and_begins_another(asked: Asked) -> None:
    assert asked.read("count", "1") == "1"
    (first,) = asked.processes()
    assert asked.read("count", "1", owner="b") == "1"
    wait_until(lambda: is_gone(first))
    assert len(asked.processes()) == 1
    assert asked.read("count", "1", owner="a") == "1"


def test_so_does_another_request(asked: Asked) -> None:
    digest = sha256(b"1").hexdigest()
    for request in ({"x": 1}, {"x": 2}):
        assert asked.child.ask("a", b"count", request, digest) is not None


def test_a_child_reads_so_many_files_and_no_more(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST_FILES", 3)
    assert [asked.read("count", str(number)) for number in (1, 2, 3, 1, 2)] == ["1", "2", "3", "1", "2"]


def test_a_child_that_nobody_asks_ends(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "IDLE_SECONDS", 0.2)
    assert asked.read("count", "1") == "1"
    wait_until(lambda: not asked.processes())
    assert asked.read("count", "1") == "1"


@pytest.mark.parametrize(
    "way",
    [
        "crash",
        "leave",
        "fault",
        "hang",
        "busy",
        "chatty",
        "promise",
        pytest.param("greedy", marks=LINUX),  # elsewhere there is no limit of memory
    ],
)
def test_what_does_not_read_well_harms_no_neighbour(asked: Asked, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked.read("before") == "before"
    (first,) = asked.processes()
    with monkeypatch.context() as patch:
        if way == "hang":
            patch.setattr(shared, "MOST_SECONDS", 1.0)
        assert asked.read(way) is None
    wait_until(lambda: is_gone(first))
    assert asked.read("after") == "after"
    assert asked.read("count", "2") == "2"


@pytest.mark.parametrize("way", ["turn", "ahead"])
def test_what_has_taken_the_child_over_says_nothing_of_the_next_file(asked: Asked, way: str) -> None:
    assert asked.read(way) == way
    assert asked.read("truth") is None
    assert asked.alone("truth") == "truth"
    assert asked.read("truth") == "truth"  # by another child


def test_processor_time_is_for_all_files_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST_SECONDS", 30.0)  # on a busy machine
    asked = Asked(limits=replace(LIMITS, cpu_seconds=1))
    try:
        answers = [asked.read("work") for _ in range(4)]
        assert answers[0] == "work"
        assert None in answers
        assert asked.alone("work") == "work"
    finally:
        asked.keeper.close()


@LINUX
def test_so_is_memory(asked: Asked) -> None:
    answers = [asked.read("keep") for _ in range(8)]
    assert answers[0] == "keep"
    assert None in answers
    assert asked.alone("keep") == "keep"


def test_who_asks_may_stop_waiting(asked: Asked) -> None:
    class Enough(Exception):
        pass

    meanwhile: list[str | None] = []

    def heed() -> None:
        meanwhile.append(asked.read("meanwhile"))  # one at a time: this one is read elsewhere
        raise Enough

    assert asked.read("before") == "before"
    with pytest.raises(Enough):
        asked.read("hang", heed=heed)
    assert meanwhile == [None]
    assert asked.read("count", "1") == "1"


def test_a_large_file_begins_nothing(asked: Asked) -> None:
    assert asked.read("x" * ((1 << 20) + 1)) is None
    assert asked.keeper._nursery is None


def test_where_nothing_can_be_read_that_is_for_others_to_say() -> None:
    asked = Asked("tests.unit.cage.no_such_module")
    try:
        assert asked.read("x") is None
        with pytest.raises(JobBroken):
            asked.alone("x")
    finally:
        asked.keeper.close()


def test_where_no_thread_is_left_to_watch_a_child_it_is_not_shared(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.alone("a file") == "a file"  # the nursery has its own thread by now

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert asked.read("a file") is None
    wait_until(lambda: not asked.processes())
    assert asked.read("a file") == "a file"


def test_a_nursery_that_died_is_replaced(asked: Asked) -> None:
    assert asked.read("count", "1") == "1"
    assert asked.keeper._nursery is not None
    asked.keeper._nursery.kill()
    asked.keeper._nursery.wait()
    assert asked.read("count", "2") is None
    assert asked.read("count", "1") == "1"


def test_the_end_of_either_leaves_nothing_behind(asked: Asked) -> None:
    assert asked.read("count", "1") == "1"
    (first,) = asked.processes()
    asked.child.close()
    wait_until(lambda: is_gone(first))
    assert asked.read("count", "1") == "1"
    (second,) = asked.processes()
    asked.keeper.close()
    wait_until(lambda: is_gone(second))


def test_nor_does_the_end_of_who_asks() -> None:
    code = (
        "import signal\n"
        "from tests.unit.cage.test_shared import Asked\n"
        "asked = Asked()\n"
        "assert asked.read('count', '1') == '1'\n"
        "print(asked.keeper._nursery.pid, asked.processes()[0].pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        left = [psutil.Process(int(pid)) for pid in asking.stdout.readline().split()]
        assert len(left) == 2
        asking.send_signal(signal.SIGKILL)
        asking.wait()
    wait_until(lambda: all(map(is_gone, left)))


@LINUX
def test_it_may_do_no_more_than_a_child_of_its_own() -> None:
    asked = Asked("tests.unit.cage.prisoner")
    try:
        for name in (*ATTEMPTS, *ALLOWED):
            outcome = asked.alone(name)
            assert outcome.startswith("refused" if name in ATTEMPTS else "done"), name
            assert asked.read(name, outcome) == outcome, name
        assert len(asked.processes()) == 1
    finally:
        asked.child.close()
        asked.keeper.close()
