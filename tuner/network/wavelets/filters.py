"""Biorthogonal 9/7 wavelets on the grid of a signal: what carries latent integers to its samples.

Signals of nature are sparse in wavelets, and these are nearly orthonormal: an error of a latent is about as large an
error of the signal wherever it happens, and no two latents say the same. The filters are those of Cohen, Daubechies and
Feauveau (1992) in the lifting steps of Daubechies and Sweldens (1998), with the scaling that keeps norms, mirrored at
the borders. A scale of spacing s has low-pass functions and high-pass functions with a node for every s samples; those
of several axes are products.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tuner.network.wavelets.layout import node_count
from tuner.network.wavelets.splines import Reading, Taps, kept

# Predict, update, predict, update; then the norm of the low-pass half.
_LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_LOW_GAIN = 1.149604398860241
# Functions of this many nodes' distance have no sample in common.
_APART = 16


# Nodes from a border on which functions look as if there were no border; each scale adds less than the one before.
_BORDER = 32


@lru_cache(maxsize=64)
def wavelet_taps(samples: int, spacing: int, *, high: bool) -> Reading:
    """Which nodes each sample along an axis reads, and how much of each.

    Args:
        samples: N, number of samples along the axis.
        spacing: samples per node, a power of two >= 2.
        high: take the high-pass functions of this scale instead of the low-pass ones.

    Returns:
        Readings of ceil(N / spacing) nodes; if there are fewer high-pass functions, no sample reads the last node.
    """
    border = _BORDER * spacing
    left_out = (samples - 2 * border) // spacing * spacing - 2 * spacing
    if left_out <= 0:
        return kept(_listed(samples, spacing, high=high))
    return _Repeating(_listed(samples - left_out, spacing, high=high), spacing, border, left_out)


@dataclass(frozen=True, slots=True, eq=False)
class _Repeating(Reading):
    """A long axis: the samples of a short one, with those between its borders as often as needed.

    Attributes:
        short: what the samples of the short axis read.
        spacing: samples per node.
        border: number of samples before those that are repeated.
        left_out: number of samples that the short axis lacks, a multiple of the spacing.
    """

    short: Taps
    spacing: int
    border: int
    left_out: int

    @property
    def positions(self) -> int:
        """Number N of samples."""
        return self.short.positions + self.left_out

    def rows(self, start: int, stop: int) -> Taps:
        """What the samples [start, stop) read."""
        here = np.arange(start, stop)
        beyond = np.clip((here - self.border) // self.spacing * self.spacing, 0, self.left_out)
        row = here - beyond
        return Taps(self.short.nodes[row] + (beyond // self.spacing)[:, None], self.short.weights[row])


def _listed(samples: int, spacing: int, *, high: bool) -> Taps:
    nodes = node_count(samples, spacing)
    combs = _combs(samples, spacing, high=high)
    # Of each comb, a sample sees the tooth nearest to it.
    node = np.arange(samples)[:, None] // spacing + np.arange(-_APART // 2, _APART // 2)
    weights = np.take_along_axis(combs, node % _APART, 1)
    weights[(node < 0) | (node >= nodes)] = 0.0
    read = np.flatnonzero(np.abs(weights).max(axis=0) > 0.0)
    used = slice(int(read.min(initial=0)), int(read.max(initial=0)) + 1)
    return Taps(np.clip(node[:, used], 0, nodes - 1), weights[:, used].astype(np.float32))


def _combs(samples: int, spacing: int, *, high: bool) -> np.ndarray:
    """Sums of the functions whose nodes are `_APART` nodes apart, float64 (samples, _APART)."""
    sizes = [samples]
    while 1 << (len(sizes) - 1) < spacing:
        sizes.append(node_count(sizes[-1], 2))
    functions = sizes[-2] // 2 if high else sizes[-1]
    teeth = np.zeros((functions, _APART))
    teeth[np.arange(functions), np.arange(functions) % _APART] = 1.0
    values = _merged(np.zeros((sizes[-1], _APART)), teeth, sizes[-2]) if high else _merged(teeth, None, sizes[-2])
    for size in sizes[-3::-1]:
        values = _merged(values, None, size)
    return values


def _merged(low: np.ndarray, high: np.ndarray | None, size: int) -> np.ndarray:
    """One inverse step along the first axis: ceil(n/2) low-pass and floor(n/2) high-pass values to n."""
    values = np.zeros((size, low.shape[1]))
    if size == 1:
        return low
    values[::2] = low / _LOW_GAIN
    if high is not None:
        values[1::2] = high * _LOW_GAIN
    for number in (3, 2, 1, 0):
        here = np.arange(1 - number % 2, size, 2)
        after = np.where(here + 1 < size, here + 1, here - 1)
        values[here] -= _LIFTING[number] * (values[np.abs(here - 1)] + values[after])
    return values
