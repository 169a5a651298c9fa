"""Several small fits at once: the same files as one by one, and whatever befalls one of them is its own."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from store.blobs import BlobStore, sha256_hex
from store.classes import WorkerClass
from store.database import Database
from store.errors import BlobMissing, BlobsUnavailable, LeaseLost
from store.keys import representation_key, signal_key
from store.logs import JsonFormatter
from store.models import Fit, FitAttempt
from store.queue import FitQueue
from store.repositories.fits import Claim, Fits
from store.repositories.quotas import Quotas
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.factories import add_fit, claim, upload_signal
from tuner.signal.image import write_image
from tuner.signal.signal import SampleFormat, Signal
from tuner.targets.search import fit_to_target
from worker import attempt
from worker.attempt import Attempt
from worker.drain import draining
from worker.lease import Lease
from worker.reading import SignalTooCostly, read_caged
from worker.resources import Resources
from worker.run import run_next_fit, run_next_fits
from worker.settings import WorkerSettings

SMALL = FitSpec.model_validate({"target": {"psnr_db": 25}})
LARGE = FitSpec.model_validate({"max_steps": 3, "network": {"frequencies": 16, "hidden": [8]}})
FITS = 4
DONE, AGAIN = (FitStatus.SUCCEEDED, 1), (FitStatus.QUEUED, 0)


def picture(number: int) -> bytes:
    """An upload of its own: 24 x 24, RGB."""
    y, x = np.mgrid[0:24, 0:24] / 24
    values = np.stack([(x + number / 9) % 1, y, (x * y + number / 7) % 1], axis=-1).astype(np.float32)
    return write_image(Signal(values=values, sample_format=SampleFormat.U8))


class Corner:
    """One worker, what it works on, and fits of it that wait."""

    def __init__(self, database: Database, blobs: BlobStore, queue: FitQueue) -> None:
        self.database, self.blobs = database, blobs
        settings = WorkerSettings(device="cpu", fits_at_once=FITS)
        self.resources = Resources(settings=settings, database=database, blobs=blobs, queue=queue)

    def with_settings(self, **settings: Any) -> Resources:
        return replace(self.resources, settings=self.resources.settings.model_copy(update=settings))

    def upload(self, content: bytes, tenant: str = "local") -> str:
        return upload_signal(self.database, self.blobs, content, {"shape": [24, 24], "channels": 3}, tenant)

    def add(self, numbers: int = FITS, *, tenant: str = "local", spec: FitSpec = SMALL) -> list[str]:
        """Fits of so many pictures, in the order in which they are claimed."""
        return [
            add_fit(self.database, tenant, signal_id=self.upload(picture(number), tenant), spec=spec)
            for number in range(numbers)
        ]

    def run(self, resources: Resources | None = None) -> list[str]:
        """Have the worker run what goes together; the ids."""
        claimed = run_next_fits(resources or self.resources, most=FITS)
        return [one.claim.fit_id for one in claimed]

    def fit(self, fit_id: str) -> Fit:
        with self.database.unit_of_work() as session:
            return session.get_one(Fit, fit_id)

    def state(self, fit_ids: list[str]) -> list[tuple[FitStatus, int]]:
        """Status and tries."""
        return [(fit.status, fit.tries) for fit in map(self.fit, fit_ids)]

    def ends(self, fit_id: str) -> list[str | None]:
        """How the attempts at a fit ended."""
        with self.database.unit_of_work() as session:
            query = select(FitAttempt.ended_as).where(FitAttempt.fit_id == fit_id).order_by(FitAttempt.attempt)
            return list(session.scalars(query))

    def file(self, fit_id: str) -> bytes:
        row = self.fit(fit_id).representation
        assert row is not None
        return self.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """The reader of pictures takes seconds to start, which are the first fit's."""
    read_caged(picture(0), WorkerSettings(device="cpu"))


@pytest.fixture
def corner(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Corner]:
    with closing(FitQueue(store_settings)) as queue:
        queue.clear(WorkerClass.ANY)
        yield Corner(database, blobs, queue)
    draining.clear()


def before_training(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], object]) -> None:
    """Have something happen as a fit begins to be trained, told how many have before; what it raises ends training."""
    begun = 0

    def train(*given: Any, **named: Any) -> Any:
        nonlocal begun
        begun += 1
        act(begun - 1)
        return fit_to_target(*given, **named)

    monkeypatch.setattr("worker.attempt.fit_to_target", train)


