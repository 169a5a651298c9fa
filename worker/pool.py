"""Processes of a worker, each replaced after so many fits; Celery counts messages, which may stand for several."""

import sys
from collections.abc import Callable
from typing import Any

from billiard.pool import EX_RECYCLE
from celery.concurrency.asynpool import AsynPool, Worker
from celery.concurrency.prefork import TaskPool


class _Process(Worker):  # type: ignore[misc]  # Celery has no types
    """One process of the pool, which ends between two messages."""

    def _make_child_methods(self, *given: Any) -> None:
        super()._make_child_methods(*given)
        receive: Callable[[], Any] = self.wait_for_job

        def receive_unless_used_up() -> Any:
            if _is_used_up():
                sys.exit(EX_RECYCLE)  # as at the end of `worker_max_tasks_per_child`; another one takes its place
            return receive()

        self.wait_for_job: Callable[[], Any] = receive_unless_used_up


def _is_used_up() -> bool:
    from worker.resources import resources  # the process's own, made when it began

    mine = resources()
    return mine.taken.fits >= mine.settings.fits_per_process


class _Processes(AsynPool):  # type: ignore[misc]
    Worker = _Process


class Pool(TaskPool):  # type: ignore[misc]
    """For `worker_pool`: prefork, with these processes."""

    Pool = _Processes
