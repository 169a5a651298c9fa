"""Keeping processes alive, and ending them, with stand-ins of a few lines."""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from standalone.errors import CrashLoop, StartFailed
from standalone.home import Home
from standalone.program import NEVER
from standalone.records import ProcessRecord, quiet
from standalone.supervise import Silence, Supervisor
from tests.integration.standalone.helpers import eventually, is_gone, stand_in


def never() -> None:
    raise ConnectionRefusedError("nobody there")


FAST = (0.01, 0.01, 0.01)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def pid_of(name: str, running: Supervisor) -> int:
    """Services that start together stand in any order."""
    (pid,) = [record.pid for record in running.records() if record.name == name]
    return pid


def test_a_child_that_dies_is_started_again_and_it_is_said(home: Home) -> None:
    said: list[str] = []
    with home.locked(), Supervisor(home, said.append, pauses=FAST) as running:
        running.start(stand_in(home, "api"))
        (before,) = running.records()
        os.kill(before.pid, signal.SIGKILL)
        eventually(lambda: running.records()[0].pid != before.pid and len(said) == 3)
    assert said[1] == "api: ended with status -9, starting it again in 0.0 s"
    assert said[2].startswith("api: ready after")


def test_a_crash_loop_ends_with_the_end_of_the_log(home: Home) -> None:
    code = "import sys, time; time.sleep(0.3); sys.exit('no such setting: 7')"
    with home.locked(), Supervisor(home, quiet, pauses=FAST) as running:
        running.start(stand_in(home, "api", code))
        with pytest.raises(CrashLoop, match=r"(?s)api ended again and again.*no such setting: 7"):
            running.wait(30)


def test_what_is_not_vital_is_started_for_ever_and_takes_nothing_with_it(home: Home) -> None:
    said: list[str] = []
    with home.locked(), Supervisor(home, said.append, pauses=FAST) as running:
        running.start(stand_in(home, "api"), stand_in(home, "views", "import time; time.sleep(0.1)", is_vital=False))
        api = pid_of("api", running)
        eventually(lambda: sum("views: ended" in line for line in said) > 2 * len(FAST))
        running.wait(0.1)
        assert pid_of("api", running) == api
        assert not is_gone(api)


def test_no_end_is_a_crash_loop_while_the_disk_is_full(home: Home) -> None:
    said: list[str] = []
    room: list[bool] = []
    code = "import time; time.sleep(0.1)"
    with home.locked(), Supervisor(home, said.append, pauses=FAST, has_room=lambda: bool(room)) as running:
        running.start(stand_in(home, "postgres", code))
        eventually(lambda: sum("postgres: ended" in line for line in said) > 2 * len(FAST))
        running.wait(0.1)
        room.append(True)
        with pytest.raises(CrashLoop):
            running.wait(30)


def test_a_process_that_stops_beating_is_replaced(home: Home) -> None:
    code = (
        "import os, pathlib, time\n"
        "for beat in range(10**6):\n"
        "    pathlib.Path(f'beat-{os.getpid()}').write_text(str(beat))\n"
        "    time.sleep(0.02)\n"
    )

    def beats(pid: int) -> object:
        beat = home.path / f"beat-{pid}"
        return beat.read_bytes() if beat.exists() else NEVER

    said: list[str] = []
    with home.locked(), Supervisor(home, said.append, pauses=FAST, pulse_every_seconds=0.1) as running:
        running.start(stand_in(home, "worker", code, is_vital=False, beats=beats, deaf_seconds=2.0))
        first = running.records()[0].pid
        eventually(lambda: beats(first) != NEVER)
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: running.records()[0].pid != first)
        assert is_gone(first)
        eventually(lambda: beats(running.records()[0].pid) != NEVER)
    assert "worker: has not beaten for 2 s, ending it" in said


