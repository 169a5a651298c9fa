"""How the service is, beyond what a request needs: the age of the queue, who has fallen silent, room on the disk."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import redis
from sqlalchemy.exc import SQLAlchemyError

from store.classes import WorkerClass
from store.database import Database
from store.disk import Disk
from store.pulse import Member, Pulses
from store.repositories.fits import Fits
from store.repositories.repairs import Waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """One look.

    Attributes:
        read_only: whether nothing can be added for want of room on the disk.
        free_bytes: room on the disk of the engines, in bytes; None if they are elsewhere.
        waiting: number of fits that a worker could take now; None if the database could not be asked.
        waiting_by_class: number of those that wait for workers of each class; empty if the database could not be asked.
        oldest_waiting_seconds: age in seconds of the fit that was queued longest ago; None if there is none, or the
            database could not be asked.
        members: processes that beat; empty if the broker could not be asked.
        set_aside: number of messages of each queue that were none, so far.
    """

    read_only: bool
    free_bytes: int | None
    waiting: int | None
    waiting_by_class: dict[WorkerClass, int]
    oldest_waiting_seconds: float | None
    members: list[Member]
    set_aside: dict[str, int]

    def in_words_of_prometheus(self) -> str:
        """The text format of a scrape."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _metric("tuner_read_only", "gauge", {"": int(self.read_only)})
        yield from _metric("tuner_disk_free_bytes", "gauge", {"": self.free_bytes})
        yield from _metric("tuner_fits_waiting", "gauge", {"": self.waiting})
        by_class = {f'{{class="{each}"}}': count for each, count in sorted(self.waiting_by_class.items())}
        yield from _metric("tuner_class_waiting", "gauge", by_class)
        oldest = self.oldest_waiting_seconds
        yield from _metric("tuner_queue_oldest_seconds", "gauge", {"": 0 if self.waiting == 0 else oldest})
        ages = {f'{{role="{one.role}",name="{one.name}"}}': one.age_seconds for one in self.members}
        yield from _metric("tuner_beat_age_seconds", "gauge", ages)
        silent = {f'{{role="{role}"}}': 0 for role in sorted({one.role for one in self.members})}
        for one in self.members:
            silent[f'{{role="{one.role}"}}'] += one.is_silent
        yield from _metric("tuner_silent", "gauge", silent)
        aside = {f'{{queue="{queue}"}}': count for queue, count in sorted(self.set_aside.items())}
        yield from _metric("tuner_messages_set_aside_total", "counter", aside)


class VitalSigns:
    """Looks; whoever cannot be asked is left out, and nobody waits longer than the time-outs of the engines."""

    def __init__(self, database: Database, pulses: Pulses, disk: Disk) -> None:
        self._database = database
        self._pulses = pulses
        self._disk = disk

    def look(self, *, with_broker: bool = True) -> Vitals:
        """Ask everybody, or everybody but a broker that is known to be away."""
        waiting: Waiting | None = None
        with suppress(SQLAlchemyError), self._database.reading() as session:
            waiting = Fits(session).waiting()
        members: list[Member] = []
        set_aside: dict[str, int] = {}
        with suppress(redis.RedisError):
            if with_broker:
                members, set_aside = self._pulses.members(), self._pulses.set_aside()
        return Vitals(
            read_only=not self._disk.has_room(),
            free_bytes=self._disk.free_bytes(),
            waiting=None if waiting is None else waiting.fits,
            waiting_by_class={} if waiting is None else waiting.by_class,
            oldest_waiting_seconds=None if waiting is None else waiting.oldest_seconds,
            members=members,
            set_aside=set_aside,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pulses.close()


def _metric(name: str, kind: str, values: Mapping[str, float | None]) -> Iterator[str]:
    known = {label: value for label, value in values.items() if value is not None}
    if known:
        yield f"# TYPE {name} {kind}"
    yield from (f"{name}{label} {value}" for label, value in known.items())
