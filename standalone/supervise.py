"""Processes as one: started side by side, recorded, guarded, restarted when they end, stopped in order.

What they are is the business of `standalone.stack`; here they are services with a stage. Whatever way this process
ends, nothing it started survives it: a clean stop and the guard stop everything in the same order, and the next start
finds what is left through the records.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from signal import SIGKILL
from types import TracebackType
from typing import Self

import psutil

from standalone.accounts import Account
from standalone.errors import CrashLoop, StandaloneError
from standalone.guard import Guard
from standalone.home import Home, StackRecord
from standalone.program import NEVER, Child, Service
from standalone.records import ProcessRecord, Say, stop_in_order

_WATCH_SECONDS = 0.2
# Before one restart and the next. After the last, what everything leans on is a crash loop; the rest goes on with it.
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
_PULSE_EVERY_SECONDS = 5.0
_CALM_SECONDS = 60.0  # to a process that ran this long, earlier ends are forgiven


class Supervisor:
    """The processes of one data folder, as a context: entering starts the guard, leaving stops everything.

    The caller holds the folder's lock. Only the thread that entered may start services; a thread inside watches them.
    """

    def __init__(
        self,
        home: Home,
        say: Say,
        *,
        pauses: Sequence[float] = _PAUSES_SECONDS,
        pulse_every_seconds: float = _PULSE_EVERY_SECONDS,
        calm_seconds: float = _CALM_SECONDS,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            home: the data folder.
            say: told each line of progress.
            pauses: waits in seconds before one restart of a process and the next.
            pulse_every_seconds: time in seconds between two looks at who beats.
            calm_seconds: time in seconds after which a process that ran so long is forgiven its earlier ends.
            has_room: whether the disk has room; while it has none, no end counts as a crash loop.
        """
        self.home = home
        self._pulse_every_seconds = pulse_every_seconds
        self._has_room = has_room
        self.account: Account | None = None  # of everything that has none of its own
        self.environment: Mapping[str, str] = {}
        self.api_url = ""
        self.say = say
        self._parent = _record_of("tunerd", os.getpid())
        self._kept: dict[str, _Kept] = {}
        self._registry = threading.Lock()
        self._ending = threading.Event()
        self._failed = threading.Event()
        self._pauses, self._calm_seconds = tuple(pauses), calm_seconds
        self._guard_ends = _Ends(self._pauses, calm_seconds)
        self._failure: StandaloneError | None = None
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="pulses", daemon=True)

    def __enter__(self) -> Self:
        self._guard, self._guard_since = Guard(self.home), time.monotonic()
        self._watcher.start()
        self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self._watcher.join()
        self._listener.join()
        stop_in_order(self.records(), self.say)
        for kept in self._kept.values():
            kept.child.reap()
        self._guard.release()
        self.home.record(None)
        self.say("stopped")

    def start(self, *services: Service) -> None:
        """Start services side by side and keep them running from now on.

        Raises:
            StartFailed: one of them did not become ready; the others may run.
        """
        self.side_by_side([partial(self.bring_up, service) for service in services])

    def side_by_side(self, actions: Sequence[Callable[[], None]]) -> None:
        """Run actions in threads; the first error, or Ctrl-C, ends the waiting of all of them."""
        with ThreadPoolExecutor(max_workers=max(1, len(actions))) as pool:
            futures = [pool.submit(action) for action in actions]
            try:
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                self._ending.set()
                raise

    def bring_up(self, service: Service) -> None:
        """Start one service and wait until it is ready; if that fails nothing of it is left.

        Raises:
            StartFailed: it did not become ready.
        """
        started = time.monotonic()
        service.prepare()
        child = Child(service)
        with self._registry:
            kept = self._kept.setdefault(service.name, _Kept(child, _Ends(self._pauses, self._calm_seconds)))
            kept.child, kept.pulse = child, Silence()
            self._guard.watch(child.record)
            self._write_down()
        try:
            child.wait_until_ready(self._ending)
        except BaseException:
            stop_in_order([child.record])
            child.reap()
            raise
        kept.was_ready, kept.ready_at = True, time.monotonic()
        self.say(f"{service.name}: ready after {time.monotonic() - started:.1f} s")

    def wait(self, timeout_seconds: float | None = None) -> None:
        """Block until something goes wrong for good, or the time is over; Ctrl-C ends it as usual.

        Raises:
            CrashLoop: a service ended again and again.
        """
        self._failed.wait(timeout_seconds)
        if self._failure:
            raise self._failure

    def records(self) -> list[ProcessRecord]:
        """The processes that were started, in the order of their start."""
        return [kept.child.record for kept in self._kept.values()]

    def publish(self, environment: Mapping[str, str], api_url: str = "") -> None:
        """Say how to reach the stack, here and in the data folder."""
        self.environment, self.api_url = dict(environment), api_url
        with self._registry:
            self._write_down()

    def _write_down(self) -> None:
        self.home.record(
            StackRecord(
                parent=self._parent,
                guard=self._guard.record,
                children=tuple(self.records()),
                environment=self.environment,
                api_url=self.api_url,
            )
        )

    def _watch(self) -> None:
        while not self._failed.is_set() and not self._ending.wait(_WATCH_SECONDS):
            if not self._guard.is_alive():
                self._renew_guard()
            for kept in list(self._kept.values()):
                if kept.was_ready and kept.child.exit_status is not None:
                    self._revive(kept, kept.child)

    def _listen(self) -> None:
        """End what runs and does not beat, so that it is started again as if it had ended by itself."""
        while not self._failed.is_set() and not self._ending.wait(self._pulse_every_seconds):
            for kept in list(self._kept.values()):
                child, pulse, service = kept.child, kept.pulse, kept.child.service
                if service.beats is None or not kept.was_ready or child.exit_status is not None:
                    continue
                beats: object | None = None
                with contextlib.suppress(Exception):  # whatever a client raises: who cannot be asked is not deaf
                    beats = service.beats(child.record.pid)
                    if beats == NEVER:
                        # It starts, which may take minutes on a loaded machine, but takes processor time.
                        beats = child.work_mark()
                if pulse.lasts(beats, time.monotonic()) > service.deaf_seconds:
                    self.say(f"{service.name}: has not beaten for {service.deaf_seconds:.0f} s, ending it")
                    # Not asked to leave: what is deaf does not hear that either. What it held is given to another.
                    stop_in_order([replace(child.record, stop_signal=SIGKILL, patience_seconds=1.0)])

    def _renew_guard(self) -> None:
        self._guard_ends.pause_after_another(time.monotonic() - self._guard_since)
        if self._guard_ends.is_a_loop and self._has_room():
            self._give_up("guard", self._guard.log_tail())
            return
        self.say("guard: ended, starting another")
        with self._registry:
            self._guard, self._guard_since = Guard(self.home), time.monotonic()
            for record in self.records():
                self._guard.watch(record)
            self._write_down()

    def _revive(self, kept: "_Kept", child: Child) -> None:
        service, now = child.service, time.monotonic()
        if kept.due is None:
            ran = 0.0 if kept.ready_at is None else now - kept.ready_at
            pause = kept.ends.pause_after_another(ran)
            # Without room on the disk an engine cannot start, and can again, by itself, once there is room.
            if kept.ends.is_a_loop and service.is_vital and self._has_room():
                self._give_up(service.name, child.log_tail())
                return
            kept.due = now + pause
            self.say(f"{service.name}: ended with status {child.exit_status}, starting it again in {pause:.1f} s")
        elif now >= kept.due:
            kept.due = kept.ready_at = None
            stop_in_order([child.record])  # its children may have survived it
            with contextlib.suppress(StandaloneError, OSError):  # counts as another end at the next look
                self.bring_up(service)

    def _give_up(self, name: str, last_lines: str) -> None:
        often = f"{name} ended again and again, never after more than {self._calm_seconds:.0f} s, so everything stops."
        self._failure = CrashLoop(f"{often}\n{last_lines}")
        self._failed.set()


