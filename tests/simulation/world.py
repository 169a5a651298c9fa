"""One schedule: engines, workers, upkeep and clients on simulated time, with faults drawn from a seed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

import store.blobs
import worker.attempt
import worker.checkpoints
import worker.deadline
import worker.ends
import worker.hinted
import worker.lease
import worker.progress
import worker.run
import worker.sweep
import worker.upkeep
from api.settings import ApiSettings
from store.classes import WorkerClass
from store.errors import BlobsUnavailable, StoreError
from store.hints import MOST_FITS
from store.repositories import attempts, deletions, moves, repairs
from tests.simulation import training
from tests.simulation.broker import Broker, Queue
from tests.simulation.bucket import Blobs, Bucket, no_answer
from tests.simulation.engine import EPOCH, Change, Server, Transaction, lost_connection
from tests.simulation.scheduler import (
    Draining,
    Process,
    Scheduler,
    SimulatedEvent,
    SimulatedThread,
    SimulatedTimer,
    Task,
    Time,
)
from tests.simulation.session import Database
from worker.resources import Resources
from worker.settings import WorkerSettings

SETTINGS = WorkerSettings(
    device="cuda",  # the budget of memory is not simulated
    lease_seconds=20.0,
    heartbeat_seconds=6.0,
    stall_seconds=30.0,
    progress_every_seconds=3.0,
    checkpoint_every_seconds=4.0,
    upkeep_every_seconds=10.0,
    republish_after_seconds=10.0,
    max_tries=3,
    max_storage_failures=3,
    storage_retry_seconds=2.0,
    max_cancel_seconds=40.0,
    max_run_seconds=400.0,
    sweep_every_seconds=40.0,
    orphan_seconds=150.0,
)
TERMS = ApiSettings(max_waiting_fits=None, fits_kept_seconds=None)
SILENCE_SECONDS = {"database": 11.0, "storage": 20.0, "broker": 5.0}  # until a call over a silent line is given up
PARTIES = tuple(SILENCE_SECONDS)
# Steps of upkeep that have to do with fits; the others have tables that stay empty here.
STEPS = {"lost workers", "overdue fits", "stuck cancels", "expired fits", "checkpoints", "deletions", "announcements"}


@dataclass(eq=False, kw_only=True)
class Cut:
    """A line on which nothing gets through; of one thread of a process, or of all."""

    process: Process
    task: Task | None
    party: str
    until: float
    is_silent: bool


@dataclass(eq=False, kw_only=True)
class Promise:
    """What a client asked for and what it was told.

    Attributes:
        fit_ids: every id that an answer named; more than one is a fault.
        acknowledged: status in the answer to its cancel.
        wants_cancel: whether it ever sent one.
        wants_pause: whether it ever asked for a pause.
        paused_at: when a pause was acknowledged that has not been taken back.
        refused_as: status of the fit when its cancel was refused.
    """

    tenant: str
    signal: int
    seed: int
    steps: int
    key: str
    max_run_seconds: float | None = None
    max_queue_seconds: float | None = None
    fit_ids: list[str] = field(default_factory=list)
    wants_cancel: bool = False
    wants_pause: bool = False
    paused_at: float | None = None
    acknowledged: str | None = None
    refused_as: str | None = None
    deleted: bool = False


class Publisher:
    """Stands for the api's thread that sends hints, now and then one for several fits, as of a batch."""

    def __init__(self, world: "World", queue: Queue) -> None:
        self._world, self._queue = world, queue

    def publish(self, fit_id: str, worker_class: str) -> None:
        world = self._world
        if world.is_crowded:  # as after a batch of which others have taken some
            self._queue.publish(fit_id, WorkerClass(worker_class), world.messages.randint(1, MOST_FITS))
        elif world.is_hurried and world.messages.random() < 0.5:
            world.held_back = min(world.held_back + 1, MOST_FITS - 1)
        else:
            fits, world.held_back = 1 + world.held_back, 0
            self._queue.publish(fit_id, WorkerClass(worker_class), fits)


