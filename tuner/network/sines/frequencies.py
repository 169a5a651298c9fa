"""Input frequencies: a dense sample of the low integers, a sparse grid of the high ones.

The input frequencies are a sampling of the spectrum; training fills the gaps with their integer combinations (Theorem
1, section 3 of arXiv 2407.21121). They are integers in cycles per period, chosen once and frozen. Where this departs
from the published sampler: ranges are fractions of the Nyquist index of each axis, zero and repeats never occur (a
repeated column makes the Gram matrix of the input layer singular), k and -k count as one, and the high grid excludes
the low box. Called when a network is made.
"""

from collections.abc import Collection
from itertools import product
from math import floor

import numpy as np

from tuner.errors import ConfigError
from tuner.shapes import IntArray


def choose_frequencies(
    count: int,
    nyquist: tuple[float, ...],
    *,
    low_share: float,
    low_limit: float,
    band_limit: float,
    seed: int,
    exclude: Collection[tuple[int, ...]] = (),
) -> IntArray:
    """Choose distinct integer frequencies, at most one of k and -k, in a fixed order.

    The unit vectors are always there: with them every integer frequency is a combination of the chosen ones. The rest
    is drawn without replacement, `low_share` of it from the low box and the remainder from the coarsest regular grid
    that is rich enough; if either runs out of points, the other gives more.

    Args:
        count: frequencies asked for (m), >= 1.
        nyquist: Nyquist index of each axis, in cycles per period.
        low_share: share of low frequencies (q), in [0, 1].
        low_limit: half side of the low box (l), as a fraction of Nyquist.
        band_limit: largest frequency (B), as a fraction of Nyquist.
        seed: seed of the draw; the same arguments always give the same frequencies.
        exclude: frequencies, as they are returned, that are taken already. The unit vectors are there nevertheless.

    Returns:
        int32 (M, D) in lexicographic order, the first non-zero coordinate of every row positive. M is `count`, or the
        number of distinct frequencies within the band if that is smaller.

    Raises:
        ConfigError: if `count` leaves no room for the unit vectors of all axes that have more than one index.
    """
    low = axis_limits(nyquist, low_limit)
    band = axis_limits(nyquist, band_limit)
    units = _half_space([tuple(row) for row in np.eye(len(nyquist), dtype=int).tolist()])
    if count < len(units):
        raise ConfigError(f"{count} frequencies, expected at least {len(units)}: one unit vector for each axis")

    taken = {index for index in exclude if _within(index, band)} - units
    available = _half_space_size(band) - len(taken)
    count = min(count, available)
    low_pool = sorted(_box(low) - units - taken)
    rest = count - len(units)
    low_count = min(round(low_share * rest), len(low_pool))
    low_count = max(low_count, rest - (available - len(units) - len(low_pool)))
    high_pool = sorted(_sparse_grid(band, low, taken, at_least=rest - low_count))

    random = np.random.default_rng(seed)
    chosen = units | _draw(low_pool, low_count, random) | _draw(high_pool, rest - low_count, random)
    return np.array(sorted(chosen), dtype=np.int32)


def axis_limits(nyquist: tuple[float, ...], fraction: float) -> tuple[int, ...]:
    """Largest index of each axis within a fraction of Nyquist, at least 1 so that the unit vectors always fit."""
    return tuple(max(1, floor(fraction * limit)) for limit in nyquist)


Index = tuple[int, ...]


def _half_space(indices: list[Index]) -> set[Index]:
    """Keep one of k and -k (the first non-zero coordinate is positive), and drop zero."""
    return {index for index in indices if index > (0,) * len(index)}


def _half_space_size(limits: tuple[int, ...]) -> int:
    points = 1
    for limit in limits:
        points *= 2 * limit + 1
    return (points - 1) // 2


def _box(limits: tuple[int, ...]) -> set[Index]:
    return _half_space(list(product(*(range(-limit, limit + 1) for limit in limits))))


def _within(index: Index, limits: tuple[int, ...]) -> bool:
    return all(abs(k) <= limit for k, limit in zip(index, limits, strict=True))


def _sparse_grid(band: tuple[int, ...], low: tuple[int, ...], taken: set[Index], at_least: int) -> set[Index]:
    """Free points outside the low box, of the coarsest grid, equally divided on every axis, that has enough of them."""
    for divisions in range(1, max(band) + 1):
        axes = [_divide(limit, divisions) for limit in band]
        grid = {index for index in _half_space(list(product(*axes))) - taken if not _within(index, low)}
        if len(grid) >= at_least:
            return grid
    return grid


def _divide(limit: int, divisions: int) -> list[int]:
    """Integers nearest to an even division of [0, limit], with their negatives."""
    positive = {round(limit * i / divisions) for i in range(divisions + 1)}
    return sorted(positive | {-k for k in positive})


def _draw(pool: list[Index], count: int, random: np.random.Generator) -> set[Index]:
    return {pool[i] for i in random.choice(len(pool), size=count, replace=False)} if count else set()