def test_what_stops_before_its_first_beat_is_replaced_and_what_works_is_not(home: Home) -> None:
    said: list[str] = []
    idle, busy = "import time; time.sleep(600)", "while True: pass"
    with home.locked(), Supervisor(home, said.append, pulse_every_seconds=0.5) as running:
        for name, code in (("stopped", idle), ("slow", busy)):
            running.start(stand_in(home, name, code, is_vital=False, beats=lambda _: NEVER, deaf_seconds=3.0))
        first, second = (record.pid for record in running.records())
        eventually(lambda: running.records()[0].pid != first)
        assert running.records()[1].pid == second
    assert "stopped: has not beaten for 3 s, ending it" in said


def test_only_what_could_have_been_heard_is_silence() -> None:
    silence = Silence()
    assert silence.lasts(NEVER, 0.0) == silence.lasts(NEVER, 100.0) == 0.0, "it starts"
    assert silence.lasts("one", 101.0) == 0.0
    assert silence.lasts("one", 131.0) == 30.0
    assert silence.lasts(None, 140.0) == 0.0, "nobody could be asked"
    assert silence.lasts("one", 150.0) == 10.0
    assert silence.lasts(NEVER, 160.0) == 20.0, "everything was flushed, and it has not come back"
    assert silence.lasts("two", 161.0) == 0.0


def test_a_start_that_fails_stops_the_others_and_shows_the_log(home: Home) -> None:
    with home.locked(), Supervisor(home, quiet) as running:
        slow = stand_in(home, "slow", check=never)
        broken = stand_in(home, "broken", "raise OSError('bad disk')", check=never)
        with pytest.raises(StartFailed, match=r"(?s)broken ended with status 1.*bad disk"):
            running.start(slow, broken)
        assert all(is_gone(record.pid) for record in running.records())


def test_what_an_earlier_run_wrote_is_not_shown_as_the_end_of_this_one(home: Home) -> None:
    with home.locked(), Supervisor(home, quiet) as running:
        said = home.logs / "broken.log"
        said.write_text("all went well in May\n")
        with pytest.raises(StartFailed, match="bad disk") as loud:
            running.start(stand_in(home, "broken", "raise OSError('bad disk')", check=never))
        with pytest.raises(StartFailed, match=f"It wrote nothing to {re.escape(str(said))}") as silent:
            stand_in(home, "broken", "raise SystemExit(1)").program.run(timeout_seconds=60)
    assert "May" not in str(loud.value) + str(silent.value)
    assert "bad disk" in said.read_text(), "earlier lines stay in the log"


def test_a_crash_loop_shows_its_last_run_only(home: Home) -> None:
    """The fifth time that it says the same tells no more than the first."""
    code = "import sys, time; time.sleep(0.3); sys.exit('no such setting: 7')"
    with home.locked(), Supervisor(home, quiet, pauses=FAST) as running:
        running.start(stand_in(home, "api", code))
        with pytest.raises(CrashLoop) as caught:
            running.wait(30)
    assert str(caught.value).count("no such setting: 7") == 1


def test_a_service_that_never_answers_is_reported_with_its_complaint(home: Home) -> None:
    service = stand_in(home, "api", check=never, ready_seconds=0.2)
    complaint = r"api has done nothing for \d+ s and is not ready: nobody there"
    with home.locked(), Supervisor(home, quiet) as running, pytest.raises(StartFailed, match=complaint):
        running.start(service)


def test_a_service_that_works_is_waited_for(home: Home) -> None:
    code = (
        "import pathlib, time\n"
        "end = time.process_time() + 4.5\n"
        "while time.process_time() < end: pass\n"
        "pathlib.Path('ready').touch()\n"
        "time.sleep(600)\n"
    )
    service = stand_in(home, "slow", code, ready_seconds=3.0)
    mark = service.program.folder / "ready"
    service = replace(service, check=lambda: None if mark.exists() else never())
    with home.locked(), Supervisor(home, quiet) as running:
        running.start(service)
        assert mark.exists()


