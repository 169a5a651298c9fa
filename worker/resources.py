"""What one worker process holds on to: settings, database, bucket, queue. Made after the process has started."""

from dataclasses import dataclass, field
from functools import cache

from store.addresses import Network
from store.blobs import BlobStore
from store.classes import WorkerClass
from store.database import Database
from store.disk import ENDLESS, Disk
from store.queue import FitQueue
from store.settings import StoreSettings
from store.tracing import start_traces
from worker.served import classes_served
from worker.settings import WorkerSettings


@dataclass(slots=True)
class Engines:
    """What a process remembers of storage and database.

    Attributes:
        answered_at: moment by the monotonic clock at which both were asked and answered; None if one has failed since.
    """

    answered_at: float | None = None


@dataclass(slots=True)
class Taken:
    """How many fits, and parts of large ones, a process has taken on: after so many it is replaced."""

    fits: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """Everything outside the process that a fit touches."""

    settings: WorkerSettings
    database: Database
    blobs: BlobStore
    queue: FitQueue
    disk: Disk = ENDLESS
    engines: Engines = field(default_factory=Engines)
    taken: Taken = field(default_factory=Taken)
    private_networks: tuple[Network, ...] = ()  # that webhooks may reach
    max_stored_bytes: int | None = None  # of one tenant

    @property
    def classes(self) -> tuple[WorkerClass, ...]:
        """Classes of fits that may run here; for workers of fits alone, as the others need not look for a GPU."""
        return classes_served(self.settings)


@cache
def resources() -> Resources:
    """The process's own, from the environment."""
    store = StoreSettings()
    start_traces(store, "tuner-worker")
    return Resources(
        settings=WorkerSettings(),
        database=Database(store),
        blobs=BlobStore(store),
        queue=FitQueue(store),
        disk=Disk.of(store),
        private_networks=store.webhook_private_networks,
        max_stored_bytes=store.max_stored_bytes,
    )
