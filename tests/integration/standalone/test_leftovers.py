"""Kills without warning: nothing survives that should not, and the data do."""

import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import psycopg
import pytest
import redis

from standalone.errors import AlreadyRunning
from standalone.home import Home
from standalone.stack import engines
from tests.engines import s3_client
from tests.integration.standalone.helpers import Parent, eventually, is_gone, parent


def _leave_data(running: Parent) -> None:
    with psycopg.connect(running.environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with redis.Redis.from_url(running.environment["TUNER_BROKER_URL"]) as client:
        client.lpush("kept", "a message")
    bucket = running.environment["TUNER_S3_BUCKET"]
    s3_client(running.environment).put_object(Bucket=bucket, Key="kept", Body=b"an object")


def _assert_data(environment: dict[str, str]) -> None:
    with psycopg.connect(environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    with redis.Redis.from_url(environment["TUNER_BROKER_URL"]) as client:
        assert client.lrange("kept", 0, -1) == [b"a message"]
    answer = s3_client(environment).get_object(Bucket=environment["TUNER_S3_BUCKET"], Key="kept")
    assert answer["Body"].read() == b"an object"


def test_a_killed_parent_leaves_no_process_and_the_next_start_has_its_data(home: Home) -> None:
    with parent(home) as running:
        _leave_data(running)
        with pytest.raises(AlreadyRunning, match=f"Process {running.process.pid} already runs on"), home.locked():
            pass
        running.process.kill()
        eventually(lambda: all(is_gone(pid) for pid in running.pids.values()))
    with engines(home, durable=False) as again:
        _assert_data(dict(again.environment))
        assert again.environment == running.environment, "the same ports and passwords as before"


def test_a_start_after_a_kill_of_parent_and_guard_stops_what_they_left(home: Home) -> None:
    said: list[str] = []
    with parent(home) as running:
        _leave_data(running)
        recorded = home.recorded()
        assert recorded is not None
        assert recorded.guard is not None
        psutil.Process(recorded.guard.pid).suspend()  # or it would stop them, and a killed one would be replaced
        running.process.kill()
        running.process.wait()
        psutil.Process(recorded.guard.pid).kill()
    assert not any(is_gone(pid) for pid in running.pids.values())
    # As if the parent had been killed between starting two of them and writing them down.
    home.record(replace(recorded, children=tuple(child for child in recorded.children if child.name == "postgres")))
    with engines(home, durable=False, say=said.append) as again:
        assert all(is_gone(pid) for pid in running.pids.values())
        _assert_data(dict(again.environment))
    assert "an earlier run was interrupted, stopping what it left: postgres, seaweedfs, valkey" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_tunerd_ends_in_order_when_asked_to(home: Home, number: signal.Signals) -> None:
    code = (
        "import sys\n"
        "from contextlib import suppress\n"
        "from standalone.cli import interruptible, say\n"
        "from standalone.home import Home\n"
        "from standalone.supervise import Supervisor\n"
        "from tests.integration.standalone.helpers import stand_in\n"
        "home = Home(sys.argv[1])\n"
        "with interruptible(), suppress(KeyboardInterrupt), home.locked(), Supervisor(home, say) as running:\n"
        "    running.start(stand_in(home, 'low', stage=0), stand_in(home, 'high', stage=1))\n"
        "    say('up')\n"
        "    running.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "up" not in process.stdout.readline().split():
            pass
        process.send_signal(number)
        assert process.stdout.read().split("\n") == ["high: stopping", "low: stopping", "stopped", ""]
    assert process.returncode == 0
    assert not (home.path / "running.json").exists()


def test_a_second_interrupt_leaves_the_rest_to_the_guard(home: Home) -> None:
    code = (
        "import sys\n"
        "from contextlib import suppress\n"
        "from standalone.cli import interruptible, say\n"
        "from standalone.home import Home\n"
        "from standalone.supervise import Supervisor\n"
        "from tests.integration.standalone.helpers import stand_in\n"
        "home, slow = Home(sys.argv[1]), 'import signal, time; signal.signal(15, lambda *_: time.sleep(3)); '\n"
        'slow += \'open("up", "w"); time.sleep(600)\'\n'
        "with interruptible(), suppress(KeyboardInterrupt), home.locked(), Supervisor(home, say) as running:\n"
        "    running.start(stand_in(home, 'slow', slow, check=(home.path / 'up').stat, patience_seconds=2))\n"
        "    running.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("slow: ready")
        recorded = home.recorded()
        assert recorded is not None
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "slow: stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "", "it does not say that it has stopped"
    assert not is_gone(recorded.children[0].pid)
    eventually(lambda: is_gone(recorded.children[0].pid))
