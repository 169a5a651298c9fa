"""The worker that holds a large fit, and the others that take parts of it, as the search of the fit sees them.

Rows decide who has which part, and what came of it is an object with a row; messages only wake workers that are idle.
Nobody waits for a worker that never comes: whoever holds the fit takes one part after the other itself.
"""

import logging
from collections.abc import Iterator, Sequence

from store.blobs import sha256_hex
from store.classes import WorkerClass
from store.errors import BlobDamaged, BlobMissing
from store.keys import part_key
from store.repositories.deletions import remove_objects
from store.repositories.fits import Claim, Fits, StoredObject
from store.repositories.parts import PartClaim, Parts
from tuner.errors import StateMismatch
from tuner.fit.state import FitState
from tuner.targets.tiles.crew import Part
from worker.drain import draining
from worker.resources import Resources

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5  # between two looks at what others still do
_MOST_HINTS = 32  # that wake workers, at a time


class Colleagues:
    """All workers that are idle, as the `Crew` of a search.

    Args:
        resources: what the worker works with.
        claim: the attempt that holds the fit.
        worker_class: class of the workers that may help.
    """

    def __init__(self, resources: Resources, claim: Claim, worker_class: WorkerClass) -> None:
        self._resources, self._claim, self._class = resources, claim, worker_class
        self._part: PartClaim | None = None
        self._known: set[int] = set()  # numbers of parts whose tiles the search has

    def offer(self, parts: Sequence[Part]) -> None:
        """Let others take parts from now on.

        Raises:
            LeaseLost: if another attempt holds the fit by now.
        """
        works = [{"search": part.search, "latent_step": part.latent_step, "tiles": list(part.tiles)} for part in parts]
        with self._resources.database.unit_of_work() as session:
            stale = Parts(session).offer(self._claim, works)
            keys = Fits(session).forget_checkpoints(stale)
        remove_objects(self._resources.database, self._resources.blobs, keys)
        self._wake()

    def take(self) -> Part | None:
        """A part that nobody else has.

        Raises:
            LeaseLost: if another attempt holds the fit by now.
        """
        with self._resources.database.unit_of_work() as session:
            self._part = Parts(session).take(self._claim)
        return None if self._part is None else part_of(self._part)

    def finish(self, state: FitState) -> None:
        """The part that was taken last is fitted.

        Raises:
            LeaseLost: if nobody wants the fit any more.
        """
        assert self._part is not None  # noqa: S101  it was taken
        store_part(self._resources, self._part, state)
        self._known.add(self._part.number)
        self._wake()

    def finished(self) -> Iterator[FitState]:
        """What others have finished since this was last asked."""
        with self._resources.database.unit_of_work() as session:
            found = [each for each in Parts(session).finished(self._claim.fit_id) if each.part not in self._known]
        for each in found:
            assert each.part is not None  # noqa: S101  as asked for
            self._known.add(each.part)
            try:
                content = self._resources.blobs.read(each.object_key, sha256=each.sha256, max_bytes=each.byte_count)
                state = FitState.from_bytes(content)
            except (BlobMissing, BlobDamaged, StateMismatch) as error:
                logger.warning("part %s of %s is of no use and is fitted anew: %s", each.part, each.fit_id, error)
            else:
                yield state

    def is_at_work(self) -> bool:
        """Whether others hold parts; returns after a pause if so."""
        with self._resources.database.unit_of_work() as session:
            is_open = Parts(session).count(self._claim.fit_id, "open") > 0
        if is_open:
            draining.wait(PAUSE_SECONDS)
        return is_open

    def _wake(self) -> None:
        """Send hints, as long as there are fewer than free parts; lost ones are sent again with the next part."""
        with self._resources.database.unit_of_work() as session:
            free = Parts(session).count(self._claim.fit_id, "free")
        hints = self._resources.queue.length(self._class) if free else None
        for _ in range(0 if hints is None else min(_MOST_HINTS, free) - hints):
            if not self._resources.queue.publish(self._claim.fit_id, self._class):
                return


def part_of(claim: PartClaim) -> Part:
    """The part that was claimed, as the library knows it."""
    work = claim.work
    return Part(search=work["search"], latent_step=float(work["latent_step"]), tiles=tuple(work["tiles"]))


def store_part(resources: Resources, claim: PartClaim, state: FitState) -> None:
    """Store what came of a part: the object first, its row second, so that a row never points at nothing.

    Raises:
        LeaseLost: if the claim no longer holds the part, or nobody wants the fit any more.
    """
    content = state.to_bytes()
    stored = StoredObject(
        key=part_key(claim.fit_id, claim.number, claim.attempt), sha256=sha256_hex(content), byte_count=len(content)
    )
    resources.blobs.put(stored.key, content)
    with resources.database.unit_of_work() as session:
        Parts(session).finish(claim, stored)
