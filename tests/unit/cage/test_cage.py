"""Nothing leads out of the cage, whoever starts it; and what it is for works inside."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cage import seccomp
from cage.identity import NAMELESS
from cage.keeper import Keeper
from tests.unit.cage.prisoner import ALLOWED, ATTEMPTS, LIMITS, attempt_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is less of a cage, and it says so")

ROOT = Path(__file__).parents[3]
NOBODY = 65_534
NAMESPACES = Path("/proc/self/ns")
_CAP_SYS_ADMIN = 21  # linux/capability.h


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """As the user who runs the tests."""
    return attempt_all()


@pytest.fixture(scope="module")
def outcomes_of_nobody() -> dict[str, str]:
    """As a user without privileges, which only root can become."""
    if os.geteuid() != 0:
        pytest.skip("only root can run it as somebody else")
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.cage.prisoner", str(NOBODY)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ATTEMPTS)
def test_every_way_out_is_refused(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name].startswith("refused")


@pytest.mark.parametrize("name", ATTEMPTS)
def test_every_way_out_is_refused_to_nobody(outcomes_of_nobody: dict[str, str], name: str) -> None:
    assert outcomes_of_nobody[name].startswith("refused")


@pytest.mark.parametrize("name", ALLOWED)
def test_what_reading_needs_works(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "done"


@pytest.mark.parametrize("name", ALLOWED)
def test_what_reading_needs_works_for_nobody(outcomes_of_nobody: dict[str, str], name: str) -> None:
    assert outcomes_of_nobody[name] == "done"


def test_nobody_stays_who_they_are(outcomes_of_nobody: dict[str, str]) -> None:
    assert json.loads(outcomes_of_nobody["who"])[0] == NOBODY


def test_root_becomes_somebody_without_a_name(outcomes: dict[str, str]) -> None:
    user, group, _ = json.loads(outcomes["who"])
    if os.geteuid() == 0:
        assert user in NAMELESS
        assert group == user
    else:
        assert user != 0


def _with_an_older_kernel(calls: dict[str, tuple[int, int]]) -> subprocess.CompletedProcess[str]:
    """Make attempts where the kernel says that it lacks some calls."""
    code = (
        "import json, logging, sys\n"
        "from cage import enter, seccomp\n"
        "from tests.unit.cage import prisoner\n"
        "logging.basicConfig()\n"
        "enter._prctl(38, 1)\n"
        f"seccomp.install(seccomp.without({calls!r}))\n"
        "print(json.dumps(prisoner.attempt_all()))\n"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)


@pytest.mark.parametrize(
    ("calls", "lacking"),
    [
        ({"landlock_create_ruleset": (444, 444)}, ["Landlock"]),
        ({"unshare": (272, 97)}, ["network"]),
        ({"landlock_create_ruleset": (444, 444), "unshare": (272, 97), "setuid": (105, 146)}, ["Landlock", "network"]),
    ],
)
def test_what_the_kernel_lacks_is_said_and_the_rest_still_holds(
    calls: dict[str, tuple[int, int]], lacking: list[str]
) -> None:
    done = _with_an_older_kernel(calls)
    for name in lacking:
        assert name in done.stderr
    assert done.stderr.count("is not whole") == 1
    outcomes = json.loads(done.stdout)
    assert [name for name in ATTEMPTS if not outcomes[name].startswith("refused")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_root_who_may_make_no_namespace_becomes_somebody_else_all_the_same() -> None:
    """As in many containers: the one it becomes may have a namespace of users, where no other can be become."""
    in_the_cage = (
        "import os\n"
        "from cage.enter import enter\n"
        "from tests.unit.cage.prisoner import LIMITS\n"
        "told, telling = os.pipe()\n"
        "until, ending = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    enter(LIMITS, (telling, until), {NAMELESS[0]})\n"
        "    os.write(telling, b'x')\n"
        "    os.read(until, 1)\n"
        "    os._exit(0)\n"
        "os.read(told, 1)\n"
        "print([line for line in open(f'/proc/{child}/status') if line.startswith('Uid')][0].split()[1:])\n"
        "os.write(ending, b'x')\n"
        "os.waitpid(child, 0)\n"
    )
    # PR_CAPBSET_DROP, which holds for what is executed from here on.
    code = (
        "import os, sys\n"
        "from cage import libc\n"
        f"libc.call('prctl', 24, {_CAP_SYS_ADMIN}, 0, 0, 0)\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {in_the_cage!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert json.loads(done.stdout.replace("'", '"')) == [str(NAMELESS[0])] * 4


@pytest.mark.skipif(not NAMESPACES.exists(), reason="no namespaces to look at")
@pytest.mark.parametrize("kind", ["net", "ipc"])
def test_the_nursery_has_left_the_network_for_all_its_children(kind: str) -> None:
    keeper = Keeper("tests.unit.cage.prisoner", LIMITS)
    try:
        assert bytes(keeper.ask_bytes(b"think", {})) == b"done"
        nursery = keeper._nursery
        assert nursery is not None
        if os.geteuid() != 0:
            pytest.skip("only root may look into it")
        theirs = Path(f"/proc/{nursery.pid}/ns/{kind}").readlink()
        assert theirs != (NAMESPACES / kind).readlink()
    finally:
        keeper.close()


def test_without_a_filter_of_calls_the_other_locks_hold_files_and_ports() -> None:
    """As if there were no seccomp: what Landlock, the other user and the limits do alone."""
    code = (
        "import json, logging\n"
        "from cage import keeper\n"
        "from tests.unit.cage import prisoner\n"
        "import subprocess, sys\n"
        "logging.basicConfig()\n"
        "start = subprocess.Popen\n"
        "program = 'from cage import nursery, seccomp; seccomp.thinking_only = lambda: None; nursery.main()'\n"
        "subprocess.Popen = lambda command, **rest: start([command[0], '-c', program, command[-1]], **rest)\n"
        "print(json.dumps(prisoner.attempt_all()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert "seccomp" in done.stderr
    outcomes = json.loads(done.stdout)
    for name in ("read passwords", "read the parent's environment", "write a file", "connect", "execute", "mount"):
        assert outcomes[name].startswith("refused"), name


def test_a_whole_cage_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper("tests.unit.cage.prisoner", LIMITS)
    try:
        with caplog.at_level(logging.WARNING):
            assert bytes(keeper.ask_bytes(b"think", {})) == b"done"
    finally:
        keeper.close()
    assert caplog.records == []


def test_a_nursery_that_died_is_replaced() -> None:
    keeper = Keeper("tests.unit.cage.prisoner", LIMITS)
    try:
        assert bytes(keeper.ask_bytes(b"think", {})) == b"done"
        first = keeper._nursery
        assert first is not None
        first.kill()
        first.wait()
        assert bytes(keeper.ask_bytes(b"think", {})) == b"done"
    finally:
        keeper.close()


def test_who_asks_may_stop_waiting() -> None:
    class Enough(Exception):
        pass

    def heed() -> None:
        raise Enough

    keeper = Keeper("tests.unit.api.inspectors", LIMITS)
    try:
        with pytest.raises(Enough):
            keeper.ask_bytes(b"asleep", {}, heed)
        assert bytes(keeper.ask_bytes(b"nothing", {})) == b""
    finally:
        keeper.close()


def test_no_call_is_listed_twice() -> None:
    for column in (0, 1):
        numbers = [
            pair[column]
            for table in (seccomp.ALLOWED, seccomp.ONLY_THREADS, seccomp.UNKNOWN, seccomp.ON_ONESELF)
            for pair in table.values()
        ]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("hidden", [True, False])
def test_a_hidden_process_is_closed_to_others_of_its_user(hidden: bool) -> None:
    code = (
        "import os, signal, sys\n"
        "from cage.enter import hide_process\n"
        f"os.geteuid() or (os.setgid({NOBODY}), os.setuid({NOBODY}))\n"
        "reading, writing = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    import ctypes; ctypes.CDLL(None).prctl(4, 1)\n"  # becoming somebody else has hidden it already
        f"    {hidden} and hide_process()\n"
        "    os.write(writing, b'x')\n"
        "    signal.pause()\n"
        "os.read(reading, 1)\n"
        "try:\n"
        "    print(len(open(f'/proc/{child}/environ').read()) > 0)\n"
        "except PermissionError:\n"
        "    print('refused')\n"
        "os.kill(child, signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ("refused" if hidden else "True")
