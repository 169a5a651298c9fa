"""Logs of everything that Celery runs: as the api's, whatever `--loglevel` says is written."""

from typing import Any

from celery.signals import setup_logging

from store.logs import write_logs


def write_as_the_api_does() -> None:
    """From now on Celery leaves the setting up of logs to us, in this process and in those of its pool."""
    setup_logging.connect(_write, weak=False, dispatch_uid="logs as JSON")


def _write(loglevel: int | str | None = None, **_: Any) -> None:
    write_logs(loglevel or "INFO")