class World:
    """Everything that there is in one schedule."""

    def __init__(self, seed: int, *, tell: bool = False, is_hurried: bool | None = None) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.scheduler = Scheduler(self.chance)
        if tell:
            self.scheduler.history = []
        self.server = Server(self.scheduler)
        self.server.on_commit = self._committed
        self.bucket = Bucket(self.scheduler)
        self.broker = Broker(self.scheduler)
        # Whether fits come a few at a time, with messages that stand for several; in half of the schedules, and drawn
        # apart, so that the others are as if there were no such messages.
        self.messages = Random(f"messages of {seed}")
        self.is_hurried = self.messages.random() < 0.5 if is_hurried is None else is_hurried
        # And whether these are small ones that come at nearly the same time, so that a worker takes up several at once.
        self.is_crowded = self.is_hurried and self.messages.random() < 0.5
        self.held_back = 0  # fits whose hint is to be one with the next one's
        self.cuts: list[Cut] = []
        self.sleepers: list[Process] = []  # stand still until upkeep is about to miss them
        self.counts: dict[str, int] = {}  # round trips so far, by role
        self.traps: dict[tuple[str, int], Callable[[Process], None]] = {}
        self.processes: dict[str, Process] = {}
        self.promises: list[Promise] = []
        self.commits: list[tuple[float, Task | None, list[Change]]] = []
        self.violations: list[str] = []
        self.faults: dict[str, int] = {}
        self.is_calm = False
        self.clock_was_set = False
        self.trainer = training.Trainer(self.scheduler, self.end_process)
        self.observers: list[Callable[[Transaction, Task | None, list[Change]], None]] = []
        self._lives = 0

    # Lines.

    def _trip(self, process: Process, party: str, what: str, is_down: bool) -> bool:
        """Wait as long as a message takes; whether it gets through."""
        number = self.counts[process.role] = self.counts.get(process.role, 0) + 1
        trap = self.traps.pop((process.role, number), None)
        if trap is not None and not self.is_calm:
            trap(process)
        if self.sleepers and process.role == "upkeep":
            self._wake_who_is_missed()
        self.scheduler.pause(self.chance.uniform(0.0005, 0.006))
        if is_down:
            return False
        cut = self._cut(process, party)
        if cut is None:
            return True
        if cut.is_silent:
            self.scheduler.wait(min(cut.until, self.scheduler.now + SILENCE_SECONDS[party]))
            return self._cut(process, party) is None
        return False

    def _wake_who_is_missed(self) -> None:
        """Upkeep looks for leases that have run out: who is found has its next turn while it is being found."""
        now = self.server.clock()
        overdue = {
            row["worker"]
            for row in self.server.tables["fits"].values()
            if row["lease_until"] is not None and row["lease_until"] < now
        }
        for process in [process for process in self.sleepers if process.name in overdue]:
            self.sleepers.remove(process)
            self.scheduler.thaw(process, after=self.chance.uniform(0.0, 0.03))

    def _cut(self, process: Process, party: str) -> Cut | None:
        if not self.cuts:
            return None
        now, task = self.scheduler.now, self.scheduler.task
        for cut in self.cuts:
            if cut.process is process and cut.party == party and cut.until > now and cut.task in {None, task}:
                return cut
        return None

    def to_database(self, process: Process, what: str) -> None:
        if not self._trip(process, "database", what, self.server.down_until > self.scheduler.now):
            raise lost_connection(f"the database does not answer {what}")

    def to_storage(self, process: Process, what: str) -> None:
        if not self._trip(process, "storage", what, self.bucket.down_until > self.scheduler.now):
            raise no_answer()

    def to_broker(self, process: Process) -> bool:
        return self._trip(process, "broker", "publish", self.broker.down_until > self.scheduler.now)

    def resources(self, process: Process) -> Resources:
        """What a process is given."""
        return Resources(
            settings=SETTINGS,
            database=Database(self.server, process, self.to_database),  # type: ignore[arg-type]
            blobs=Blobs(self.bucket, process, self.to_storage),
            queue=Queue(self.broker, process, self.to_broker),  # type: ignore[arg-type]
        )

    # Processes.

    def start(self, role: str, name: str, *, after: float = 0.0) -> None:
        """Have a worker or upkeep run, again and again."""

        def begin() -> None:
            self._begin(role, name)

        # Not before its time: until then there is nobody who could be killed.
        self.scheduler.spawn(Process(name="fate", role="fate"), begin, after=after)

    def _begin(self, role: str, name: str) -> None:
        self._lives += 1
        rate = 1.0 + self.chance.uniform(-0.005, 0.005)
        process = Process(name=f"{name}.{self._lives}", role=role, rate=rate, skew_seconds=self.chance.uniform(-20, 20))
        self.processes[name] = process
        work = self._work if role == "worker" else self._tend
        self.scheduler.spawn(process, lambda: self._live(process, name, work))

    def _live(self, process: Process, name: str, work: Callable[[Process], None]) -> None:
        try:
            work(process)
        finally:
            self.scheduler.note(f"{process.name} has ended")
            # A machine that vanished with its connections open is noticed by the server's own time-out alone.
            if not process.is_dead or self.chance.random() < 0.7:
                self.server.forget(process)
            self.start(process.role, name, after=self.chance.uniform(0.5, 4.0))

    def _work(self, process: Process) -> None:
        mine = self.resources(process)
        while not process.draining:
            hint = self.broker.take(lambda: self._cut(process, "broker") is None)
            self.scheduler.note(f"{process.name} is woken for {hint}")
            try:
                worker.hinted.run_hinted_fits(mine, hint)
            except (SQLAlchemyError, BlobsUnavailable) as error:  # Celery writes it down and takes the next message
                self.scheduler.note(f"{process.name}: the task failed: {str(error).splitlines()[0]}")

    def _tend(self, process: Process) -> None:
        worker.upkeep.run_upkeep(self.resources(process), SimulatedEvent(self.scheduler))  # type: ignore[arg-type]

    def end_process(self) -> None:
        """`os._exit` of the process whose turn it is."""
        self.scheduler.note(f"{self.scheduler.process.name} ends itself")
        self.scheduler.kill(self.scheduler.process)

    # Requests.

    def ask(self, what: str, work: Callable[[Resources], Any]) -> tuple[str, Any]:
        """Send a request from a client's thread; what came of it: done, refused, failed or silence."""
        scheduler = self.scheduler
        process = Process(name=f"api for {what}", role="api")
        answers: list[tuple[str, Any]] = []

        def serve() -> None:
            try:
                answers.append(("done", work(self.resources(process))))
            except StoreError as error:
                answers.append(("failed" if isinstance(error, BlobsUnavailable) else "refused", error))
            except SQLAlchemyError as error:
                if isinstance(error, IntegrityError):
                    self.violate(f"{what} breaks a constraint, which a client sees as 500: {error.orig}")
                answers.append(("failed", error))
            finally:
                self.server.forget(process)

        self.processes["api"] = process
        task = scheduler.spawn(process, serve)
        give_up = scheduler.now + 45.0
        while not task.is_done and not process.is_dead and scheduler.now < give_up:
            task.waiters.append(scheduler.ticket())
            scheduler.wait(min(give_up, scheduler.now + 5.0))
        answer = answers[0] if answers else ("silence", None)
        scheduler.note(f"{what}: {answer[0]} {str(answer[1]).splitlines()[:1] if answer[0] != 'done' else ''}")
        return answer

    def insist(self, what: str, work: Callable[[Resources], Any]) -> tuple[str, Any]:
        """Send a request until it is answered by yes or no."""
        while True:
            answer = self.ask(what, work)
            if answer[0] in {"done", "refused"}:
                return answer
            self.scheduler.pause(self.chance.uniform(0.5, 5.0))

    # Faults.

    def strike_later(self, after: float, role: str, strike: Callable[[Process], None]) -> None:
        """Have something go wrong at a time, with whoever of that role is there then."""

        def now() -> None:
            victims = [process for process in self.processes.values() if process.role == role and not process.is_dead]
            if victims and not self.is_calm:
                strike(self.chance.choice(victims))

        self.scheduler.spawn(Process(name="fate", role="fate"), now, after=after)

    def calm_down(self) -> None:
        """Every fault is over, and no further one begins."""
        now = self.scheduler.now
        self.scheduler.note("from here on nothing goes wrong")
        self.is_calm = True
        self.cuts.clear()
        self.server.down_until = self.bucket.down_until = self.broker.down_until = min(now, self.server.down_until)
        self.bucket.full_until = min(now, self.bucket.full_until)
        self.broker.is_disorderly = False
        self.sleepers.clear()
        for process in self.processes.values():
            self.scheduler.thaw(process)

    # What is committed.

    def _committed(self, transaction: Transaction, changes: list[Change]) -> None:
        task = self.scheduler.task if self.scheduler.is_simulated() else None
        if self.scheduler.history is not None:
            for table, key, before, after in changes:
                self.scheduler.note(f"{transaction.process.name} commits {table} {key}: {_difference(before, after)}")
        for observe in self.observers:
            observe(transaction, task, changes)

    def violate(self, sentence: str) -> None:
        """Note that something is not as it must be."""
        self.scheduler.note(f"VIOLATION: {sentence}")
        self.violations.append(f"{self.scheduler.now:.3f} s: {sentence}")


