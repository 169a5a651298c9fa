"""Small numerical pieces of sweeps over samples: working memory of threads, sines with cosines, Gram matrices."""

import threading
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor


class Workspace(threading.local):
    """Arrays that each thread uses again and again: fresh pages for every tile took a tenth of a fit's time."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """An array of this shape, with the type and device of `like`; whatever the name held before is lost."""
        size = prod(shape)
        array = self._arrays.get((name, like.dtype))
        if array is None or len(array) < size:
            array = self._arrays[name, like.dtype] = like.new_empty(size)
        return array[:size].view(shape)


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
    """Add the lower triangle of rows @ rows^T of each member, in blocks: close to half of the full product.

    Args:
        into: sums to add to, (B, n, n) or larger.
        rows: values whose products are summed, (B, n, points).
        block: number of rows that one product takes.
    """
    count = rows.shape[1]
    for low in range(0, count, block):
        high = min(low + block, count)
        into[:, low:high, :high] += rows[:, low:high] @ rows[:, :high].mT


def add_gram_with_ones(into: Tensor, rows: Tensor) -> None:
    """The same for [rows; 1]."""
    add_gram(into, rows)
    into[:, -1, :-1] += rows.sum(2)
    into[:, -1, -1] += rows.shape[2]


def mirrored(lower: Tensor) -> Tensor:
    """The symmetric matrices of lower triangles."""
    return lower.tril() + lower.tril(-1).mT
