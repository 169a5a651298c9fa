"""What must hold: at every commit, while a worker trains, and when all is over.

The rules are written down here a second time, in words of their own: nothing is asked of the code that is looked at.
"""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

from store.blobs import sha256_hex
from tests.simulation import training
from tests.simulation.engine import Change, Transaction
from tests.simulation.scheduler import Process, Task
from tests.simulation.statements import Row
from tests.simulation.world import SETTINGS, Promise, World
from worker.run import ASKED_EVERY_SECONDS

ENDED = {"succeeded", "failed", "cancelled", "expired"}
HELD = {"running", "cancelling"}
MOVES = {
    None: {"queued"},
    "queued": {"running", "paused", "cancelled", "expired"},
    "paused": {"queued", "cancelled"},
    "running": {"succeeded", "failed", "cancelled", "cancelling", "paused", "queued"},
    "cancelling": {"cancelled", "failed"},
}
STATUSES = ENDED | HELD | {"queued", "paused"}
# Ends of an attempt that took nothing from the fit's budget of lost workers.
EXCUSED = {"cut_off", "overtaken"}
GIVEN_BACK = {"drained", "paused", "hung"} | EXCUSED
REASONS = {"worker_lost": "lost", "worker_drained": "drained", "storage_unavailable": "failed", "worker_hung": "hung"}
REASONS |= {end: end for end in EXCUSED}
LATE_STEPS = 2  # a worker may take after its lease has run out: one is under way, one is being reported
# A worker hears from another's decision (a deadline, a cancel given up) with its next beat, or when its lease is over.
DEAF_STEPS = 40
CLAIM_SECONDS = 1.0  # from the last question whether storage is there to the commit of a claim, at most
HEARS_WITHIN_STEPS = 8  # where nothing disturbs: a heartbeat
UNSAVED_STEPS = 6  # where nothing disturbs: a pause between two checkpoints
# No worker dies of them.
HARMLESS = {"database restarts", "storage stops", "storage is full", "messages lost", "object spoilt", "drain"}
# Nobody who asked whether storage is there, and then claims, is held up by them in between.
BETWEEN_NO_LINES = {"storage stops", "storage is full", "messages lost", "object spoilt", "drain", "kill"}
# They do not come between a worker and its engines.
QUIET = {"drain", "messages lost"}
# Upkeep does its rounds whatever they do.
ASIDE_FROM_UPKEEP = {"messages lost", "object spoilt", "drain"}
ROUND_SECONDS = 5.0  # that a round of upkeep takes at most, with what it waits for
# A row that somebody is writing to at the moment of a round is passed over, and seen to in the next one.
SEEN_WITHIN_SECONDS = 2 * (SETTINGS.upkeep_every_seconds + ROUND_SECONDS)
OWN_WORDS = {"worker_lost", "worker_hung", "storage_unavailable", "deadline_exceeded"}  # no failures of the fit itself


