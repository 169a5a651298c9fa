"""What must hold afterwards, read from the rows, the objects and what clients were told; one function each.

Numbers are those of the list in docs/decisions/0008-what-survives-what.md. Each function returns the violations it
found, as sentences.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from sqlalchemy import func, select

from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.errors import BlobDamaged, BlobMissing
from store.keys import checkpoint_key
from store.models import Checkpoint, Fit, FitAttempt, FitEvent, IdempotencyKey, Representation, Signal
from store.models_renders import Render
from store.status import LEGAL_MOVES, FitStatus
from tests.chaos.clients import ADVISED, History, Promise
from tests.chaos.stack import Harm, Usage
from tests.factories import picture_png
from tuner.codec.decode import decode
from tuner.metrics import picture_psnr_db
from tuner.signal.image import read_image

FILES_OF_POOLS = 40  # connections to the engines that a busy process has in hand and a fresh one has not

MEBIBYTES_OF_USE = 150  # what a process takes that has seen every path of the code, and a leak would pass soon

STATUSES = {str(status) for status in FitStatus}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that is left to look at.

    Attributes:
        right: the hash of the right result of each kind and seed, from fits that nothing disturbed.
        harm: what was done to stored objects on purpose.
        told: status of each fit as its tenant's webhook heard it.
        tenants: owners of the fits as their clients know them.
        downloads: hash of what a client downloads, by fit.
        wanted: keys of objects that rows name.
        objects: keys in the bucket, after the service itself has swept orphans.
        uploads: multipart uploads that were begun and not ended.
        messages: left in the broker.
        usage: files and memory of each service, fresh and at the end.
    """

    history: History
    right: Mapping[tuple[int, int], str]
    harm: Harm
    told: Mapping[str, set[tuple[str, str]]]
    max_tries: int
    fits: Mapping[str, Fit]
    events: Mapping[str, list[FitEvent]]
    attempts: Mapping[str, list[FitAttempt]]
    keys: Mapping[tuple[str, str], str]
    contents: Mapping[str, bytes]
    downloads: Mapping[str, str]
    checkpoints: int
    objects: frozenset[str]
    wanted: frozenset[str]
    uploads: int
    messages: int
    open_transactions: int
    usage: Mapping[str, tuple[Usage, Usage]]

    def promised(self) -> dict[str, Promise]:
        """Promises by the id of the fit that counts."""
        return {promise.fit_id: promise for promise in self.history.promises if promise.fit_ids}

    def superseded(self) -> set[str]:
        """Fits that came to nothing, or whose bytes were lost, and which a client asked for again as it was told."""
        return {fit_id for one in self.history.promises for fit_id in one.fit_ids[:1] + one.again} - {*self.promised()}


def violations(evidence: Evidence) -> dict[str, list[str]]:
    """Every violated invariant with what violates it."""
    found = {check.__name__: check(evidence) for check in INVARIANTS}
    return {name: sentences for name, sentences in found.items() if sentences}


def lost(evidence: Evidence) -> list[str]:
    """Fits that were accepted and have not come to the end that was promised."""
    return [
        fit_id
        for fit_id, promise in evidence.promised().items()
        if (fit := evidence.fits.get(fit_id)) is None
        or not (fit.status is FitStatus.SUCCEEDED or (fit.status is FitStatus.CANCELLED and promise.cancel))
    ]


def duplicated(evidence: Evidence) -> list[str]:
    """Keys under which there is more than one fit, and fits that nobody asked for."""
    asked = {fit_id for promise in evidence.history.promises for fit_id in promise.fit_ids + promise.again}
    asked |= {*evidence.harm.newer}
    twice = [promise.key for promise in evidence.history.promises if len(set(promise.fit_ids)) > 1]
    return twice + sorted(set(evidence.fits) - asked)


def every_accepted_fit_ends(evidence: Evidence) -> list[str]:
    """1: each fit whose 202 was seen is in a terminal state, and it is the one that its client was promised."""
    found = [f"a 202 for {promise.key} was never seen" for promise in evidence.history.promises if not promise.fit_ids]
    for fit_id in lost(evidence):
        fit = evidence.fits.get(fit_id)
        found.append(f"{fit_id} is {'gone' if fit is None else f'{fit.status}: {fit.error_code} {fit.error_message}'}")
    for fit_id in evidence.superseded():
        fit = evidence.fits[fit_id]
        if fit.status is FitStatus.FAILED and fit.error_code not in ADVISED:
            found.append(f"{fit_id} failed as {fit.error_code}")
    return found


