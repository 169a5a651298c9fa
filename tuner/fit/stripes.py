"""Tiles of a signal shared out among threads so that sums over them have the same bytes whatever the number of threads.

Tiles are dealt to a fixed number of stripes, each stripe is summed by one thread, and the sums are added in the order
of the stripes. Both `tuner.fit.natural.sweeps` and `tuner.fit.wavelets.passes` visit their samples so.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

# Runs of tiles that are summed on their own.
STRIPES = 16
T = TypeVar("T")


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let torch's kernels run on the calling thread; the former setting comes back afterwards.

    For small matrices too: threads that spin for their turn cost more than they bring when cores are shared.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Stripes:
    """A pool of threads for runs of tiles; each lets torch's kernels run on itself alone, and records no graph.

    Args:
        threads: number of threads that share the work, >= 1.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def map(self, work: Callable[[Sequence[int]], T], tiles: int) -> list[T]:
        """Run `work` on the numbers of every stripe of tiles; results in the order of the stripes."""
        count = min(STRIPES, tiles)
        stripes = [range(tiles * i // count, tiles * (i + 1) // count) for i in range(count)]
        if min(count, self.threads) == 1:  # to hand it to a thread and wait would take as long as a small signal does
            with single_threaded(), torch.no_grad():
                return [work(stripe) for stripe in stripes]
        if self._pool is None:  # kept, because its threads hold the working memory
            self._pool = ThreadPoolExecutor(self.threads, initializer=_prepare)
        with single_threaded():
            return list(self._pool.map(work, stripes))


def _prepare() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)  # a thread begins with the default, whatever its caller has set