class Watch:
    """Looks at everything that is committed, and at every step of training."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owners: dict[tuple[str, int], Process] = {}
        # What a process has claimed last, in one transaction: it works on nothing else from then on.
        self.latest: dict[Process, tuple[Transaction, set[tuple[str, int]]]] = {}
        self.steps_late: dict[tuple[str, int, str], int] = {}
        self.ended: dict[str, str] = {}
        self.last_step: dict[tuple[str, int], int] = {}
        self.begun: dict[tuple[str, int], int] = {}
        self.kept: dict[tuple[str, int], int] = {}
        self.were_overdue: set[str] = set()
        world.observers.append(self.committed)
        world.trainer.on_begin = self.begins_to_train
        world.trainer.on_step = self.takes_a_step

    # At a commit.

    def committed(self, transaction: Transaction, task: Task | None, changes: list[Change]) -> None:
        """Compare the rows before and after."""
        by_table: dict[str, list[Change]] = {}
        for change in changes:
            by_table.setdefault(change[0], []).append(change)
        events: dict[str, list[Row]] = {}
        for _, _, before, after in by_table.get("fit_events", ()):
            if before is not None and after is not None:
                self.wrong(f"event {before['seq']} of {before['fit_id']} was changed")
            if before is None and after is not None:
                events.setdefault(after["fit_id"], []).append(after)
        fits = {key[0]: (before, after) for _, key, before, after in by_table.get("fits", ())}
        for fit_id, (before, after) in fits.items():
            if after is None:
                self._deleted(fit_id, before)
                continue
            self._fit(transaction, fit_id, before, after, events.pop(fit_id, []))
        for fit_id in events:
            self.wrong(f"an event of {fit_id} was written without its row")
        for name in ("checkpoints", "representations"):
            for _, _, before, after in by_table.get(name, ()):
                if before is None and after is not None:
                    self._object(transaction, name, after)
                    if name == "checkpoints":
                        self.kept[after["fit_id"], after["attempt"]] = after["step"]
                elif before is not None and after is None:
                    self._forgotten(before["object_key"], by_table)
                    fit = self.world.server.tables["fits"].get((before["fit_id"],))
                    if transaction.process.role == "upkeep" and fit is not None and fit["status"] not in ENDED:
                        self.wrong(f"upkeep dropped {before['object_key']} of a fit that is {fit['status']}")
        for _, key, before, after in by_table.get("deleted_objects", ()):
            if before is not None and after is None and key[0] in self.world.bucket.seen:
                self.wrong(f"the object {key[0]} counts as removed and is there")
        for _, _, before, after in by_table.get("fit_attempts", ()):
            if before is None or after is None or before["ended_at"] is None:
                continue
            if not self._is_excuse(transaction.process, before, after):
                self.wrong(f"attempt {after['attempt']} of {after['fit_id']} ended twice")

    def _forgotten(self, object_key: str, by_table: dict[str, list[Change]]) -> None:
        """A row that named an object goes, and says so where it will be removed."""
        if not any(
            key[0] == object_key and after is not None for _, key, _, after in by_table.get("deleted_objects", ())
        ):
            self.wrong(f"the row of {object_key} is gone, and nobody is told to remove the object")

    def wrong(self, sentence: str) -> None:
        self.world.violate(sentence)

    def _fit(self, transaction: Transaction, fit_id: str, before: Row | None, after: Row, events: list[Row]) -> None:
        old = None if before is None else str(before["status"])
        new = str(after["status"])
        path = [event["kind"] for event in events if event["kind"] in STATUSES]
        steps = [old, *path]
        for one, following in pairwise(steps):
            if following not in MOVES.get(one, set()):
                self.wrong(f"{fit_id} went from {one} to {following}")
        if steps[-1] != new:
            self.wrong(f"{fit_id} became {new}, its history says {steps[-1]}")
        self._history(fit_id, before, after, events)
        self._fence(transaction, fit_id, before, after)
        self._lease(transaction, fit_id, before, after)
        self._attempts(transaction, fit_id, before, after, events)
        if after["pause_requested"] and not (before and before["pause_requested"]) and not self._wants(fit_id, "pause"):
            self.wrong(f"a pause of {fit_id} was noted that nobody asked for")
        if new == "paused" and old != "paused" and not self._wants(fit_id, "pause"):
            self.wrong(f"{fit_id} is paused, which nobody asked for")
        if (
            new in {"cancelling", "cancelled"}
            and old not in {"cancelling", "cancelled"}
            and not self._wants(fit_id, "cancel")
        ):
            self.wrong(f"{fit_id} is {new}, which nobody asked for")
        if new in ENDED and old not in ENDED:
            self._end(transaction, fit_id, before or {}, after)

    def _history(self, fit_id: str, before: Row | None, after: Row, events: list[Row]) -> None:
        first = 0 if before is None else before["event_seq"]
        numbers = [event["seq"] for event in events]
        if numbers != list(range(first + 1, after["event_seq"] + 1)):
            self.wrong(f"{fit_id} has events {numbers} after {first}, its row counts {after['event_seq']}")
        attempt = after["attempt"] if before is None else before["attempt"]
        for event in events:
            # The claim's own event has the new attempt, and so has the end of one that is over as it begins; everything
            # else has that of the row before.
            if event["kind"] == "running":
                attempt = after["attempt"]
            if event["attempt"] != attempt:
                self.wrong(f"event {event['seq']} ({event['kind']}) of {fit_id} says attempt {event['attempt']}")

    def _is_excuse(self, process: Process, before: Row, after: Row) -> bool:
        """Whether a worker says of an attempt of its own that counted as lost that it lives, and nothing else."""
        changed = {name for name in after if after[name] != before[name]}
        is_its_own = self.owners.get((after["fit_id"], after["attempt"])) is process
        return is_its_own and changed == {"ended_as"} and before["ended_as"] == "lost" and after["ended_as"] in EXCUSED

    def _fence(self, transaction: Transaction, fit_id: str, before: Row | None, after: Row) -> None:
        attempt = after["attempt"]
        earlier = 0 if before is None else before["attempt"]
        process = transaction.process
        if attempt != earlier:
            if attempt != earlier + 1 or process.role != "worker":
                self.wrong(f"{fit_id} went from attempt {earlier} to {attempt} by {process.name}")
            if before is not None and before["not_before"] is not None and before["not_before"] > transaction.now:
                self.wrong(f"{fit_id} was claimed before {before['not_before']}")
            if before is not None and set(self.world.faults) <= ASIDE_FROM_UPKEEP:
                self._waited(fit_id, before, transaction.now)
            known_since = self.world.bucket.down_since + ASKED_EVERY_SECONDS + CLAIM_SECONDS
            is_away = self.world.bucket.down_until > self.world.scheduler.now > known_since
            if is_away and set(self.world.faults) <= BETWEEN_NO_LINES:
                self.wrong(f"{fit_id} was claimed while storage was away")
            self.owners[fit_id, attempt] = process
            if process not in self.latest or self.latest[process][0] is not transaction:
                self.latest[process] = (transaction, set())
            if after["status"] in HELD:  # and is not over as it begins
                self.latest[process][1].add((fit_id, attempt))
            self._claimed(self.latest[process][1])
            return
        if process.role != "worker" or before is None:
            return
        changed = {name for name in after if after[name] != before[name]} - {"updated_at"}
        if changed == {"tries"} and after["tries"] == before["tries"] - 1:
            return  # an excuse, which has an attempt of this worker's that counted as lost beside it
        if self.owners.get((fit_id, attempt)) is not process or (fit_id, attempt) not in self._held_by(process):
            self.wrong(f"{process.name} wrote to {fit_id}, whose attempt {attempt} is another's")
        if before["status"] not in HELD:
            self.wrong(f"{process.name} wrote to {fit_id}, which was {before['status']}")

    def _held_by(self, process: Process) -> set[tuple[str, int]]:
        """The claims that a process works on."""
        return self.latest[process][1] if process in self.latest else set()

    def _company(self, fit_id: str, attempt: int) -> list[tuple[str, int]]:
        """The other claims of the transaction in which an attempt was claimed, if it was its process's last."""
        owner = self.owners.get((fit_id, attempt))
        held = set() if owner is None else self._held_by(owner)
        return sorted(held - {(fit_id, attempt)}) if (fit_id, attempt) in held else []

    def _is_left_alone(self, fit_id: str, attempt: int) -> bool:
        """Whether one that was worked on by turns with it hung, or met an outage: then the others are handed back."""
        company = self._company(fit_id, attempt)
        hung = any(self._end_of(*other) == "hung" for other in company)
        return hung or (bool(company) and not set(self.world.faults) <= QUIET)

    def _goes_with_others(self, fit_id: str, attempt: int) -> bool:
        """Whether it is a first attempt at a small fit; only such ones have a quality for their target here."""
        row = self.world.server.tables["fits"].get((fit_id,))
        return row is None or (attempt == 1 and row["spec"]["target"] is not None)

    def _claimed(self, claims: set[tuple[str, int]]) -> None:
        """What goes with no others is claimed by itself: what was tried before may end its process again."""
        if len(claims) > SETTINGS.fits_at_once:
            self.wrong(f"{len(claims)} fits were claimed at once")
        if len(claims) > 1 and not all(self._goes_with_others(*claim) for claim in claims):
            self.wrong(f"{sorted(claims)} were claimed at once, and not all go with others")

    def _lease(self, transaction: Transaction, fit_id: str, before: Row | None, after: Row) -> None:
        until = after["lease_until"]
        if (after["status"] in HELD) != (until is not None):
            self.wrong(f"{fit_id} is {after['status']} with a lease until {until}")
        longest = transaction.now + timedelta(seconds=SETTINGS.lease_seconds)
        if until is not None and until > longest and until != (before or {}).get("lease_until"):
            self.wrong(f"{fit_id} has a lease until {until}, the longest is {longest}")
        if (
            until is not None
            and before is not None
            and before["lease_until"] is not None
            and transaction.process.role != "worker"
        ) and until != before["lease_until"]:
            self.wrong(f"{transaction.process.name} changed the lease of {fit_id}")
        if before is None or before["status"] not in HELD or after["status"] in HELD:
            return
        if transaction.process.role == "upkeep" and self._end_of(fit_id, after["attempt"]) == "lost":
            since = before["cancel_requested_at"] or before["updated_at"]
            is_stuck = before["status"] == "cancelling" and transaction.now - since >= timedelta(
                seconds=SETTINGS.max_cancel_seconds
            )
            if before["lease_until"] >= transaction.now and not is_stuck:
                self.wrong(f"{fit_id} was taken from a worker whose lease holds until {before['lease_until']}")

    def _end_of(self, fit_id: str, attempt: int) -> str | None:
        row = self.world.server.tables["fit_attempts"].get((fit_id, attempt))
        return None if row is None else row["ended_as"]

    def _attempts(
        self, transaction: Transaction, fit_id: str, before: Row | None, after: Row, events: list[Row]
    ) -> None:
        rows = [
            self.world.server.tables["fit_attempts"].get((fit_id, number)) for number in range(1, after["attempt"] + 1)
        ]
        if any(row is None for row in rows):
            self.wrong(f"{fit_id} lacks rows of its {after['attempt']} attempts")
            return
        known = [row for row in rows if row is not None]
        for row in known:
            is_current = row["attempt"] == after["attempt"] and after["status"] in HELD
            if (row["ended_at"] is None) != is_current:
                self.wrong(
                    f"attempt {row['attempt']} of {fit_id} ended as {row['ended_as']}, the fit is {after['status']}"
                )
        code = after["error_code"]
        spent = 0
        for row in known:
            end = row["ended_as"]
            is_last = row["attempt"] == after["attempt"] and after["status"] in ENDED
            failed_for_good = is_last and after["status"] == "failed" and code not in {"storage_unavailable"}
            spent += end in {None, "lost", "succeeded", "cancelled"} or (end == "failed" and failed_for_good)
        if spent != after["tries"]:
            self.wrong(
                f"{fit_id} counts {after['tries']} tries, its attempts ended {[row['ended_as'] for row in known]}"
            )
        if before is None or not known or before["status"] not in HELD or after["status"] in HELD:
            return
        end, new, role = known[-1]["ended_as"], str(after["status"]), transaction.process.role
        company = self._company(fit_id, after["attempt"])
        fine = {
            "succeeded": {"succeeded"},
            "failed": {"failed", "lost", "hung"},
            "cancelled": {"cancelled", "lost", "drained", "failed", "hung"} | EXCUSED,
            "paused": {"paused", "lost", "failed", "hung"} | EXCUSED,
            "queued": {"lost", "drained", "failed", "hung"} | EXCUSED,
        }
        if end not in fine.get(new, set()):
            self.wrong(f"{fit_id} became {new} when its attempt ended as {end}")
        if (end == "lost") != (role == "upkeep" and code != "deadline_exceeded"):
            self.wrong(f"an attempt of {fit_id} ended as {end} by {transaction.process.name}")
        reason = next((event["data"].get("reason") for event in events if event["kind"] == "queued"), None)
        if new == "queued" and REASONS.get(str(reason)) != end:
            self.wrong(f"{fit_id} is queued again for {reason}, its attempt ended as {end}")
        if end == "drained" and not (
            transaction.process.draining
            or self._is_left_alone(fit_id, after["attempt"])
            or before["pause_requested"]
            or before["status"] == "cancelling"
            or self._wants(fit_id, "pause")
        ):
            self.wrong(f"{fit_id} was handed back, which nobody wanted")
        if before["pause_requested"] and new == "queued":
            self.wrong(f"{fit_id} was queued again although a pause was wanted")
        if before["status"] == "cancelling" and new not in {"cancelled", "failed"}:
            self.wrong(f"{fit_id} became {new} although it was being cancelled")
        if before["status"] == "cancelling" and new == "failed" and code in OWN_WORDS:
            self.wrong(f"{fit_id} was being cancelled and failed with {code}, which is nothing that it did")
        is_harmless = set(self.world.faults) <= HARMLESS and self._kind(fit_id) not in {"kills", "hangs"}
        # One that kills its process takes those along that are worked on by turns with it; one that hangs does not.
        is_harmless = is_harmless and "kills" not in (self._kind(other) for other, _ in company)
        if end == "lost" and is_harmless and new != "cancelled":
            self.wrong(f"an attempt of {fit_id} counts as lost, and no worker was: {dict(self.world.faults)}")
        if end == "drained" and set(self.world.faults) <= {"drain"} and (fit_id, after["attempt"]) in self.last_step:
            step = self.last_step[fit_id, after["attempt"]]
            is_saved = self.kept.get((fit_id, after["attempt"]), 0) >= step
            if before["status"] == "running" and not is_saved and not self._is_left_alone(fit_id, after["attempt"]):
                self.wrong(f"{fit_id} was handed back at step {step} without a checkpoint of it")
        deaths = [row["ended_as"] for row in known].count("lost")
        if end == "lost" and new == "failed" and deaths < SETTINGS.max_tries:
            self.wrong(f"{fit_id} was given up after {deaths} lost workers")
        if end == "lost" and new == "queued" and deaths >= SETTINGS.max_tries:
            self.wrong(f"{fit_id} was queued again after {deaths} lost workers")
        if (
            new == "queued"
            and end == "failed"
            and (after["not_before"] is None or after["not_before"] <= transaction.now)
        ):
            self.wrong(f"{fit_id} is tried again at once after a failure of storage")
        failures = [row["ended_as"] for row in known].count("failed")
        if end == "failed" and new == "queued" and failures >= SETTINGS.max_storage_failures:
            self.wrong(f"{fit_id} was queued again after {failures} failures of storage")
        if new == "queued" and after["worker"] is not None:
            self.wrong(f"{fit_id} is queued and names a worker")

    def _end(self, transaction: Transaction, fit_id: str, before: Row, after: Row) -> None:
        if after["finished_at"] is None:
            self.wrong(f"{fit_id} has ended without a time")
        results = [row for row in self.world.server.tables["representations"].values() if row["fit_id"] == fit_id]
        if (after["status"] == "succeeded") != (len(results) == 1):
            self.wrong(f"{fit_id} is {after['status']} with {len(results)} results")
        code = after["error_code"]
        if after["status"] == "succeeded" and code is not None:
            self.wrong(f"{fit_id} succeeded with the error {code}")
        if after["status"] == "failed":
            self._failure(transaction, fit_id, before, after)
        if after["status"] == "expired":
            allowed = after["spec"]["max_queue_seconds"]
            waited = (transaction.now - before["queued_at"]).total_seconds()
            if allowed is None or waited <= allowed:
                self.wrong(f"{fit_id} expired after {waited} s in the queue, {allowed} were allowed")

    def _failure(self, transaction: Transaction, fit_id: str, before: Row, after: Row) -> None:
        code, world = after["error_code"], self.world
        attempts = [row for row in world.server.tables["fit_attempts"].values() if row["fit_id"] == fit_id]
        ends = [row["ended_as"] for row in attempts]
        # Of the row: a request that froze on the way has made a fit of which its client knows nothing yet.
        kind, own = training.kind_of(after["spec"]["seed"]), after["spec"]["max_run_seconds"]
        fine = False
        match code:
            case "worker_lost":
                fine = ends.count("lost") == SETTINGS.max_tries and transaction.process.role == "upkeep"
            case "worker_hung":
                fine = ends.count("hung") == SETTINGS.max_hangs and transaction.process.role == "worker"
            case "storage_unavailable":
                fine = ends.count("failed") == SETTINGS.max_storage_failures
            case "blob_missing" | "blob_damaged":
                signal = world.server.tables["signals"][after["signal_id"],]
                fine = signal["object_key"] in world.bucket.harmed
            case "cannot_be_fitted":
                fine = kind == "fails"
            case "deadline_exceeded":
                self.were_overdue.add(fit_id)
                spent = self._spent(fit_id, transaction.now)
                # Upkeep sees it while a worker is at it; who claims it sees that earlier attempts have used it up.
                seen_by = "upkeep" if after["attempt"] == before["attempt"] else "worker"
                fine = (
                    spent > min(own or SETTINGS.max_run_seconds, SETTINGS.max_run_seconds)
                    and transaction.process.role == seen_by
                )
        if not fine or not after["error_message"]:
            self.wrong(f"{fit_id} failed with {code}: {after['error_message']}; its attempts ended {ends}")

    def _object(self, transaction: Transaction, name: str, row: Row) -> None:
        """A row that names an object is there only after the object is, on the disk."""
        world, key = self.world, row["object_key"]
        fit = world.server.tables["fits"].get((row["fit_id"],))
        if (
            fit is None
            or row["attempt"] != fit["attempt"]
            or self.owners.get((row["fit_id"], row["attempt"])) is not transaction.process
        ):
            self.wrong(f"{transaction.process.name} wrote {name} for attempt {row['attempt']} of {row['fit_id']}")
        stored = world.bucket.on_disk.get(key)
        if key in world.bucket.harmed:
            return
        if stored is None or sha256_hex(stored.content) != row["sha256"] or len(stored.content) != row["byte_count"]:
            self.wrong(f"the object {key} is not on the disk as its row says")
            return
        promise = self._promise(row["fit_id"])
        if name == "representations" and promise is not None and fit is not None:
            if fit["status"] != "succeeded":
                self.wrong(f"{row['fit_id']} has a result and is {fit['status']}")
            if stored.content != training.right_bytes(promise.seed, promise.steps):
                self.wrong(f"{row['fit_id']} ended in other bytes than a fit that nothing disturbs")

    def _deleted(self, fit_id: str, before: Row | None) -> None:
        if before is None or before["status"] not in ENDED:
            self.wrong(f"{fit_id} was deleted while it was {None if before is None else before['status']}")
            return
        self.ended[fit_id] = str(before["status"])

    def _promise(self, fit_id: str) -> Promise | None:
        return next((one for one in self.world.promises if fit_id in one.fit_ids), None) or self._by_key(fit_id)

    def _by_key(self, fit_id: str) -> Promise | None:
        """Whose fit it is, also before its client has heard of it."""
        for row in self.world.server.tables["idempotency_keys"].values():
            if row["fit_id"] == fit_id:
                return next((one for one in self.world.promises if one.key == row["key"]), None)
        return None

    def _kind(self, fit_id: str) -> str:
        promise = self._promise(fit_id)
        return "plain" if promise is None else training.kind_of(promise.seed)

    def _wants(self, fit_id: str, what: str) -> bool:
        promise = self._promise(fit_id)
        return promise is None or (promise.wants_cancel if what == "cancel" else promise.wants_pause)

    # While a worker trains.

    def begins_to_train(self, fit_id: str, attempt: int, begun: int) -> None:
        """An attempt begins where the last one that can be read left off."""
        world = self.world
        best = 0
        for row in world.server.tables["checkpoints"].values():
            if row["fit_id"] != fit_id or row["object_key"] in world.bucket.harmed:
                continue
            best = max(best, row["step"])
        self.begun[fit_id, attempt] = begun
        fit = world.server.tables["fits"].get((fit_id,))
        if begun < best and fit is not None and fit["attempt"] == attempt and fit["status"] in HELD:
            self.wrong(f"attempt {attempt} of {fit_id} began after step {begun}, there is a checkpoint of step {best}")

    def takes_a_step(self, fit_id: str, attempt: int, step: int) -> None:
        """Whoever has lost its lease stops by itself; whoever is told something hears of it."""
        world, process = self.world, self.world.scheduler.process
        self.last_step[fit_id, attempt] = step
        self._limits()
        row = world.server.tables["fits"].get((fit_id,))
        holds = row is not None and row["attempt"] == attempt and row["status"] in HELD
        promise = self._promise(fit_id)
        reasons = {
            "is over": not holds,
            "holds a lease that has run out": holds and row is not None and self._has_run_out(row),
            "is being cancelled": holds and row is not None and row["status"] == "cancelling",
            "is to be paused": holds and promise is not None and promise.paused_at is not None,
            "was told to leave": process.draining,
        }
        # Each reason has its own count: who has a beat's time to hear of a cancel may be told to leave at its end.
        for reason, holds_now in reasons.items():
            place = fit_id, attempt, reason
            self.steps_late[place] = self.steps_late.get(place, 0) + 1 if holds_now else 0
            late, allowed = self.steps_late[place], self._deaf_steps(reason, fit_id, attempt)
            if late > allowed:
                self.wrong(f"attempt {attempt} of {fit_id} {reason} and trains on, {late} steps by now")
        if (
            not any(reasons.values())
            and not world.faults
            and step - self.kept.get((fit_id, attempt), self.begun.get((fit_id, attempt), 0)) > UNSAVED_STEPS
        ):
            self.wrong(f"attempt {attempt} of {fit_id} keeps no checkpoint, it is at step {step}")

    def _deaf_steps(self, reason: str, fit_id: str, attempt: int) -> int:
        """How many steps an attempt may take on, for all that is so."""
        if reason in {"was told to leave", "holds a lease that has run out"}:
            return LATE_STEPS
        if reason == "is over" and self._is_reaped(fit_id, attempt):
            return LATE_STEPS
        if set(self.world.faults) <= QUIET:
            return HEARS_WITHIN_STEPS
        return DEAF_STEPS

    def _has_run_out(self, row: Row) -> bool:
        """Whether a lease is over by a clock that went as the worker's did, which believes in it for less long."""
        return not self.world.clock_was_set and bool(row["lease_until"] < self.world.server.clock())

    def _limits(self) -> None:
        """Nobody is worked on, and nobody waits, for longer than is allowed and upkeep takes to see it."""
        world = self.world
        if not set(world.faults) <= ASIDE_FROM_UPKEEP:
            return
        now = world.server.clock()
        for (fit_id,), row in world.server.tables["fits"].items():
            promise = self._promise(fit_id)
            if promise is None:
                continue
            if row["status"] == "running" and promise.max_run_seconds is not None:
                spent = self._spent(fit_id, now)
                if spent > promise.max_run_seconds + SEEN_WITHIN_SECONDS:
                    self.wrong(f"{fit_id} was worked on for {spent} s, {promise.max_run_seconds} were allowed")
            if row["status"] == "queued":
                self._waited(fit_id, row, now)

    def _waited(self, fit_id: str, row: Row, now: datetime) -> None:
        promise = self._promise(fit_id)
        allowed = None if promise is None else promise.max_queue_seconds
        waited = (now - row["queued_at"]).total_seconds()
        if allowed is not None and waited > allowed + SEEN_WITHIN_SECONDS:
            self.wrong(f"{fit_id} has waited for {waited} s, {allowed} were allowed")

    def _spent(self, fit_id: str, now: datetime) -> float:
        """Seconds that workers have held a fit, all attempts together."""
        rows = (row for row in self.world.server.tables["fit_attempts"].values() if row["fit_id"] == fit_id)
        seconds: float = sum(((row["ended_at"] or now) - row["started_at"]).total_seconds() for row in rows)
        return seconds

    def _is_reaped(self, fit_id: str, attempt: int) -> bool:
        """Whether its lease ran out by a clock that went as the worker's did."""
        row = self.world.server.tables["fits"].get((fit_id,))
        is_lost = self._end_of(fit_id, attempt) == "lost"
        return is_lost and not self.world.clock_was_set and row is not None and row["status"] != "cancelled"

    # When all is over.

    def is_settled(self) -> bool:
        """Whether everything has ended that ends by itself."""
        return not self.unsettled()

    def unsettled(self) -> list[str]:
        """What has not."""
        tables = self.world.server.tables
        found = [
            f"{row['id']} is {row['status']}" for row in tables["fits"].values() if str(row["status"]) not in ENDED
        ]
        found += [f"checkpoint {row['object_key']}" for row in tables["checkpoints"].values()]
        return found + [f"object {row['object_key']} to delete" for row in tables["deleted_objects"].values()]

    def nobody_is_forgotten(self) -> None:
        """Without faults, a lease that has run out is noticed within a few rounds of upkeep."""
        patience = timedelta(seconds=6 * SETTINGS.upkeep_every_seconds)
        for row in self.world.server.tables["fits"].values():
            if row["status"] in HELD and row["lease_until"] < self.world.server.clock() - patience:
                self.wrong(f"the lease of {row['id']} ended at {row['lease_until']}, and nobody has noticed")

    def when_settled(self) -> None:
        """Where nothing was disturbed, nothing is left for the sweep."""
        world = self.world
        # A worker hears only with its next beat that its fit's time was over, and may have stored something since.
        if world.faults or self.were_overdue:
            return
        if any(self._kind(row["id"]) != "plain" for row in world.server.tables["fits"].values()):
            return
        wanted = {
            row["object_key"] for name in ("signals", "representations") for row in world.server.tables[name].values()
        }
        for key in sorted(set(world.bucket.seen) - wanted):
            self.wrong(f"the object {key} was left to the sweep, and nothing had gone wrong")

    def at_the_end(self) -> None:
        """The rows, objects and answers as they stay."""
        world = self.world
        fits = world.server.tables["fits"]
        named = {fit_id for promise in world.promises for fit_id in promise.fit_ids}
        for fit_id, *_ in fits:
            if fit_id not in named:
                self.wrong(f"{fit_id} is there, and nobody was told of it")
        for promise in world.promises:
            self._kept(promise)
        wanted = {row["object_key"] for row in world.server.tables["signals"].values()}
        wanted |= {row["object_key"] for row in world.server.tables["representations"].values()}
        there = set(world.bucket.seen)
        for key in sorted(there - wanted):
            self.wrong(f"the object {key} belongs to nobody")
        for key in sorted(wanted - there - world.bucket.harmed):
            self.wrong(f"the object {key} is gone")
        for row in world.server.tables["representations"].values():
            stored = world.bucket.seen.get(row["object_key"])
            if (
                stored is not None
                and row["object_key"] not in world.bucket.harmed
                and sha256_hex(stored.content) != row["sha256"]
            ):
                self.wrong(f"the object {row['object_key']} is another one")
        for transaction in list(world.server.open):
            # Somebody may be in the middle of a round; those who are gone are past the server's time-out by now.
            if not transaction.expire() and transaction.process.is_dead:
                self.wrong(f"a transaction of {transaction.process.name} is open")
        self._histories()

    def _kept(self, promise: Promise) -> None:
        if len(promise.fit_ids) != 1:
            self.wrong(f"the request with {promise.key} has the fits {promise.fit_ids}")
            return
        fit_id = promise.fit_ids[0]
        row = self.world.server.tables["fits"].get((fit_id,))
        status = self.ended.get(fit_id) if row is None else str(row["status"])
        if row is None and not promise.deleted:
            self.wrong(f"{fit_id} is gone")
        if row is not None and promise.deleted:
            self.wrong(f"{fit_id} was deleted and is there")
        if status not in ENDED:
            self.wrong(f"{fit_id} has come to no end: {status}")
        if promise.acknowledged is not None and not (
            status == "cancelled" or (status == "failed" and promise.acknowledged == "cancelling")
        ):
            self.wrong(f"the cancel of {fit_id} was acknowledged, it is {status}")
        if promise.refused_as is not None and status != promise.refused_as:
            self.wrong(f"the cancel of {fit_id} was refused as it was {promise.refused_as}, it is {status}")
        if promise.wants_cancel and promise.acknowledged is None and promise.refused_as is None:
            self.wrong(f"the cancel of {fit_id} was never answered")

    def _histories(self) -> None:
        tables = self.world.server.tables
        for fit_id, *_ in tables["fits"]:
            rows = sorted(
                (row for row in tables["fit_events"].values() if row["fit_id"] == fit_id), key=lambda row: row["seq"]
            )
            if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
                self.wrong(f"{fit_id} has events {[row['seq'] for row in rows]}")
            attempts = [row["attempt"] for row in rows]
            if attempts != sorted(attempts):
                self.wrong(f"the events of {fit_id} go back from one attempt to an earlier one: {attempts}")

    def ends(self) -> dict[str, int]:
        """How many fits ended how."""
        rows = self.world.server.tables["fits"].values()
        return dict(Counter(str(row["status"]) for row in rows) + Counter(self.ended.values()))
