"""Which classes a worker serves, by its settings and its device."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from store.classes import WorkerClass
from worker import served
from worker.resources import resources
from worker.served import classes_served, finds_gpu
from worker.settings import WorkerSettings

ANY, CPU, GPU, GPU_LARGE = WorkerClass.ANY, WorkerClass.CPU, WorkerClass.GPU, WorkerClass.GPU_LARGE


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    finds_gpu.cache_clear()


@pytest.mark.parametrize(("device", "classes"), [("cpu", (ANY, CPU)), ("cuda", (ANY, GPU)), ("cuda:1", (ANY, GPU))])
def test_the_device_says_what_no_setting_does(device: str, classes: tuple[WorkerClass, ...]) -> None:
    assert classes_served(WorkerSettings(device=device)) == classes


def test_a_setting_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_WORKER_CLASSES", '["gpu-large", "gpu"]')
    assert classes_served(WorkerSettings(device="cpu")) == (GPU_LARGE, GPU)


@pytest.mark.parametrize("given", ['["tpu"]', "[]", "gpu", '["gpu", 1]'])
def test_what_is_no_list_of_classes_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TUNER_WORKER_CLASSES", given)
    with pytest.raises(ValidationError, match="classes"):
        WorkerSettings()


@pytest.mark.parametrize("finds", [True, False])
def test_torch_is_asked_for_a_gpu_where_there_is_a_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finds: bool
) -> None:
    monkeypatch.setattr(served, "_DRIVERS", (tmp_path,))
    monkeypatch.setattr(served, "_ASKING", f"import sys; sys.exit({int(not finds)})")
    assert classes_served(WorkerSettings(device="auto")) == (ANY, GPU if finds else CPU)


def test_who_runs_no_fits_does_not_look_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upkeep and what draws views have the same resources: torch, in another process, takes seconds to be asked."""
    for name in ("S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.setenv(f"TUNER_{name}", "none")
    monkeypatch.setenv("TUNER_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1/none")
    monkeypatch.setenv("TUNER_BROKER_URL", "redis://127.0.0.1:1/0")
    asked: list[WorkerSettings] = []
    monkeypatch.setattr("worker.resources.classes_served", asked.append)
    mine = resources.__wrapped__()
    assert asked == []
    assert [mine.classes, asked] == [None, [mine.settings]]
    mine.database.close()
    mine.queue.close()


def test_without_a_driver_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(served, "_DRIVERS", (tmp_path / "none",))
    monkeypatch.setattr(served, "_ASKING", "import sys; sys.exit(0)")
    assert classes_served(WorkerSettings(device="auto")) == (ANY, CPU)
