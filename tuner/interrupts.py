"""Ctrl-C while a command is still being imported: a line, instead of the trace of whatever was being imported."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130  # exit status of what Ctrl-C ended, as shells count


@contextmanager
def ended_at_once(program: str) -> Iterator[None]:
    """End this process at the first Ctrl-C, in one line: nothing was begun that would have to be left in order.

    No exception is raised, since modules that are being imported catch some, and take them for something else.

    Args:
        program: name of the command, as it was typed.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os.write(2, f"{program}: stopped\n".encode())
        os._exit(INTERRUPTED)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # it is to be ignored
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
