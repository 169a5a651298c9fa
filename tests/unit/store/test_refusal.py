"""An environment that a process cannot start with is refused variable by variable, whoever reads it."""

import os

import pytest
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from store.refusal import complaints, refuse
from store.settings import StoreSettings
from worker.settings import WorkerSettings

ANY_TEXT = {
    "TUNER_HOST", "TUNER_SPOOL_DIR", "TUNER_S3_ENDPOINT_URL", "TUNER_S3_PUBLIC_ENDPOINT_URL", "TUNER_S3_REGION",
    "TUNER_S3_SYNC_FOLDER", "TUNER_DISK_FOLDER",
}  # fmt: skip
SETTINGS = [
    (kind, name)
    for kind in (ApiSettings, StoreSettings, WorkerSettings)
    for field, info in kind.model_fields.items()
    if (name := f"{kind.model_config.get('env_prefix')}{field}".upper()) not in ANY_TEXT and not info.is_required()
]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TUNER_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("kind", "name"), SETTINGS)
def test_a_malformed_value_is_named_but_not_repeated(
    kind: type[BaseSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert complaints(kind, required=False) == []
    monkeypatch.setenv(name, "/hunter2/")
    (line,) = complaints(kind, required=False)
    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line


def test_settings_that_do_not_go_together_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_WORKER_HEARTBEAT_SECONDS", "10")
    (line,) = complaints(WorkerSettings)
    assert line.startswith("heartbeat_seconds is 10, expected at most a third of lease_seconds")


def test_lists_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_WORKER_WEBHOOK_PAUSES_SECONDS", "[1, 2.5]")
    assert WorkerSettings().webhook_pauses_seconds == (1.0, 2.5)
    monkeypatch.setenv("TUNER_WORKER_WEBHOOK_PAUSES_SECONDS", "5")
    assert complaints(WorkerSettings) == ["TUNER_WORKER_WEBHOOK_PAUSES_SECONDS: Input should be a valid tuple"]


def test_what_engines_will_say_is_looked_at_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_S3_BUCKET", "x")
    monkeypatch.setenv("TUNER_BROKER_URL", "redis://localhost")
    assert complaints(StoreSettings, required=False) == []
    named = [line.partition(":")[0] for line in complaints(StoreSettings)]
    assert named == [f"TUNER_{each}" for each in ("DATABASE_URL", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY")]


def test_all_complaints_are_one_refusal() -> None:
    refuse("worker", [])
    with pytest.raises(SystemExit) as refused:
        refuse("worker", ["TUNER_A: b", "TUNER_C: d"])
    assert refused.value.code == "the worker cannot start with this environment:\n  TUNER_A: b\n  TUNER_C: d"


def test_a_wrong_entry_of_a_list_is_one_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that the list is too short, which it is only without that entry."""
    monkeypatch.setenv("TUNER_WORKER_CLASSES", '["abacus"]')
    (line,) = complaints(WorkerSettings, required=False)
    assert line.startswith("TUNER_WORKER_CLASSES: Input should be 'any'")
    monkeypatch.setenv("TUNER_WORKER_CLASSES", "[]")
    (line,) = complaints(WorkerSettings, required=False)
    assert "at least 1 item" in line
