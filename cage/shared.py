"""Small files of one owner, read by one child after the other where it is known what a child of their own would say.

To fork a child costs ten times what reading a small file does. But a file may take the process over that reads it, and
with it all answers that follow. So an answer counts only if its digest is the one that was found when the file was read
in a child of its own. Whatever else a shared child says or does ends it, and whoever asks has the file read in a child
of its own, as if there were no shared ones: a file cannot change what is read of another, nor have it refused.

A child has files of one owner only, since it could look at all that it has read. Processor time and memory of one file
are its budget for all that it reads.
"""

import hashlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from cage.keeper import Keeper
from cage.limits import CageError, OverBudget
from cage.nursery import LENGTH_BYTES
from cage.patience import Patience

MOST_FILES: Final = 64  # that one child reads
IDLE_SECONDS: Final = 5.0  # after which nothing of an owner stays in memory
MOST_SECONDS: Final = 10.0  # that an answer is waited for; a child of its own has all the time of a file
_MOST_BYTES: Final = 1 << 20  # of a file, and of its answer

logger = logging.getLogger(__name__)


class SharedChild:
    """Has files read by a child that has read others of their owner; there is one at a time, and one file at a time."""

    def __init__(self, keeper: Keeper) -> None:
        """Nothing is started before `ask`.

        Args:
            keeper: has the children forked, and says what each may use.
        """
        self._keeper = keeper
        self._lock = threading.Lock()
        self._reader: _Reader | None = None

    def ask(
        self,
        owner: str,
        content: bytes,
        request: dict[str, Any],
        sha256: str,
        heed: Callable[[], None] = lambda: None,
    ) -> memoryview | None:
        """Have a small file read.

        Args:
            owner: whose file it is; another's ends the child and begins a new one, as another request does.
            content: the file.
            request: whatever the module wants to know, as JSON of at most some 4000 bytes.
            sha256: digest, hexadecimal, of the answer that a child of its own gave.
            heed: called several times a second; what it raises ends the reading, and the child.

        Returns:
            The answer, whose digest is that one. None for whatever else became of it: then the keeper is to be asked.
        """
        if len(content) > _MOST_BYTES or not self._lock.acquire(blocking=False):
            return None
        try:
            return self._ask((owner, request), content, sha256, heed)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, purpose: "_Purpose", content: bytes, sha256: str, heed: Callable[[], None]) -> memoryview | None:
        goes_on = False
        try:
            reader = self._reader_for(purpose, heed)
            answer = reader.read(content, heed)
            if hashlib.sha256(answer).hexdigest() != sha256:
                raise OverBudget("its answer has another digest")
            goes_on = reader.files < MOST_FILES
            return answer
        except (CageError, OSError) as error:
            logger.info("a file is read again in a child of its own, the shared one did not do: %s", error)
            return None
        finally:
            if not goes_on:
                self._end()

    def _reader_for(self, purpose: "_Purpose", heed: Callable[[], None]) -> "_Reader":
        if self._reader is None or self._reader.purpose != purpose:
            self._end()
            self._reader = _Reader(self._keeper, purpose, heed)
            try:
                threading.Thread(target=self._watch, args=(self._reader,), daemon=True).start()
            except RuntimeError as error:  # the system has no thread left: nobody would end an idle child
                raise OverBudget(f"nobody can watch it: {error}") from error
        return self._reader

    def _watch(self, reader: "_Reader") -> None:
        """End a child that nobody has asked for a while."""
        while not reader.ended.wait(max(0.0, reader.asked_at + IDLE_SECONDS - time.monotonic())):
            with self._lock:
                if self._reader is reader and time.monotonic() - reader.asked_at >= IDLE_SECONDS:
                    self._end()

    def _end(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None


_Purpose = tuple[str, dict[str, Any]]  # owner and request


class _Reader:
    """A child that reads one file after the other; it lives until it is closed, or goes by itself.

    Attributes:
        purpose: whose files it reads, and what is asked of them.
        files: number of files that it was given.
        asked_at: time on the monotonic clock at which it was last given one.
        ended: set once it is closed.
    """

    def __init__(self, keeper: Keeper, purpose: _Purpose, heed: Callable[[], None]) -> None:
        self.purpose, self.files, self.asked_at = purpose, 0, time.monotonic()
        self.ended = threading.Event()
        self._limits = keeper.limits
        taking, self._giving = os.pipe()
        try:
            self._child = keeper.fork(taking, purpose[1], heed, is_shared=True)
        except BaseException:
            os.close(self._giving)
            raise
        finally:
            os.close(taking)
        self._answer = self._child.answer.fileno()
        for end in (self._giving, self._answer):
            os.set_blocking(end, False)  # it may neither take nor give what it should

    def read(self, content: bytes, heed: Callable[[], None]) -> memoryview:
        """Give it a file, and take its answer.

        Raises:
            OverBudget: if it is over a limit.
            OSError: if it is gone.
        """
        self.files, self.asked_at = self.files + 1, time.monotonic()
        patience = Patience(min(self._limits.wall_seconds, MOST_SECONDS), heed)
        rest = memoryview(len(content).to_bytes(LENGTH_BYTES, "little") + content)
        while rest:
            patience.wait(self._giving, select.POLLOUT)
            rest = rest[os.write(self._giving, rest) :]
        length = int.from_bytes(self._take(LENGTH_BYTES, patience), "little")
        if length > min(self._limits.answer_bytes, _MOST_BYTES):
            raise OverBudget(f"its answer has {length} bytes")
        return memoryview(self._take(length, patience))

    def close(self) -> None:
        """End it."""
        self.ended.set()
        os.close(self._giving)
        self._child.close()

    def _take(self, length: int, patience: Patience) -> bytearray:
        taken = bytearray()
        while len(taken) < length:
            patience.wait(self._answer, select.POLLIN)
            piece = os.read(self._answer, length - len(taken))
            if not piece:
                raise OverBudget("it ended without an answer")
            taken += piece
        return taken
