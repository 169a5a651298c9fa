"""Whether api and workers would start is known from the environment alone, without the addresses of engines."""

import os
import subprocess
import sys

import pytest

import worker.startable
from api import startable


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TUNER_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_keys(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_HOST", host)
    startable.main()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "tuner.example"])
def test_others_need_keys_or_a_gateway(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_HOST", host)
    with pytest.raises(SystemExit, match=f"^refusing to listen on {host} without API keys, since .*: set .*TUNER_REQU"):
        startable.main()
    for meant in ("TUNER_REQUIRE_KEYS", "TUNER_OPEN_WITHOUT_KEYS"):
        with monkeypatch.context() as patch:
            patch.setenv(meant, "1")
            startable.main()


def test_a_malformed_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_MAX_PIXELS", "hunter2")
    with pytest.raises(SystemExit, match="TUNER_MAX_PIXELS: ") as caught:
        startable.main()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["TUNER_DATABASE_POOL_SIZE", "TUNER_S3_SYNC", "TUNER_TRACES_ENDPOINT"])
def test_what_the_store_is_told_is_looked_at_without_addresses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(SystemExit, match=rf"^the api cannot start with this environment:\n  {name}: .*$"):
        startable.main()


def test_a_malformed_setting_of_workers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    worker.startable.main()
    monkeypatch.setenv("TUNER_WORKER_FIT_SECONDS", "hunter2")
    with pytest.raises(SystemExit, match=r"^the worker cannot start with .*:\n  TUNER_WORKER_FIT_SECONDS: .*number"):
        worker.startable.main()


def test_it_is_asked_without_the_service() -> None:
    """Who starts engines asks at each start, and waits for the answer."""
    heavy = {"celery", "fastapi", "numpy", "sqlalchemy", "torch", "uvicorn"}
    check = f"import sys, api.startable, worker.startable; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
