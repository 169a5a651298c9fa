"""A broker in memory, whose messages are lost, doubled and overtaken."""

from collections.abc import Callable, Sequence

from store.classes import WorkerClass
from store.hints import Hint
from tests.simulation.scheduler import Process, Scheduler, Ticket

Reach = Callable[[Process], bool]  # whether a call gets through, after waiting for as long as it is waited for


class Broker:
    """Hints, and who waits for one."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.hints: list[Hint] = []
        self.waiting: list[Ticket] = []
        self.down_until = 0.0
        self.is_disorderly = True

    def put(self, hint: Hint) -> None:
        """Take a hint, as brokers do at their worst."""
        chance = self.scheduler.chance
        drawn = chance.random() if self.is_disorderly else 1.0
        if drawn < 0.05:
            self.scheduler.note(f"the hint of {hint.fit_id} is lost")
            return
        self.hints.insert(chance.randint(0, len(self.hints)) if self.is_disorderly else len(self.hints), hint)
        if drawn < 0.1:
            self.hints.append(hint)
        waiting, self.waiting = self.waiting, []
        for ticket in waiting:
            self.scheduler.wake(ticket)

    def take(self, reach: Callable[[], bool]) -> Hint:
        """The next hint, which from then on is nowhere but with its taker."""
        while True:
            if self.scheduler.now >= self.down_until and self.hints and reach():
                return self.hints.pop(0)
            self.waiting.append(self.scheduler.ticket())
            self.scheduler.wait(self.scheduler.now + 5.0)

    def lose_all(self, seconds: float) -> None:
        """Start anew with nothing."""
        self.hints.clear()
        self.down_until = self.scheduler.now + seconds


class Queue:
    """Stands for `store.queue.FitQueue` in one process."""

    def __init__(self, broker: Broker, process: Process, reach: Reach) -> None:
        self._broker = broker
        self._process = process
        self._reach = reach

    def publish(self, fit_id: str, worker_class: WorkerClass = WorkerClass.ANY, fits: int = 1) -> bool:
        return self.publish_all([Hint(fit_id, worker_class, fits)])

    def publish_all(self, hints: Sequence[Hint]) -> bool:
        if not self._reach(self._process):
            return False
        for hint in hints:
            assert hint.worker_class is WorkerClass.ANY, "fits of other classes are not simulated"
            self._broker.put(hint)
        return True

    def publish_view(self, render_id: str) -> bool:
        return True

    def length(self, worker_class: WorkerClass = WorkerClass.ANY) -> int | None:
        assert worker_class is WorkerClass.ANY, "fits of other classes are not simulated"
        return len(self._broker.hints) if self._reach(self._process) else None