def only_deaths_count_as_deaths(evidence: Evidence) -> list[str]:
    """1, too: a fit is given up for its workers' deaths after as many of them as it may cost, and for nothing else."""
    found: list[str] = []
    for fit_id, fit in evidence.fits.items():
        ends = Counter(one.ended_as for one in evidence.attempts.get(fit_id, []))
        if fit.error_code == "worker_lost" and ends["lost"] < evidence.max_tries:
            found.append(f"{fit_id} was given up as worker_lost after {dict(ends)}")
    return found


def every_end_is_told(evidence: Evidence) -> list[str]:
    """10: the webhook of a fit's tenant hears of its end, as it was, and no other tenant's does."""
    found: list[str] = []
    for fit_id, fit in evidence.fits.items():
        for tenant, heard in evidence.told.items():
            statuses = {status for one, status in heard if one == fit_id}
            expected = {str(fit.status)} if tenant == fit.tenant and fit.status.is_terminal else set()
            if statuses != expected:
                found.append(f"{tenant} was told of {fit_id}, which is {fit.tenant}'s and {fit.status}: {statuses}")
    return found


def rows_of_newer_versions_wait(evidence: Evidence) -> list[str]:
    """11: a row of a newer version still waits in its own words, and is cancelled when it is asked to be."""
    return [
        f"{fit_id}, of a newer version, is {fit.status}"
        for fit_id in evidence.harm.newer
        if (fit := evidence.fits[fit_id]).status is not FitStatus.CANCELLED
    ]


def one_key_one_fit(evidence: Evidence) -> list[str]:
    """2: however often and however simultaneously a request was sent."""
    found = [f"{name} has more than one fit, or none asked for it" for name in duplicated(evidence)]
    return found + [
        f"{promise.key} was answered with {promise.fit_ids[0]}, its row is another"
        for promise in evidence.history.promises
        if promise.fit_ids and evidence.keys.get((promise.tenant, promise.key)) != promise.fit_ids[0]
    ]


def one_attempt_at_a_time(evidence: Evidence) -> list[str]:
    """3: attempts are numbered without gap, follow each other, all end, and a past one leaves no trace."""
    found: list[str] = []
    for fit_id, attempts in evidence.attempts.items():
        if [one.attempt for one in attempts] != list(range(1, evidence.fits[fit_id].attempt + 1)):
            found.append(f"{fit_id} has attempts {[one.attempt for one in attempts]}")
        found += [f"attempt {one.attempt} of {fit_id} has no end" for one in attempts if one.ended_at is None]
        for one, following in pairwise(attempts):
            if one.ended_at is not None and one.ended_at > following.started_at:
                found.append(f"attempt {following.attempt} of {fit_id} began before its predecessor had ended")
    for fit_id, events in evidence.events.items():
        if any(earlier.attempt > later.attempt for earlier, later in pairwise(events)):
            found.append(f"a past attempt of {fit_id} wrote to its history")
    return found


def histories_are_legal(evidence: Evidence) -> list[str]:
    """4: sequence numbers without gap or repeat, and every move one that the status machine has."""
    found: list[str] = []
    for fit_id, events in evidence.events.items():
        if [event.seq for event in events] != list(range(1, len(events) + 1)):
            found.append(f"{fit_id} has sequence numbers {[event.seq for event in events]}")
        path = [FitStatus(event.kind) for event in events if event.kind in STATUSES]
        if path[:1] != [FitStatus.QUEUED] or path[-1] is not evidence.fits[fit_id].status:
            found.append(f"{fit_id} goes {path}, its row says {evidence.fits[fit_id].status}")
        found += [f"{fit_id} went from {a} to {b}" for a, b in pairwise(path) if b not in LEGAL_MOVES[a]]
    return found


