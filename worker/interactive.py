"""The worker of the interactive queue: `celery -A worker.interactive worker --queues interactive`.

Short work that a client waits for must not wait behind a fit, so it has a queue and a process of its own. One process,
no pool: nothing here needs a device, and each piece of work is bounded before it begins (`store/render_spec.py`).
"""

import logging

from celery.signals import worker_init

from store.queue import celery_app
from store.queues import DRAW_VIEW
from store.settings import StoreSettings
from worker.beating import let_it_beat
from worker.logs import write_as_the_api_does

logger = logging.getLogger(__name__)

app = celery_app(StoreSettings(), name="interactive")
app.conf.update(
    # As for fits: a message is a hint (docs/decisions/0006-celery-settings.md).
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    worker_pool="solo",
    worker_concurrency=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
)
write_as_the_api_does()
_pulse = let_it_beat(app, "views")


@app.task(name=DRAW_VIEW)
def draw_view(render_id: str) -> None:
    """A message came: draw whatever waits."""
    from worker.render import LEASE_SECONDS, draw_next_view
    from worker.resources import resources

    logger.info("woken for %s", render_id)
    # There is no pool: while a view is drawn, the loop does not turn.
    drawn: str | None = render_id
    while drawn is not None:
        with _pulse.busy(LEASE_SECONDS):
            drawn = draw_next_view(resources())


@worker_init.connect
def _prepare(**_: object) -> None:
    """Pay for imports and connections before the first client waits."""
    import worker.render  # noqa: F401
    from worker.draw_caged import start_drawer
    from worker.resources import resources

    start_drawer(resources().settings)
    resources().database.ping()
