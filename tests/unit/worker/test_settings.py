"""The settings that the job protocol rests on; docs/decisions/0006-celery-settings.md has the reasons."""

from importlib import import_module

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS
from celery.signals import celeryd_after_setup
from pydantic import ValidationError

from store.queues import DRAW_VIEW, RUN_FIT, queue_of
from worker.served import classes_served
from worker.settings import WorkerSettings


@pytest.fixture
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1/none",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "S3_BUCKET": "none",
        "S3_ACCESS_KEY": "none",
        "S3_SECRET_KEY": "none",
        "WORKER_DEVICE": "cpu",
    }.items():
        monkeypatch.setenv(f"TUNER_{name}", value)


@pytest.fixture
def app(_addresses: None) -> Celery:
    celery: Celery = import_module("worker.app").app
    return celery


@pytest.fixture
def interactive(_addresses: None) -> Celery:
    celery: Celery = import_module("worker.interactive").app
    return celery


def test_the_processes_of_a_worker_serve_what_it_listens_for(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they would find out by themselves."""
    monkeypatch.setenv("TUNER_WORKER_DEVICE", "cuda")
    monkeypatch.setenv("TUNER_WORKER_CLASSES", '["gpu"]')
    import_module("worker.app")._hand_down_classes()
    celeryd_after_setup.send(sender=None)
    served = [queue_of(each) for each in classes_served(WorkerSettings())]
    assert served == list(app.amqp.queues.consume_from)


def test_celery_is_set_as_measured(app: Celery) -> None:
    expected = {
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_pool": "worker.pool:Pool",
        "worker_pool_start_method": "spawn",
        "worker_concurrency": 1,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "result_backend": None,
        "task_create_missing_queues": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
    }
    assert {name: app.conf[name] for name in expected} == expected
    assert app.conf.worker_proc_alive_timeout >= 60
    assert all(queue.no_ack for queue in app.conf.task_queues)
    assert app.conf.task_publish_retry_policy["max_retries"] <= 1
    assert {"socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval"} <= set(
        app.conf.broker_transport_options
    )


@pytest.mark.parametrize("named", [[], ["fits"], ["fits-gpu", "interactive"]])
def test_a_worker_listens_for_its_classes_whatever_its_command_line_says(app: Celery, named: list[str]) -> None:
    app.amqp.queues.select(named)
    celeryd_after_setup.send(sender=None)
    assert list(app.amqp.queues.consume_from) == ["fits", "fits-cpu"]


def test_every_setting_is_one_that_celery_knows(app: Celery) -> None:
    known = set(DEFAULTS)
    changed = set(app.conf.changes) - {"deprecated_settings"}  # Celery's own note, empty
    assert changed <= known, changed - known
    assert not app.conf.changes.get("deprecated_settings")


def test_the_task_has_the_name_that_clients_send(app: Celery) -> None:
    assert RUN_FIT in app.tasks


def test_what_a_client_waits_for_runs_in_one_process(interactive: Celery) -> None:
    assert DRAW_VIEW in interactive.tasks
    expected = {"worker_pool": "solo", "task_acks_late": False, "worker_concurrency": 1, "result_backend": None}
    assert {name: interactive.conf[name] for name in expected} == expected
    assert set(interactive.conf.changes) - {"deprecated_settings"} <= set(interactive.conf.defaults[-1])


def test_a_lost_heartbeat_does_not_cost_the_lease() -> None:
    with pytest.raises(ValidationError, match="third of lease_seconds"):
        WorkerSettings(heartbeat_seconds=10, lease_seconds=20)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_a_worker_may_be_given_any_gpu(device: str) -> None:
    assert WorkerSettings(device=device).device == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:01", "cuda:x", "cpu:1", "meta", "cuda:1\n", ""])
def test_what_is_no_device_is_refused(device: str) -> None:
    with pytest.raises(ValidationError, match="device"):
        WorkerSettings(device=device)
