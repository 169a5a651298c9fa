"""Redis as the broker, with a look at each message before Celery sees it.

Celery ends, worker and all, over what it cannot decode, and whoever starts it again meets the next one. So a message
that is not one of ours is set aside, the last hundred of them, and counted. Nothing is lost with it: the rows say what
there is to do (docs/decisions/0008-what-survives-what.md).

A message that kills whoever takes it does not come again, because it left the broker when it was taken. The row that it
was about comes again, and counts the workers that it costs: three, and it has failed.
"""

import base64
import json
import logging
from queue import Empty
from typing import Any

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str

from store.pulse import SET_ASIDE, SET_ASIDE_COUNT
from store.queues import TASK_OF_QUEUE

logger = logging.getLogger(__name__)

MOST_SET_ASIDE = 100
_LONGEST_KEPT = 4096  # bytes of one that is set aside


def complaint_about(raw: bytes | str, queue: str) -> str | None:
    """What is wrong with a message of a queue; None if it is one of ours."""
    try:
        message = json.loads(raw)
        task, tag = message["headers"]["task"], message["properties"]["delivery_tag"]
        encoding = message["properties"]["body_encoding"]
        if encoding != "base64" or message["content-type"] != "application/json":
            return f"its content is {message['content-type']!r} in {encoding!r}, expected JSON in base64"
        arguments, named, _ = json.loads(base64.b64decode(message["body"], validate=True))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return f"it cannot be read ({type(error).__name__})"
    if not isinstance(tag, str) or not isinstance(message["headers"].get("id"), str):
        return "it has no id"
    if task != TASK_OF_QUEUE.get(queue, task):
        return f"its task is {task!r}, expected {TASK_OF_QUEUE[queue]!r}"
    if named or not isinstance(arguments, list) or [type(one) for one in arguments] != [str]:
        return "its arguments are not one id"
    return None


class Channel(redis.Channel):
    """Takes messages from Redis; those that are not ours go no further."""

    def _brpop_read(self, **options: Any) -> bool:
        # As in kombu 5.7, with a look at the message where kombu decodes it.
        try:
            try:
                found = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                self.client.connection.disconnect()
                raise
            if not found:
                raise Empty
            key, item = found
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            if (complaint := complaint_about(item, queue)) is not None:
                self._set_aside(queue, item, complaint)
                raise Empty
            self.connection._deliver(json.loads(item), queue)
            return True
        finally:
            self._in_poll = None  # type: ignore[assignment]
            self._flush_brpop_reauth()  # type: ignore[no-untyped-call]

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002
        with self.conn_or_acquire() as client:
            for priority in self.priority_steps:
                key = self._q_for_pri(queue, priority)  # type: ignore[no-untyped-call]
                while (item := client.rpop(key)) is not None:
                    if (complaint := complaint_about(item, queue)) is None:
                        return json.loads(item)
                    self._set_aside(queue, item, complaint)
        raise Empty

    def _set_aside(self, queue: str, item: bytes | str, complaint: str) -> None:
        logger.error("a message of the queue %s is set aside: %s", queue, complaint)
        with self.conn_or_acquire() as client, client.pipeline() as together:
            together.lpush(SET_ASIDE, item[:_LONGEST_KEPT])
            together.ltrim(SET_ASIDE, 0, MOST_SET_ASIDE - 1)
            together.hincrby(SET_ASIDE_COUNT, queue, 1)
            together.execute()


class Transport(redis.Transport):
    """For `broker_transport`."""

    Channel = Channel