def success_can_be_reproduced(evidence: Evidence) -> list[str]:
    """5: a succeeded fit has its bytes, they decode, and they are as good as the row says."""
    found: list[str] = []
    signal = read_image(picture_png())
    quality: dict[str, float] = {}
    for fit_id, fit in evidence.fits.items():
        row = fit.representation
        if (fit.status is FitStatus.SUCCEEDED) != (row is not None):
            found.append(f"{fit_id} is {fit.status} and has {'a' if row else 'no'} representation")
        if row is None:
            continue
        content = evidence.contents.get(fit_id, b"")
        if fit_id in evidence.superseded() and sha256_hex(content) != row.sha256:
            written_at = _written_after(evidence.events[fit_id], row.created_at.timestamp())
            if not evidence.harm.excuses(row.object_key, written_at):
                found.append(f"{fit_id}: its bytes are gone, and nobody took them")
            continue
        if (len(content), sha256_hex(content)) != (row.byte_count, row.sha256):
            found.append(f"{fit_id}: {len(content)} bytes in the bucket, {row.byte_count} recorded, or another hash")
            continue
        if evidence.downloads.get(fit_id) != row.sha256:
            found.append(f"{fit_id}: a client downloads other bytes than were recorded")
        if row.sha256 not in quality:
            rendered = decode(content).render().values
            quality[row.sha256] = picture_psnr_db(signal.values, rendered, signal.sample_format)
        if row.psnr_db is None or abs(quality[row.sha256] - row.psnr_db) > 1e-3:
            found.append(f"{fit_id}: recorded {row.psnr_db} dB, its bytes give {quality[row.sha256]:.4f} dB")
    return found


def cancelled_stays_cancelled(evidence: Evidence) -> list[str]:
    """6: after an acknowledged cancel there is no success; and nothing is cancelled that nobody cancelled."""
    found: list[str] = []
    for fit_id, promise in evidence.promised().items():
        status = evidence.fits[fit_id].status if fit_id in evidence.fits else None
        if promise.cancel in {"cancelling", "cancelled"} and status is not FitStatus.CANCELLED:
            found.append(f"the cancel of {fit_id} was acknowledged, it is {status}")
        if status is FitStatus.CANCELLED and promise.cancel is None:
            found.append(f"{fit_id} is cancelled, which nobody asked for")
    return found


def resumed_fits_lose_nothing(evidence: Evidence) -> list[str]:
    """7: no attempt goes back behind a committed checkpoint that is whole; all end with the bytes of a calm fit."""
    found: list[str] = []
    for fit_id, events in evidence.events.items():
        kept: tuple[int, int, float] | None = None  # step, attempt, time at which it was written at the earliest
        for event in events:
            if event.kind == "checkpoint":
                step = event.data["step"]
                kept = step, event.attempt, _written_after(events, event.created_at.timestamp(), step)
            elif event.kind == "progress" and kept is not None and event.attempt > kept[1]:
                key = checkpoint_key(fit_id, kept[1], kept[0])
                if event.data["step"] <= kept[0] and not evidence.harm.excuses(key, kept[2]):
                    found.append(
                        f"{fit_id} had a checkpoint at step {kept[0]}, a later attempt was at {event.data['step']}"
                    )
    for fit_id, promise in evidence.promised().items():
        if (content := evidence.contents.get(fit_id)) and sha256_hex(content) != evidence.right[
            promise.kind, promise.seed
        ]:
            found.append(f"{fit_id} ended with other bytes than an undisturbed fit")
    return found


def _written_after(events: Sequence[FitEvent], named_at: float, step: int | None = None) -> float:
    """The earliest time at which an object may have been written that a row has named since a moment.

    An object comes before its row, by as long as the line to the database is silent, and after what was told of earlier
    steps: storage that is set back in between loses an object whose row is younger.
    """
    earlier = (event for event in events if step is None or event.data.get("step") != step)
    return max((time for event in earlier if (time := event.created_at.timestamp()) < named_at), default=0.0)


def answers_make_sense(evidence: Evidence) -> list[str]:
    """8: no client was ever told of another's fit, and none saw an error that the service does not know."""
    return evidence.history.strange


