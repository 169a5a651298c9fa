"""The broker as both sides see it: queues of fits and one of views, and messages that carry little but an id.

Fits have a queue for each class of workers, views that a client waits for one of their own. A message only wakes a
worker, for one fit or a few (`store.hints`); the row in `fits` or `renders` is the truth. Losing every message loses no
job, because upkeep sends a new one for rows that wait too long.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from amqp.exceptions import ChannelError
from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import BatchPublishError, OperationalError

from store.broker import Transport
from store.classes import WorkerClass
from store.hints import FITS_HEADER, Hint
from store.queues import DRAW_VIEW, FITS_QUEUE, INTERACTIVE_QUEUE, RUN_FIT, TASK_OF_QUEUE, queue_of
from store.settings import StoreSettings

MESSAGE_LIFETIME_SECONDS = 3600  # an older hint is worthless: upkeep has long sent another


def celery_app(settings: StoreSettings, name: str = "tuner") -> Celery:
    """A Celery application with the settings that client and worker must agree on.

    `worker.app` adds the settings that only a worker has. The reasons are in docs/decisions/0006-celery-settings.md.
    """
    seconds = settings.broker_timeout_seconds
    app = Celery(name, broker=settings.broker_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        # What is not one of our messages never reaches Celery, which would end over it.
        broker_transport=Transport,
        accept_content=["json"],
        task_serializer="json",
        # The row is the result: no result backend, nothing stored.
        task_ignore_result=True,
        # Not even acknowledged: an acknowledgement that meets a broken connection is forgotten by kombu 5.7, and the
        # worker, which waits for it for ever, takes no message any more.
        task_queues=[Queue(name, no_ack=True) for name in TASK_OF_QUEUE],
        task_default_queue=FITS_QUEUE,
        task_create_missing_queues=False,
        broker_connection_timeout=seconds,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "socket_keepalive": True,
            "health_check_interval": 30,
            # A publish tries briefly and gives up: the request it belongs to has already been committed.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.2,
        },
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
    )
    return app


class FitQueue:
    """Sends the ids of fits and of views to whichever worker is free."""

    def __init__(self, settings: StoreSettings) -> None:
        self._app = celery_app(settings)

    def publish(self, fit_id: str, worker_class: WorkerClass = WorkerClass.ANY, fits: int = 1) -> bool:
        """Send a hint that so many fits wait; returns False, soon, if the broker is away.

        Nothing is lost: upkeep sends it again.
        """
        return self.publish_all([Hint(fit_id, worker_class, fits)])

    def publish_all(self, hints: Sequence[Hint]) -> bool:
        """Send hints together, over one connection; returns False, soon, if not all of them are sent for certain."""
        return self._send([(RUN_FIT, hint.fit_id, queue_of(hint.worker_class), hint.fits) for hint in hints])

    def publish_view(self, render_id: str) -> bool:
        """Send a hint that a view is wanted; returns False, soon, if the broker is away."""
        return self._send([(DRAW_VIEW, render_id, INTERACTIVE_QUEUE, 1)])

    def _send(self, messages: Sequence[tuple[str, str, str, int]]) -> bool:
        """Send messages, each with its task, the id of its row, its queue, and for how many rows it stands."""
        try:
            with self._app.producer_pool.acquire(block=True) as producer, _together(producer, len(messages)):
                for task, row_id, queue, rows in messages:
                    self._app.send_task(
                        task,
                        args=[row_id],
                        queue=queue,
                        headers={FITS_HEADER: rows} if rows > 1 else None,
                        expires=MESSAGE_LIFETIME_SECONDS,
                        ignore_result=True,
                        producer=producer,
                    )
        except (OperationalError, BatchPublishError, OSError):
            return False
        return True

    def length(self, worker_class: WorkerClass = WorkerClass.ANY) -> int | None:
        """How many hints wait in the broker for the workers of a class, or None if it does not answer."""
        name = queue_of(worker_class)
        return self._ask(lambda channel: channel.queue_declare(name, passive=True).message_count)

    def clear(self, worker_class: WorkerClass) -> None:
        """Drop all hints for the workers of a class; a broker that does not answer keeps them."""
        self._ask(lambda channel: channel.queue_purge(queue_of(worker_class)))

    def ping(self) -> None:
        """Connect to the broker.

        Raises:
            kombu.exceptions.OperationalError: if it does not answer within the time-out.
        """
        with self._app.connection_for_write() as connection:
            _connect(connection)

    def close(self) -> None:
        """Close the pooled connections."""
        self._app.close()

    def _ask(self, question: Callable[[Any], int]) -> int | None:
        """What a channel answers, 0 of a queue that does not exist; None if the broker does not answer."""
        with self._app.pool.acquire(block=True) as connection:  # kept: a new one takes longer than the question
            try:
                _connect(connection)
                return question(connection.default_channel)
            except ChannelError:
                return 0  # on Redis a list without entries does not exist
            except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors):
                return None


def _connect(connection: Any) -> None:
    """See that a connection is there, and give up soon."""
    connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.1)


def _together(producer: Any, count: int) -> AbstractContextManager[object]:
    """What is sent meanwhile goes to the broker in one go; a single message by itself, which is tried twice."""
    return producer.batch() if count > 1 else nullcontext()
