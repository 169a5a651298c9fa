"""The Celery application of a worker: `celery -A worker.app worker`, which listens to the queues of its classes.

The settings that the client shares are in `store.queue`; the reasons for all of them, with measurements, are in
docs/decisions/0006-celery-settings.md, and a test pins them.
"""

import json
import logging
import os
import signal
from contextlib import suppress
from types import FrameType
from typing import Any

from billiard import active_children
from celery.signals import (
    celeryd_after_setup,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from cage.enter import hide_process
from store.classes import WorkerClass
from store.hints import FITS_HEADER, Hint, fits_of
from store.queue import celery_app
from store.queues import FITS_QUEUES, RUN_FIT, queue_of
from store.refusal import complaints, refuse
from store.settings import StoreSettings
from worker.beating import let_it_beat
from worker.logs import write_as_the_api_does
from worker.served import classes_served
from worker.settings import WorkerSettings
from worker.startable import device_refuses

DRAIN_SIGNAL = signal.SIGUSR2

# Torch's threads otherwise spin while they wait for each other: on a machine with other work to do, a step of a small
# fit took 130 ms instead of 5. Read when torch is first imported, in the pool processes, which inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

logger = logging.getLogger(__name__)

refuse("worker", complaints(WorkerSettings))
settings = WorkerSettings()
classes = classes_served(settings)
app = celery_app(StoreSettings(), name="worker")
app.conf.update(
    # A message is only a hint, so it is dropped when it arrives: the lease in the row is what survives a crash. With
    # late acknowledgement a long fit is delivered again while it runs, and a worker exits when the broker blinks.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    # One message at a time, or a second one would wait behind a long fit while another worker is idle.
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # A process is replaced between two messages now and then: what a leak of some library costs is bounded.
    worker_pool="worker.pool:Pool",
    # CUDA cannot be used after a fork, and importing torch takes longer than the default of 4 seconds.
    worker_pool_start_method="spawn",
    worker_proc_alive_timeout=120.0,
    worker_concurrency=1,
    # Cancel and "not before" are columns; nothing is kept in a worker's memory that a restart would lose.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
)
write_as_the_api_does()
let_it_beat(app, "worker")  # a sign of life in the broker, for `GET /readyz` and people


@app.task(name=RUN_FIT, bind=True)
def run_fit(task: Any, fit_id: str) -> None:
    """A message came: run the fits that should run next, most likely but not necessarily the one it names."""
    from worker.hinted import run_hinted_fits
    from worker.parts import help_out
    from worker.resources import resources

    queue = str((task.request.delivery_info or {}).get("routing_key"))
    hint = Hint(fit_id, FITS_QUEUES.get(queue, WorkerClass.ANY), fits_of(task.request.get(FITS_HEADER)))
    logger.info("woken for %s", fit_id)
    run_hinted_fits(resources(), hint)
    # After the message, not after each of its fits: what waits goes before parts, and takes two seconds or so.
    help_out(resources())


@celeryd_after_setup.connect
def _listen(**_: Any) -> None:
    """To the queues of its classes, whatever `--queues` says, as command lines of earlier releases do.

    A fit that the worker may take, and is not woken for, would wait until it is woken for another.
    """
    app.amqp.queues.select([queue_of(each) for each in classes])


@worker_init.connect
def _require_device(**_: Any) -> None:
    """End with a sentence where fits cannot run on the device; another process asks torch, which is not wanted here."""
    if (code := device_refuses(settings)) != 0:
        raise SystemExit(code)


@worker_init.connect
def _hand_down_classes(**_: Any) -> None:
    """What it listens for is what its processes serve: none of them looks for a GPU again, or finds another answer."""
    os.environ["TUNER_WORKER_CLASSES"] = json.dumps(classes)


@worker_init.connect
def _hide(**_: Any) -> None:
    """Close the environment, which has keys, to other processes of the same user."""
    with suppress(OSError):
        hide_process()


@worker_process_init.connect
def _prepare_process(**_: Any) -> None:
    """Pay for imports and connections before the first message, and listen for the order to drain."""
    from worker.drain import draining
    from worker.presence import Presence
    from worker.resources import resources
    from worker.run import warm_up

    def drain(_signal: int, _frame: FrameType | None) -> None:
        draining.set()

    signal.signal(DRAIN_SIGNAL, drain)
    _hide()
    warm_up(resources())
    presence = Presence(resources()).start()
    worker_process_shutdown.connect(lambda **_: presence.end(), weak=False)


@worker_shutting_down.connect
def _drain_processes(**_: Any) -> None:
    """Celery waits for running tasks: tell them to save their state and hand their fit back."""
    for child in active_children():
        if child.pid is not None:
            logger.info("draining pool process %s", child.pid)
            os.kill(child.pid, DRAIN_SIGNAL)
