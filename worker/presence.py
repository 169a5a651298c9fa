"""A worker says that it is there: a thread that describes it in its row, as long as the process lives.

Nothing of a fit depends on it: while the database is away the worker is not described, and that is all.
"""

import logging
import os
from collections.abc import Callable
from threading import Thread

from sqlalchemy.exc import SQLAlchemyError

from store.pulse import process_name
from store.repositories.workers import DESCRIBED_EVERY_SECONDS, Workers
from tuner.version import __version__
from worker.device import Description
from worker.drain import draining
from worker.resources import Resources
from worker.run import worker_name

logger = logging.getLogger(__name__)

_LEAVING_SECONDS = 2.0


class Presence:
    """The thread. A process that takes over from another of the same worker takes over its row.

    Args:
        resources: what the worker works with.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._name = process_name(os.getppid())  # of the main process, which beats under it
        self._description = Description(resources.settings)
        self._same = {"release": __version__, "classes": list(resources.classes)}
        self._thread = Thread(target=self._keep, name="presence", daemon=True)

    def start(self) -> "Presence":
        """Describe the worker from now on, until it is told to leave."""
        self._thread.start()
        return self

    def end(self) -> None:
        """The process ends; one that was told to leave waits a moment until its row is gone."""
        if draining.is_set():
            self._thread.join(_LEAVING_SECONDS)

    def _keep(self) -> None:
        while not draining.is_set():
            self._try(self._describe)
            draining.wait(DESCRIBED_EVERY_SECONDS)
        self._try(self._leave)

    def _describe(self, workers: Workers) -> None:
        workers.describe(self._name, process=worker_name(), facts=self._description.now() | self._same)

    def _leave(self, workers: Workers) -> None:
        workers.leave(self._name)

    def _try(self, act: Callable[[Workers], None]) -> None:
        try:
            with self._resources.database.unit_of_work() as session:
                act(Workers(session))
        except SQLAlchemyError as error:
            logger.info("the worker's row is as it was: %s", error)
        except Exception:
            logger.exception("the worker could not be described; fits go on")