def test_a_service_that_works_for_ever_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works little, and for long enough at a time that a busy machine lets it: silence would be another reason."""
    monkeypatch.setattr("standalone.program._PATIENT", 1.5)
    code = (
        "import time\n"
        "while True:\n"
        "    time.sleep(0.02)\n"
        "    end = time.process_time() + 0.01\n"
        "    while time.process_time() < end: pass\n"
    )
    service = stand_in(home, "busy", code, check=never, ready_seconds=4.0)
    complaint = r"busy was not ready after [6-9] s: nobody there|busy was not ready after \d\d+ s: nobody there"
    with home.locked(), Supervisor(home, quiet) as running, pytest.raises(StartFailed, match=complaint):
        running.start(service)


def test_stages_stop_from_the_top_and_one_waits_for_the_other(home: Home) -> None:
    witness = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        "    time.sleep(0.2)\n"
        "    with open('order', 'a') as file: file.write(NAME + '\\n')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "pathlib.Path(NAME).touch()\n"
        "time.sleep(600)\n"
    )
    with home.locked(), Supervisor(home, quiet) as running:
        for stage, name in enumerate(("engines", "api", "upkeep", "worker")):
            touched = home.path / name
            check = lambda touched=touched: touched.stat()  # noqa: E731
            running.start(stand_in(home, name, f"NAME = {name!r}\n{witness}", stage=stage, check=check))
    assert (home.path / "order").read_text().split() == ["worker", "upkeep", "api", "engines"]


def test_what_does_not_stop_is_killed_with_its_children(home: Home, tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        f"import pathlib, signal, subprocess, sys, time\n"
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"process = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(process.pid))\n"
        f"time.sleep(600)\n"
    )
    said: list[str] = []
    with home.locked(), Supervisor(home, said.append) as running:
        running.start(stand_in(home, "worker", code, patience_seconds=0.5, check=lambda: int(child.read_text())))
        pids = [running.records()[0].pid, int(child.read_text())]
    assert all(is_gone(pid) for pid in pids)
    assert said[-2:] == ["worker: still there after 0 s, killing it", "stopped"]


def test_children_of_a_killed_child_are_gone_before_its_successor_starts(home: Home, tmp_path: Path) -> None:
    children = tmp_path / "children"
    code = (
        f"import subprocess, sys, time\n"
        f"process = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
        f"with open({str(children)!r}, 'a') as file: file.write(f'{{process.pid}}\\n')\n"
        f"time.sleep(600)\n"
    )
    with home.locked(), Supervisor(home, quiet, pauses=FAST) as running:
        running.start(stand_in(home, "worker", code, check=lambda: children.stat()))
        first = int(children.read_text().split()[0])
        os.kill(running.records()[0].pid, signal.SIGKILL)
        eventually(lambda: len(children.read_text().split()) == 2)
        assert is_gone(first)


def test_a_killed_guard_is_replaced_by_one_that_knows_everything(home: Home) -> None:
    code = (
        "import sys, time\n"
        "from standalone.home import Home\n"
        "from standalone.supervise import Supervisor\n"
        "from tests.integration.standalone.helpers import stand_in\n"
        "home = Home(sys.argv[1])\n"
        "with home.locked(), Supervisor(home, lambda line: print(line, flush=True)) as running:\n"
        "    running.start(stand_in(home, 'api'))\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("api: ready")
        recorded = home.recorded()
        assert recorded is not None
        assert recorded.guard is not None
        os.kill(recorded.guard.pid, signal.SIGKILL)
        assert process.stdout.readline() == "guard: ended, starting another\n"
        eventually(lambda: (now := home.recorded()) is not None and now.guard != recorded.guard)
        process.kill()
    eventually(lambda: is_gone(recorded.children[0].pid))


def test_a_pid_that_went_to_somebody_else_is_left_alone(home: Home) -> None:
    me = psutil.Process()
    stale = ProcessRecord(name="api", pid=me.pid, created=me.create_time() - 3600)
    assert not stale.is_alive()
    assert stale.members() == []


def test_an_interrupt_while_starting_ends_the_wait(home: Home) -> None:
    service = stand_in(home, "api", check=never, ready_seconds=250)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with home.locked(), Supervisor(home, quiet) as running, pytest.raises(KeyboardInterrupt):
        running.start(service)
    assert all(is_gone(record.pid) for record in running.records())
