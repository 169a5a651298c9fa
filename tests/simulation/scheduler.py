"""Simulated time, and processes whose threads take turns at it: one real thread, one order of events for each seed.

A thread of a simulated process is a greenlet. It runs until it waits for something (time, a lock, an event, an answer),
and whoever is due next goes on. So code that was written for threads and clocks runs unchanged, as often as wished.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

FOREVER = 1e12


class ProcessDead(GreenletExit):
    """Ends what a killed process was doing; nothing that its code does about it has any effect."""


@dataclass(eq=False, kw_only=True)
class Process:
    """One simulated process.

    Attributes:
        name: what the history calls it.
        role: one of worker, upkeep, client.
        frozen_until: time at which it goes on, if somebody stopped it.
        rate: seconds of its own monotonic clock in a second of true time.
        skew_seconds: how far its wall clock is ahead.
        draining: whether it was told to leave.
        tasks: its threads that have not ended.
        late: threads that were due while it stood still.
    """

    name: str
    role: str
    is_dead: bool = False
    frozen_until: float = 0.0
    rate: float = 1.0
    skew_seconds: float = 0.0
    draining: bool = False
    tasks: set["Task"] = field(default_factory=set)
    late: list["Ticket"] = field(default_factory=list)


class Task:
    """A thread of a simulated process."""

    def __init__(self, process: Process, body: Callable[[], None], parent: greenlet) -> None:
        self.process = process
        self.turn = 0  # number of the wait that it is in: a wake-up for an earlier one comes too late
        self.is_done = False
        self.only_waits = False  # for a time to come, and has no line to anybody
        self.waiters: list[tuple[Task, int]] = []
        self.greenlet = greenlet(body, parent)


Ticket = tuple[Task, int]


class Scheduler:
    """Who runs when. All that happens by chance is drawn from one source."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.now = 0.0
        self.history: list[str] | None = None
        self._line: list[tuple[float, int, Task, int]] = []
        self._numbers = itertools.count()
        self._hub = getcurrent()
        self._of: dict[greenlet, Task] = {}
        self._dying: list[Process] = []
        self.failure: BaseException | None = None

    # For the world.

    def spawn(self, process: Process, work: Callable[[], object], *, after: float = 0.0) -> Task:
        """Begin a thread of a process."""

        def body() -> None:
            try:
                work()
            except ProcessDead:
                pass
            except BaseException as error:
                # No code of the service lets an error out of its process: that is a fault of the simulation or of both.
                self.failure = self.failure or error
            finally:
                task.is_done = True
                process.tasks.discard(task)
                del self._of[task.greenlet]
                for waiter, turn in task.waiters:
                    self._push(self.now, waiter, turn)

        task = Task(process, body, self._hub)
        self._of[task.greenlet] = task
        process.tasks.add(task)
        self._push(self.now + after, task, task.turn)
        return task

    def run(self, until: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Let everybody go on until a time, or until something is so."""
        while self._line and self.failure is None:
            when, _, task, turn = self._line[0]
            if when > until or is_over():
                break
            heapq.heappop(self._line)
            if task.is_done or turn != task.turn:
                continue
            process = task.process
            if process.is_dead:
                continue
            if process.frozen_until > when:
                self._push(process.frozen_until, task, turn)
                process.late.append((task, turn))
                continue
            self.now = max(self.now, when)
            task.greenlet.switch()
            if self._dying:
                self._bury()
        if self.failure is not None:
            raise self.failure
        self.now = max(self.now, min(until, FOREVER)) if not is_over() else self.now

    def kill(self, process: Process) -> None:
        """End a process where it stands.

        Raises:
            ProcessDead: if it is the caller's own.
        """
        process.is_dead = True
        self._dying.append(process)
        mine = self._of.get(getcurrent())
        if mine is None:
            self._bury()
        elif mine.process is process:
            raise ProcessDead

    def thaw(self, process: Process, *, after: float = 0.0) -> None:
        """Let a process go on that stands still, with what it is late with."""
        process.frozen_until = min(process.frozen_until, self.now + after)
        late, process.late = process.late, []
        for task, turn in late:
            self._push(process.frozen_until, task, turn)

    def _bury(self) -> None:
        """Unwind the threads of the dead; only the hub can, since they end where they were begun."""
        while self._dying:
            for task in list(self._dying.pop().tasks):
                if task.greenlet:
                    task.greenlet.throw(ProcessDead)
                else:  # never begun
                    task.is_done = True
                    task.process.tasks.discard(task)
                    self._of.pop(task.greenlet, None)

    def note(self, sentence: str) -> None:
        """Write down what happens, if somebody wants to read it."""
        if self.history is not None:
            self.history.append(f"{self.now:9.3f}  {sentence}")

    # For simulated code, which may be anything that the service does.

    @property
    def task(self) -> Task:
        """Whose turn it is."""
        return self._of[getcurrent()]

    @property
    def process(self) -> Process:
        """The process whose turn it is."""
        return self._of[getcurrent()].process

    def is_simulated(self) -> bool:
        """Whether the caller is a simulated thread, and not the world around them."""
        return getcurrent() in self._of

    def pause(self, seconds: float) -> None:
        """Wait."""
        self.wait(self.now + seconds)

    def wait(self, until: float = FOREVER) -> None:
        """Wait to be woken, or until a time."""
        task = self.task
        if task.process.is_dead:
            raise ProcessDead
        if task.greenlet.parent is not self._hub:
            raise RuntimeError("a thread of the simulation waits inside of another one")
        task.turn += 1
        if until < FOREVER:
            self._push(until, task, task.turn)
        self._hub.switch()
        if task.process.is_dead:
            raise ProcessDead

    def ticket(self) -> Ticket:
        """What wakes the current thread from the wait that it begins next, and from no later one."""
        task = self.task
        return task, task.turn + 1

    def wake(self, ticket: Ticket) -> None:
        """Let one that waits go on."""
        self._push(self.now, *ticket)

    def _push(self, when: float, task: Task, turn: int) -> None:
        heapq.heappush(self._line, (when, next(self._numbers), task, turn))


class Time:
    """Stands for the module `time` in code under simulation; each process has a clock of its own."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        return self._scheduler.now * self._scheduler.process.rate

    def sleep(self, seconds: float) -> None:
        self._scheduler.pause(seconds / self._scheduler.process.rate)


class SimulatedEvent:
    """Stands for `threading.Event`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False
        self._waiting: list[Ticket] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for ticket in waiting:
            self._scheduler.wake(ticket)

    def wait(self, timeout: float | None = None) -> bool:
        if self._is_set or (timeout is not None and timeout <= 0):
            return self._is_set
        scheduler = self._scheduler
        ticket = scheduler.ticket()
        self._waiting.append(ticket)
        rate = ticket[0].process.rate
        scheduler.wait(FOREVER if timeout is None else scheduler.now + timeout / rate)
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        return self._is_set


class SimulatedThread:
    """Stands for `threading.Thread`: a thread of the process that starts it."""

    def __init__(self, scheduler: Scheduler, target: Callable[[], object], **_: Any) -> None:
        self._scheduler = scheduler
        self._target = target
        self._task: Task | None = None

    def start(self) -> Task:
        self._task = self._scheduler.spawn(self._scheduler.process, self._target)
        return self._task

    def join(self, timeout: float | None = None) -> None:
        task = self._task
        while task is not None and not task.is_done and not self._scheduler.process.is_dead:
            task.waiters.append(self._scheduler.ticket())
            self._scheduler.wait()


class SimulatedTimer:
    """Stands for `threading.Timer`."""

    def __init__(self, scheduler: Scheduler, seconds: float, act: Callable[[], object]) -> None:
        self._seconds = seconds
        self._act = act
        self._cancelled = SimulatedEvent(scheduler)
        self._thread = SimulatedThread(scheduler, self._run)

    def start(self) -> None:
        self._thread.start().only_waits = True

    def cancel(self) -> None:
        self._cancelled.set()

    def _run(self) -> None:
        if not self._cancelled.wait(self._seconds):
            self._act()


class Draining:
    """Stands for `worker.drain.draining`, of which each process has one."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def is_set(self) -> bool:
        return self._scheduler.process.draining

    def wait(self, timeout: float) -> bool:
        until = self._scheduler.now + timeout
        while not self.is_set() and self._scheduler.now < until:
            self._scheduler.wait(min(until, self._scheduler.now + 0.5))
        return self.is_set()
