"""Wavelets along an axis are those of the inverse transform, sample by sample, on short axes and long ones."""

import numpy as np
import pytest

from tuner.network.wavelets.filters import wavelet_taps
from tuner.network.wavelets.splines import Taps


def dense(taps: Taps, nodes: int) -> np.ndarray:
    matrix = np.zeros((taps.positions, nodes))
    np.add.at(matrix, (np.arange(taps.positions)[:, None], taps.nodes), taps.weights)
    return matrix


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("spacing", [2, 4, 32])
def test_a_long_axis_reads_like_its_wavelets(spacing: int, high: bool) -> None:
    """Repeating the middle of a short axis gives what the transform of the whole axis gives."""
    samples = 100 * spacing + 5
    axis, nodes = wavelet_taps(samples, spacing, high=high), -(-samples // spacing)
    assert not isinstance(axis, Taps)
    whole = dense(axis.rows(0, samples), nodes)
    for node in (0, 3, 40, nodes - 2):
        tooth = np.zeros(nodes)
        tooth[node] = 1.0
        np.testing.assert_allclose(whole @ tooth, synthesised(tooth, samples, spacing, high=high), atol=1e-6)


def synthesised(codes: np.ndarray, samples: int, spacing: int, *, high: bool) -> np.ndarray:
    """The inverse transform, as `tuner/codec/format/wavelets.md` has it."""
    sizes = [samples]
    while 1 << (len(sizes) - 1) < spacing:
        sizes.append(-(-sizes[-1] // 2))
    low, values = np.zeros(sizes[-1]), codes
    for number, size in enumerate(sizes[-2::-1]):
        x = np.zeros(size)
        first_high = high and number == 0
        x[::2] = (low if first_high else values)[: -(-size // 2)] / 1.149604398860241
        if first_high:
            x[1::2] = values[: size // 2] * 1.149604398860241
        for parity, factor in ((0, -0.443506852043971), (1, -0.882911075530934), (0, 0.052980118572961)):
            lift(x, parity, factor)
        lift(x, 1, 1.586134342059924)
        values = x
    return values


def lift(x: np.ndarray, parity: int, factor: float) -> None:
    for i in range(parity, len(x), 2):
        x[i] += factor * (x[abs(i - 1)] + x[i + 1 if i + 1 < len(x) else i - 1])