def _difference(before: Any, after: Any) -> str:
    if after is None:
        return "gone"
    old = before or {}
    return ", ".join(
        f"{name}={value}"
        for name, value in after.items()
        if name not in {"spec", "updated_at"} and old.get(name) != value
    )


class _Stub:
    """A module with some names of its own."""

    def __init__(self, **names: Any) -> None:
        self.__dict__.update(names)


_current: list[World] = []


def installed(world: World) -> None:
    """Have the service's modules look at this world's clock; see `patched`."""
    _current[:] = [world]
    for known in _pieces:
        known.clear()
    # Writing a line costs more than a statement does, so only what somebody reads is written.
    logging.disable(logging.WARNING if world.scheduler.history is None else logging.INFO)


class _Log(logging.Handler):
    """What the service logs, in the history."""

    def emit(self, record: logging.LogRecord) -> None:
        scheduler = _current[0].scheduler
        who = scheduler.process.name if scheduler.is_simulated() else "?"
        words = self.format(record)
        scheduler.note(f"{who}: {words if record.exc_info else words.splitlines()[0]}")
        if record.exc_info is not None and record.levelno >= logging.ERROR:
            # What the service did not expect, or what the simulation cannot do: neither may pass unseen.
            _current[0].violate(f"{who}: {record.getMessage()}: {record.exc_info[1]!r}")


