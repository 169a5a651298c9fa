"""The environment: what is missing is named, what is secret is not shown."""

import os

import pytest

from api.settings import ApiSettings, load_settings

COMPLETE = {
    "TUNER_DATABASE_URL": "postgresql+psycopg://u:hunter2@localhost/x",
    "TUNER_BROKER_URL": "redis://localhost",
    "TUNER_S3_BUCKET": "bucket",
    "TUNER_S3_ACCESS_KEY": "a",
    "TUNER_S3_SECRET_KEY": "b",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TUNER_")]:
        monkeypatch.delenv(name)


def test_missing_variables_are_named_all_at_once() -> None:
    with pytest.raises(SystemExit) as caught:
        load_settings()
    message = str(caught.value)
    assert all(name in message for name in COMPLETE)


def test_a_malformed_value_is_named_but_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (COMPLETE | {"TUNER_MAX_PIXELS": "hunter2"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="TUNER_MAX_PIXELS") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_complete_environment_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (COMPLETE | {"TUNER_MAX_UPLOAD_BYTES": "123"}).items():
        monkeypatch.setenv(name, value)
    api, store = load_settings()
    assert (api.max_upload_bytes, store.s3_bucket) == (123, "bucket")


def test_what_workers_are_told_is_what_a_fit_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_WORKER_FIT_MEMORY_BYTES", str(3 << 30))
    assert ApiSettings().fit_memory_bytes == 3 << 30
    monkeypatch.setenv("TUNER_FIT_MEMORY_BYTES", str(2 << 30))
    assert ApiSettings().fit_memory_bytes == 2 << 30
    monkeypatch.setenv("TUNER_WORKER_FIT_SECONDS", "600")
    assert ApiSettings().fit_seconds == 600.0
    monkeypatch.setenv("TUNER_FIT_SECONDS", "60")
    assert ApiSettings().fit_seconds == 60.0
