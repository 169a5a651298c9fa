"""Small numerical pieces of the sweeps: threads, sines, Gram matrices."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


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


def total(parts: Sequence[Tensor]) -> Tensor:
    """Add tensors in order."""
    result = parts[0].clone()
    for part in parts[1:]:
        result += part
    return result


def sine_cosine(z: Tensor, sine: Tensor, cosine: Tensor) -> None:
    """Both functions of z; on CPUs numpy's float32 loops are three times as fast as torch's (measured, AVX-512)."""
    if z.device.type == "cpu":
        np.sin(z.numpy(), out=sine.numpy())
        np.cos(z.numpy(), out=cosine.numpy())
    else:
        torch.sin(z, out=sine)
        torch.cos(z, out=cosine)


def add_gram(into: Tensor, rows: Tensor, block: int = 64) -> None:
    """Add the lower triangle of rows @ rows^T, in blocks: close to half of the full product."""
    for low in range(0, len(rows), block):
        high = min(low + block, len(rows))
        into[low:high, :high] += rows[low:high] @ rows[:high].T


def add_gram_with_ones(into: Tensor, rows: Tensor) -> None:
    """The same for [rows; 1]."""
    add_gram(into, rows)
    into[-1, :-1] += rows.sum(1)
    into[-1, -1] += rows.shape[1]


def mirrored(lower: Tensor) -> Tensor:
    """The symmetric matrix of a lower triangle."""
    return lower.tril() + lower.tril(-1).T