def test_several_have_the_bytes_of_one_by_one(corner: Corner) -> None:
    alone = corner.add()
    for fit_id in alone:
        assert run_next_fit(corner.resources) == fit_id
    some = corner.add()
    assert corner.run() == some
    assert corner.state(some) == [DONE] * FITS
    assert [corner.file(fit_id) for fit_id in some] == [corner.file(fit_id) for fit_id in alone]


def test_their_claims_are_one_transaction_and_so_are_their_ends(corner: Corner) -> None:
    some = corner.add()
    begun: list[list[str]] = []
    engine = corner.database.engine

    def begin(_connection: Any) -> None:
        begun.append([])

    def note(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if begun:
            begun[-1].append(sql)

    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", note)
    quiet = corner.with_settings(heartbeat_seconds=600.0, progress_every_seconds=600.0)
    assert corner.run(quiet) == some
    event.remove(engine, "begin", begin)
    event.remove(engine, "before_cursor_execute", note)
    # A question in no transaction begins none for the server, though SQLAlchemy says that it does.
    writing = [unit for unit in begun if any(sql.startswith(("UPDATE", "INSERT", "WITH")) for sql in unit)]
    assert len(writing) == 2
    claims, ends = writing
    assert [sum("UPDATE fits" in sql for sql in unit) for unit in writing] == [FITS, FITS]
    assert sum("pg_advisory_xact_lock" in sql for sql in claims) == 1
    assert not any("pg_advisory_xact_lock" in sql for sql in ends)
    assert sum("FOR UPDATE" in sql for sql in ends) == 1


def test_stages_take_turns(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are read before the first is fitted, and all are fitted before the first is stored."""
    seen: list[str] = []
    for name in ("read_caged", "fit_to_target", "decode"):
        real = getattr(attempt, name)

        def note(*given: Any, _name: str = name, _real: Any = real, **named: Any) -> Any:
            seen.append(_name)
            return _real(*given, **named)

        monkeypatch.setattr(attempt, name, note)
    corner.add()
    corner.run()
    assert seen == ["read_caged"] * FITS + ["fit_to_target"] * FITS + ["decode"] * FITS


def test_each_is_named_in_its_own_lines_and_has_its_own_place_in_a_trace(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each stage, though others are worked on in between."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("store.tracing._provider", provider)
    seen: list[tuple[str, str]] = []
    for name in ("read_caged", "fit_to_target", "decode"):
        real = getattr(attempt, name)

        def note(*given: Any, _real: Any = real, **named: Any) -> Any:
            line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "here"})))
            seen.append((line["fit_id"], line["trace_id"]))
            return _real(*given, **named)

        monkeypatch.setattr(attempt, name, note)
    some = corner.add()
    corner.run()
    assert [fit_id for fit_id, _ in seen] == some * 3
    assert len(dict(seen)) == len(set(seen)) == len({trace for _, trace in seen}) == FITS
    spans = [span for span in exporter.get_finished_spans() if span.name == "fit"]
    told = {(str((span.attributes or {})["tuner.fit_id"]), f"{span.context.trace_id:032x}") for span in spans}
    assert told == set(seen)
    assert len(spans) == FITS
    line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "there"})))
    assert not {"fit_id", "trace_id"} & line.keys()


def test_one_whose_signal_is_damaged_fails_by_itself(corner: Corner) -> None:
    some = corner.add()
    corner.blobs.put(signal_key("local", sha256_hex(picture(1))), b"something else")
    assert corner.run() == some
    assert corner.state(some) == [DONE, (FitStatus.FAILED, 1), DONE, DONE]
    assert corner.fit(some[1]).error_code == "blob_damaged"


def test_one_that_costs_too_much_to_read_fails_by_itself(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    some = corner.add()

    def costly(content: bytes, *given: Any, **named: Any) -> Any:
        if content == picture(2):
            raise SignalTooCostly("more than there is")
        return read_caged(content, *given, **named)

    monkeypatch.setattr(attempt, "read_caged", costly)
    corner.run()
    assert corner.state(some) == [DONE, DONE, (FitStatus.FAILED, 1), DONE]
    assert corner.fit(some[2]).error_code == "signal_too_costly"


def test_one_that_fails_in_a_way_that_nobody_knows_fails_by_itself(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(begun: int) -> None:
        if begun == 0:
            raise ZeroDivisionError

    before_training(monkeypatch, fail)
    some = corner.add()
    corner.run()
    assert corner.state(some) == [(FitStatus.FAILED, 1), DONE, DONE, DONE]


@pytest.mark.parametrize("beat_seconds", [0.05, 4.0])
def test_one_that_is_cancelled_ends_by_itself(
    corner: Corner, monkeypatch: pytest.MonkeyPatch, beat_seconds: float
) -> None:
    """Whether it hears of it while it waits for its turn, or with the last move, which the others' must survive."""
    some = corner.add()

    def cancel(begun: int) -> None:
        if begun == 0:
            with corner.database.unit_of_work() as session:
                Fits(session).request_cancel("local", some[2])
            time.sleep(8 * beat_seconds if beat_seconds < 1 else 0)

    before_training(monkeypatch, cancel)
    corner.run(corner.with_settings(heartbeat_seconds=beat_seconds))
    assert corner.state(some) == [DONE, DONE, (FitStatus.CANCELLED, 1), DONE]
    assert corner.ends(some[2]) == ["cancelled"]
    with pytest.raises(BlobMissing):
        corner.blobs.read(representation_key(some[2], 1))


def test_one_that_is_paused_is_handed_back_by_itself(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not begun, so that there is nothing to save of it."""
    some, begun_so_far = corner.add(), list[int]()

    def pause(begun: int) -> None:
        begun_so_far.append(begun)
        if begun == 0:
            with corner.database.unit_of_work() as session:
                Fits(session).request_pause("local", some[3])
            time.sleep(0.5)

    before_training(monkeypatch, pause)
    corner.run(corner.with_settings(heartbeat_seconds=0.05))
    assert corner.state(some) == [DONE, DONE, DONE, (FitStatus.PAUSED, 0)]
    assert begun_so_far == [0, 1, 2]


def test_who_is_to_leave_hands_back_what_is_not_fitted(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    before_training(monkeypatch, lambda begun: draining.set() if begun == 1 else None)
    some = corner.add()
    corner.run()
    # The second has no step yet that would hear of it, or saves it and is handed back; the first was fitted by then.
    first, _, *others = corner.state(some)
    assert first == DONE
    assert others == [AGAIN, AGAIN]
    assert corner.ends(some[3]) == ["drained"]


def test_one_whose_lease_is_lost_leaves_the_others(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker has it by then, and its own words about it stand."""
    some = corner.add()

    def lose(begun: int) -> None:
        if begun == 0:
            with corner.database.unit_of_work() as session:
                Fits(session).release(Claim(some[1], 1))
            assert claim(corner.database, "another").claim == Claim(some[1], 2)

    before_training(monkeypatch, lose)
    corner.run()
    assert corner.state(some) == [DONE, (FitStatus.RUNNING, 1), DONE, DONE]
    assert corner.fit(some[1]).worker == "another"


def test_one_whose_lease_was_lost_while_it_waited_is_not_fitted(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, begun = corner.add(2), list[str]()

    def look(number: int) -> None:
        if number == 0:
            with corner.database.unit_of_work() as session:
                Fits(session).fail(Claim(some[1], 1), code="internal", message="given up by somebody else")
            time.sleep(0.5)
        begun.append(some[number])

    before_training(monkeypatch, look)
    corner.run(corner.with_settings(heartbeat_seconds=0.05))
    assert begun == some[:1]
    assert corner.state(some) == [DONE, (FitStatus.FAILED, 1)]


def test_a_lease_that_was_lost_before_the_file_is_stored_leaves_no_object(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = corner.add(2)

    def lose(begun: int) -> None:
        if begun == 1:  # the first has been fitted
            with corner.database.unit_of_work() as session:
                Fits(session).fail(Claim(some[0], 1), code="internal", message="given up by somebody else")
            time.sleep(0.5)

    before_training(monkeypatch, lose)
    corner.run(corner.with_settings(heartbeat_seconds=0.05))
    assert corner.state(some) == [(FitStatus.FAILED, 1), DONE]
    with pytest.raises(BlobMissing):
        corner.blobs.read(representation_key(some[0], 1))


def test_ends_that_cannot_be_written_together_are_written_one_by_one(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of them does not fit into the quota of its tenant, it alone fails."""
    some = corner.add()
    corner.run()
    with corner.database.unit_of_work() as session:
        used = Quotas(session).usage("local").counted
    room = sum(len(corner.file(fit_id)) for fit_id in some[:3])
    again = corner.add()
    corner.run(replace(corner.resources, max_stored_bytes=used + room))
    assert corner.state(again) == [DONE, DONE, DONE, (FitStatus.FAILED, 1)]
    assert corner.fit(again[3]).error_code == "storage_full"


@pytest.mark.parametrize("failures", [1, 2])
def test_a_database_that_is_away_for_the_ends_costs_nobody_anything(
    corner: Corner, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    some, left = corner.add(), failures
    succeed = Fits.succeed

    def fail(self: Fits, held: Claim, **named: Any) -> None:
        nonlocal left
        succeed(self, held, **named)
        if held.fit_id == some[2] and left:
            left -= 1
            raise OperationalError("…", {}, Exception("the line is cut"))

    monkeypatch.setattr(Fits, "succeed", fail)
    corner.run()
    assert left == 0
    assert corner.state(some) == [DONE] * FITS


def test_a_database_that_is_away_for_longer_than_a_lease_costs_no_tries(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is heard of the worker meanwhile; it says itself, as soon as it can, that it was cut off."""
    some = corner.add(2)
    unit_of_work, back = corner.database.unit_of_work, Event()

    def away(*given: Any) -> Any:
        if not back.is_set():
            raise OperationalError("…", {}, Exception("the database is away"))
        return unit_of_work(*given)

    def cut(begun: int) -> None:
        if begun == 1:
            monkeypatch.setattr(corner.database, "unit_of_work", away)

    before_training(monkeypatch, cut)
    excuse = Attempt.excuse

    def comes_back(self: Attempt) -> None:
        back.set()
        excuse(self)

    monkeypatch.setattr(Attempt, "excuse", comes_back)
    corner.run(corner.with_settings(lease_seconds=1.5, heartbeat_seconds=0.3))
    assert corner.state(some) == [AGAIN, AGAIN]
    assert [corner.ends(fit_id) for fit_id in some] == [["cut_off"]] * 2


def test_an_outage_of_storage_costs_one_attempt(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    some, read, asked = corner.add(), corner.blobs.read, list[str]()

    def away(key: str, **named: Any) -> bytes:
        asked.append(key)
        if len(asked) == 2:
            raise BlobsUnavailable("away")
        return read(key, **named)

    monkeypatch.setattr(corner.blobs, "read", away)
    corner.run(corner.with_settings(storage_retry_seconds=0.01))
    assert len(asked) == 2
    assert corner.state(some) == [AGAIN] * FITS
    assert [corner.ends(fit_id) for fit_id in some] == [["drained"], ["failed"], ["drained"], ["drained"]]


@pytest.mark.parametrize("code", ["out_of_memory", "out_of_time"])
def test_one_that_takes_too_much_and_ends_the_process_costs_the_others_nothing(
    corner: Corner, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Whoever is being worked on is charged."""
    ended, some, hoard = Event(), corner.add(), list[bytearray]()

    def greedy(begun: int) -> None:
        if begun == 1:
            if code == "out_of_memory":
                hoard.append(bytearray(b"x" * (96 << 20)))
            assert ended.wait(60)  # in earnest the process ends here
            hoard.clear()
            raise LeaseLost("the fit has failed by now")

    before_training(monkeypatch, greedy)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    limits: dict[str, Any] = {"fit_memory_bytes": 64 << 20} if code == "out_of_memory" else {"fit_seconds": 2.0}
    corner.run(corner.with_settings(**limits))
    assert corner.fit(some[1]).error_code == code
    assert corner.state(some)[1] == (FitStatus.FAILED, 1)
    assert [corner.state([fit_id])[0] for fit_id in (some[0], some[2], some[3])] == [AGAIN] * 3


def test_the_time_of_others_is_not_ones_own(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    before_training(monkeypatch, lambda begun: time.sleep(2.0) if begun < 2 else None)
    some = corner.add(3)
    assert corner.run(corner.with_settings(fit_seconds=3.5)) == some
    assert corner.state(some) == [DONE] * 3
    assert not ended.is_set()


def test_the_time_of_all_stages_is_ones_own(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of two stages is too long, and both together are."""
    ended = Event()

    def slow(*given: Any, **named: Any) -> Any:
        time.sleep(2.0)
        return read_caged(*given, **named)

    def slow_again(begun: int) -> None:
        if begun == 0:
            assert ended.wait(2.5)
            raise LeaseLost("the fit has failed by now")

    monkeypatch.setattr("worker.attempt.read_caged", slow)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    before_training(monkeypatch, slow_again)
    (fit_id,) = corner.add(1)
    corner.run(corner.with_settings(fit_seconds=3.0))
    assert corner.fit(fit_id).error_code == "out_of_time"


def test_one_that_hangs_costs_the_others_nothing(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait for their turn make no step for as long, and do not hang for that."""
    ended, some = Event(), corner.add()

    def hang(begun: int) -> None:
        if begun == 2:
            assert ended.wait(60)
            raise LeaseLost("the fit has been given up by now")

    before_training(monkeypatch, hang)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    corner.run(corner.with_settings(heartbeat_seconds=0.1, stall_seconds=2.0))
    assert corner.state(some) == [AGAIN] * FITS
    assert [corner.ends(fit_id) for fit_id in some] == [["drained"], ["drained"], ["hung"], ["drained"]]


def test_a_gpu_that_broke_costs_the_others_nothing(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, some = Event(), corner.add()

    def broken(begun: int) -> None:
        if begun == 0:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    before_training(monkeypatch, broken)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    corner.run()
    assert ended.is_set()
    assert corner.state(some) == [AGAIN] * FITS
    assert [corner.ends(fit_id) for fit_id in some] == [["failed"], ["drained"], ["drained"], ["drained"]]


def test_what_was_tried_before_goes_alone(corner: Corner) -> None:
    """One that killed its process may do so again."""
    some = corner.add()
    with corner.database.unit_of_work() as session:
        fits = Fits(session)
        for claimed in [fits.claim_next("one that dies", lease_seconds=60.0) for _ in range(2)]:
            assert claimed is not None
            fits.release(claimed.claim)
    assert corner.run() == some[:1]
    assert corner.run() == some[1:2]
    assert corner.run() == some[2:]
    assert corner.state(some) == [DONE] * FITS


def test_a_tenant_that_may_have_one_has_one(corner: Corner) -> None:
    ours, theirs = corner.add(2), corner.add(2, tenant="another")
    one_each = corner.with_settings(max_running_per_tenant=1)
    assert {*corner.run(one_each)} == {ours[0], theirs[0]}
    assert {*corner.run(one_each)} == {ours[1], theirs[1]}
    assert corner.state(ours + theirs) == [DONE] * 4


def test_what_is_large_is_claimed_by_itself(corner: Corner) -> None:
    """And what comes behind it waits, since it is its turn."""
    some = corner.add(2)
    large = corner.add(1, spec=LARGE)
    others = corner.add(2)
    assert [corner.run() for _ in range(3)] == [some, large, others]
    assert corner.state(some + large + others) == [DONE] * 5


def test_what_nobody_foresaw_in_one_costs_the_others_nothing(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(begun: int) -> None:
        if begun == 1:
            raise SystemExit

    before_training(monkeypatch, leave)
    some = corner.add()
    with pytest.raises(SystemExit):
        corner.run()
    assert corner.state(some) == [AGAIN, (FitStatus.RUNNING, 1), AGAIN, AGAIN]


def test_where_one_cannot_be_held_none_is_held_for_ever(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have no thread left for the third lease: the first two must not go on without anybody at work."""
    enter, entered = Lease.__enter__, list[Lease]()

    def refuse(self: Lease) -> Lease:
        if len(entered) == 2:
            raise RuntimeError("can't start new thread")
        entered.append(self)
        return enter(self)

    monkeypatch.setattr(Lease, "__enter__", refuse)
    some = corner.add()
    with pytest.raises(RuntimeError, match="new thread"):
        corner.run()
    assert not {f"lease-{fit_id}" for fit_id in some} & {thread.name for thread in threading.enumerate()}


def test_as_many_places_are_announced_as_came_free(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of those who waited for a place were used up meanwhile."""
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(
        corner.resources.queue, "publish", lambda fit_id, worker_class, fits=1: told.append((worker_class, fits))
    )
    corner.add(3)
    corner.add(1, tenant="another")
    assert len(corner.run(corner.with_settings(max_running_per_tenant=2))) == 3
    assert told == [(WorkerClass.ANY, 2)]  # the other tenant has nothing left that waits
