"""How compressible a signal is, in a dozen numbers that are known before any fit.

The signal is cut into blocks, each block is transformed by a cosine transform and the channels by their own principal
axes; then the PSNR is noted that is left when only the largest coefficients are kept, for a few numbers of
coefficients. Networks are not cosine transforms, but what is hard for one is hard for the other: over photographs,
textures and noise the quality of a fitted network follows this curve (`tuner.targets.sines.forecast` has the
constants). A large signal is looked at through some of its blocks. Called when a file is inspected, and by the search.
"""

from math import ceil

import numpy as np

from tuner.decibels import mse_to_psnr_db
from tuner.signal.samples import Storage

# Coefficients kept, as halvings of the number of samples: all of them, a half, a quarter …
HALVINGS = 14
_BLOCK_SIDES = {1: 256, 2: 16, 3: 8}
_MANY_DIMENSIONS_SIDE = 4
_MOST_BLOCK_SAMPLES = 1 << 20


def compaction_db(samples: np.ndarray, storage: Storage | None = None) -> list[float]:
    """PSNR in dB of the best approximations with P, P/2, P/4 … coefficients.

    Args:
        samples: values of a signal with a range of about 1, (*grid_shape, channels), or samples as they are stored.
        storage: how values are stored; None for values.

    Returns:
        `HALVINGS` numbers, falling.
    """
    blocks = _blocks(samples, storage)
    channels = blocks.shape[-1]
    samples = blocks.size // channels
    flat = blocks.reshape(-1, channels)
    flat -= flat.mean(axis=0)
    _, axes = np.linalg.eigh(flat.T @ flat)
    energies = _transform((flat @ axes).reshape(blocks.shape)).ravel() ** 2
    energies[::-1].sort()
    left = np.concatenate([np.cumsum(energies[::-1])[::-1], [0.0]]) / energies.size
    kept = [min(round(samples / 2**halving), len(left) - 1) for halving in range(HALVINGS)]
    return [round(mse_to_psnr_db(max(float(left[count]), 0.0)), 3) for count in kept]


def _blocks(stored: np.ndarray, storage: Storage | None) -> np.ndarray:
    """Blocks of the signal, float64 (blocks, *block_shape, channels), its borders mirrored; some of them if many."""
    shape, channels = stored.shape[:-1], stored.shape[-1]
    side = _BLOCK_SIDES.get(len(shape), _MANY_DIMENSIONS_SIDE)
    block = tuple(min(side, length) for length in shape)
    counts = tuple(ceil(length / size) for length, size in zip(shape, block, strict=True))
    total, most = int(np.prod(counts)), max(1, _MOST_BLOCK_SAMPLES // int(np.prod(block)))
    taken = np.linspace(0, total - 1, min(total, most)).round().astype(int)
    blocks = np.empty((len(taken), *block, channels))
    for target, number in zip(blocks, taken, strict=True):
        corner = np.unravel_index(number, counts)
        indices = (
            _mirrored(int(first) * size, size, length) for first, size, length in zip(corner, block, shape, strict=True)
        )
        found = stored[np.ix_(*indices)]
        target[...] = found if storage is None else storage.to_values(found)
    return blocks


def _mirrored(start: int, size: int, length: int) -> np.ndarray:
    """Indices start … start + size - 1, those beyond the end folded back."""
    indices = np.arange(start, start + size)
    return np.where(indices < length, indices, np.maximum(2 * length - 1 - indices, 0))


def _transform(blocks: np.ndarray) -> np.ndarray:
    """The orthonormal cosine transform along every axis of every block."""
    for axis in range(1, blocks.ndim - 1):
        size = blocks.shape[axis]
        angles = np.pi / size * np.outer(np.arange(size), np.arange(size) + 0.5)
        cosines = np.sqrt(2.0 / size) * np.cos(angles)
        cosines[0] /= np.sqrt(2.0)
        blocks = np.moveaxis(np.tensordot(cosines, blocks, axes=(1, axis)), 0, axis)
    return blocks