def _built_once(build: Callable[..., Any]) -> Callable[..., Any]:
    """A piece of a statement, which is the same each time that it is built of the same numbers and words.

    Building SQLAlchemy's trees is most of what a schedule costs. A schedule begins with none of them, so that it is the
    same whatever ran before.
    """
    known: dict[Any, Any] = {}
    _pieces.append(known)

    @wraps(build)
    def built(*given: Any) -> Any:
        if not all(isinstance(one, str | int | float) for one in given):
            return build(*given)
        if given not in known:
            known[given] = build(*given)
        return known[given]

    return built


_pieces: list[dict[Any, Any]] = []


class _Now:
    """Stands for `datetime.datetime` in the sweep."""

    @staticmethod
    def now(zone: Any) -> Any:
        from datetime import timedelta

        scheduler = _current[0].scheduler
        return EPOCH + timedelta(seconds=scheduler.now + scheduler.process.skew_seconds)


def _of_current(name: str) -> Any:
    """A function that is looked up in the world whose turn it is."""
    return lambda *given, **named: getattr(_current[0].trainer, name)(*given, **named)


@contextmanager
def patched() -> Iterator[None]:
    """While it lasts, worker and store take time, threads and training from the simulation.

    These are all the seams: clocks and threads (simulated), and what is between the bytes of a signal and those of a
    result (a chain of hashes). No line of the protocol is replaced.
    """
    clock = _Stub(
        monotonic=lambda: Time(_current[0].scheduler).monotonic(), sleep=lambda s: Time(_current[0].scheduler).sleep(s)
    )
    event = lambda: SimulatedEvent(_current[0].scheduler)  # noqa: E731
    thread = lambda target, **options: SimulatedThread(_current[0].scheduler, target)  # noqa: E731
    draining = _Stub(
        is_set=lambda: Draining(_current[0].scheduler).is_set(), wait=lambda s: Draining(_current[0].scheduler).wait(s)
    )
    names: list[tuple[Any, str, Any]] = [
        (worker.run, "time", clock),
        (worker.run, "draining", draining),
        (worker.run, "worker_name", lambda: _current[0].scheduler.process.name),
        (worker.ends, "draining", draining),
        (worker.attempt, "time", clock),
        (worker.attempt, "end_process", lambda: _current[0].end_process()),
        (worker.attempt, "fit_to_target", _of_current("fit_to_target")),
        (worker.attempt, "read_caged", _of_current("read_caged")),
        (worker.attempt, "ask_from_spec", lambda spec, signal: spec),
        (worker.attempt, "resolved_settings", lambda spec: {"seed": spec.seed}),
        (worker.attempt, "decode", training.decode),
        (worker.attempt, "held", lambda signal: signal),
        (worker.attempt, "file_quality_db", lambda *_: 30.0),
        (worker.attempt, "slope_quality_db", lambda *_: None),
        (worker.attempt, "file_facts", lambda *_: {}),
        (worker.hinted, "time", clock),
        (worker.hinted, "draining", draining),
        (worker.hinted, "LONGEST_SECONDS", 15.0),  # for a few fits, whose steps take half a second
        (worker.deadline, "time", clock),
        (worker.deadline, "Timer", lambda seconds, act: SimulatedTimer(_current[0].scheduler, seconds, act)),
        (worker.lease, "time", clock),
        (worker.lease, "Event", event),
        (worker.lease, "Thread", thread),
        (worker.progress, "time", clock),
        (worker.progress, "draining", draining),
        (worker.checkpoints, "FitState", training.State),
        (worker.sweep, "datetime", _Now),
        (worker.sweep, "drop_expired_uploads", lambda resources: None),
        (worker.sweep, "kept_uploads", lambda resources: set()),
        (worker.upkeep, "time", clock),
        (worker.upkeep, "STEPS", tuple(step for step in worker.upkeep.STEPS if step[0] in STEPS)),
        (worker.upkeep, "SELDOM", (("sweep", worker.sweep.sweep),)),  # of a database that nobody has restored
        (store.blobs, "time", clock),
        (store.blobs, "uuid4", lambda: SimpleNamespace(hex=f"{_current[0].chance.getrandbits(64):x}")),
        (Blobs, "abort_uploads", lambda self, **_: 0),
    ]
    for module in (attempts, deletions, moves, repairs):
        names += [
            (module, name, _built_once(getattr(module, name)))
            for name in ("as_interval", "is_due", "_allowed")
            if hasattr(module, name)
        ]
    defaults = worker.lease.Lease.__init__.__kwdefaults__ or {}
    before = dict(defaults)
    was_off = logging.root.manager.disable
    log = _Log()
    logging.root.addHandler(log)
    patches = [patch.object(target, name, stand_in) for target, name, stand_in in names]
    for one in patches:
        one.start()
    defaults["on_stall"] = lambda: _current[0].end_process()
    try:
        yield
    finally:
        defaults.update(before)
        for one in patches:
            one.stop()
        logging.root.removeHandler(log)
        logging.disable(was_off)