def nothing_is_left_over(evidence: Evidence) -> list[str]:
    """9: no lease, checkpoint, orphaned object, unfinished upload, message, transaction or open file remains."""
    found = [f"{fit_id} still has a lease" for fit_id, fit in evidence.fits.items() if fit.lease_until is not None]
    wanted = evidence.wanted
    found += [f"object {key} belongs to nobody" for key in sorted(evidence.objects - wanted)]
    counting = {
        fit.representation.object_key
        for fit_id in evidence.promised()
        if (fit := evidence.fits.get(fit_id)) is not None and fit.representation is not None
    }
    found += [f"object {key} is gone" for key in sorted(counting - evidence.objects)]
    counts = {
        "checkpoints of finished fits": evidence.checkpoints,
        "unfinished uploads": evidence.uploads,
        "messages in the broker": evidence.messages,
        "open transactions": evidence.open_transactions,
    }
    found += [
        f"{name} had {fresh.files} open files and has {used.files}"
        for name, (fresh, used) in evidence.usage.items()
        if used.files > fresh.files + FILES_OF_POOLS
    ]
    found += [
        f"{name} held {fresh.mebibytes} MiB and holds {used.mebibytes}"
        for name, (fresh, used) in evidence.usage.items()
        if used.mebibytes > fresh.mebibytes + MEBIBYTES_OF_USE
    ]
    return found + [f"{count} {what} are left" for what, count in counts.items() if count]


INVARIANTS: tuple[Callable[[Evidence], list[str]], ...] = (
    every_accepted_fit_ends,
    only_deaths_count_as_deaths,
    one_key_one_fit,
    one_attempt_at_a_time,
    histories_are_legal,
    success_can_be_reproduced,
    cancelled_stays_cancelled,
    resumed_fits_lose_nothing,
    answers_make_sense,
    nothing_is_left_over,
    every_end_is_told,
    rows_of_newer_versions_wait,
)


def recoveries(evidence: Evidence) -> list[float]:
    """Seconds from the last sign of life of each interrupted attempt to the start of the next one."""
    found: list[float] = []
    for fit_id, attempts in evidence.attempts.items():
        last_sign: dict[int, datetime] = {}
        for event in evidence.events[fit_id]:
            if event.kind in {"running", "progress", "checkpoint"}:
                last_sign[event.attempt] = event.created_at
        found += [(b.started_at - last_sign[a.attempt]).total_seconds() for a, b in pairwise(attempts)]
    return found


def p50_and_max(seconds: list[float]) -> list[float] | None:
    """The middle one and the longest; None if there were none."""
    return [round(median(seconds), 2), round(max(seconds), 2)] if seconds else None


def read_rows(database: Database, blobs: BlobStore) -> dict[str, Any]:
    """The part of the evidence that lies in database and bucket."""
    events: dict[str, list[FitEvent]] = defaultdict(list)
    attempts: dict[str, list[FitAttempt]] = defaultdict(list)
    with database.unit_of_work() as session:
        fits = {fit.id: fit for fit in session.scalars(select(Fit))}
        for event in session.scalars(select(FitEvent).order_by(FitEvent.fit_id, FitEvent.seq)):
            events[event.fit_id].append(event)
        for attempt in session.scalars(select(FitAttempt).order_by(FitAttempt.fit_id, FitAttempt.attempt)):
            attempts[attempt.fit_id].append(attempt)
        keys = {(row.tenant, row.key): row.fit_id for row in session.scalars(select(IdempotencyKey))}
        places = {row.fit_id: row.object_key for row in session.scalars(select(Representation))}
        checkpoints = session.scalar(select(func.count()).select_from(Checkpoint)) or 0
        views = session.scalars(select(Render.object_key).where(Render.object_key.is_not(None)))
        wanted = frozenset([*places.values(), *views, *session.scalars(select(Signal.object_key))])
    objects = frozenset(blobs.keys())
    return {
        "fits": fits,
        "events": events,
        "attempts": attempts,
        "keys": keys,
        "checkpoints": checkpoints,
        "objects": objects,
        "wanted": wanted,
        "orphans": objects - wanted,
        "contents": {fit_id: _content(blobs, key) for fit_id, key in places.items()},
    }


def _content(blobs: BlobStore, key: str) -> bytes:
    try:
        return blobs.read(key)
    except (BlobMissing, BlobDamaged):
        return b""


def ends(evidence: Evidence) -> dict[str, int]:
    """How many fits ended how, and how many attempts."""
    return dict(Counter(str(fit.status) for fit in evidence.fits.values())) | {
        f"attempts {end}": count
        for end, count in Counter(one.ended_as for rows in evidence.attempts.values() for one in rows).items()
    }