class _Ends:
    """How often a process ended lately, and how long to wait before it is started again."""

    def __init__(self, pauses: Sequence[float], calm_seconds: float) -> None:
        self._pauses, self._calm_seconds = pauses, calm_seconds
        self._count = 0

    @property
    def is_a_loop(self) -> bool:
        """Whether it has ended more often in a row than there are pauses."""
        return self._count > len(self._pauses)

    def pause_after_another(self, ran_seconds: float) -> float:
        """Note another end of a process that was ready for so long; the last pause is the longest one."""
        self._count = 1 if ran_seconds >= self._calm_seconds else self._count + 1
        return self._pauses[min(self._count, len(self._pauses)) - 1]


class Silence:
    """How long a process has not beaten, as far as anybody could have heard it.

    Only changes count, and only the clock of whoever listens: no two clocks are compared. A process
    that has never been heard starts, or beats elsewhere.
    """

    def __init__(self) -> None:
        self._last: object | None = None
        self._since: float | None = None

    def lasts(self, beats: object | None, now: float) -> float:
        """Seconds since the beats changed; None for beats says that nobody could be asked, which begins anew."""
        if beats is None:
            self._since = None if self._last is None else now
        elif beats not in (self._last, NEVER):
            self._last, self._since = beats, now
        return 0.0 if self._since is None else now - self._since


class _Kept:
    """A service that is kept running.

    Attributes:
        child: the program's present process, or the last one.
        was_ready: only what was ready once is started again; before that, its end is the caller's business.
        ready_at: moment since which the present process does its work.
        due: moment at which the program is started again; None unless it is waiting for that.
        pulse: what was heard of the present process.
    """

    def __init__(self, child: Child, ends: _Ends) -> None:
        self.child = child
        self.was_ready = False
        self.ready_at: float | None = None
        self.ends = ends
        self.due: float | None = None
        self.pulse = Silence()


def stop_leftovers(recorded: StackRecord | None, strays: Sequence[ProcessRecord], say: Say) -> None:
    """Stop what an earlier run on this folder left behind; its guard, if there is one, goes first."""
    if recorded and recorded.guard and recorded.guard.is_alive():
        say("an earlier run is still stopping, waiting for it")
        deadline = time.monotonic() + sum(record.patience_seconds for record in recorded.children)
        while recorded.guard.is_alive() and time.monotonic() < deadline:
            time.sleep(_WATCH_SECONDS)
    children = recorded.children if recorded else ()
    known = {child.pid for child in children}
    unknown = (stray for stray in strays if stray.pid not in known)
    found = [record for record in (*children, *unknown) if record.is_alive()]
    if found:
        say("an earlier run was interrupted, stopping what it left: " + ", ".join(sorted({r.name for r in found})))
        stop_in_order(found)


def _record_of(name: str, pid: int) -> ProcessRecord:
    return ProcessRecord(name=name, pid=pid, created=psutil.Process(pid).create_time())
