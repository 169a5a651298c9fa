"""Sums along a line in sliding windows are those of one large matrix, and so is their transpose."""

import numpy as np
import pytest
import torch

from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.tile_sums import tile_sums
from tuner.network.wavelets.filters import wavelet_taps
from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.splines import Taps

ROWS = 4096


def dense(taps: Taps, nodes: int) -> np.ndarray:
    matrix = np.zeros((taps.positions, nodes))
    np.add.at(matrix, (np.arange(taps.positions)[:, None], taps.nodes), taps.weights)
    return matrix


@pytest.mark.parametrize("points", [1, 3])
@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize(("samples", "spacing"), [(9001, 2), (8192, 8), (10_000, 64), (12_301, 256), (5000, 1024)])
def test_windows_and_their_transpose_are_the_matrix(samples: int, spacing: int, high: bool, points: int) -> None:
    axis, nodes = wavelet_taps(samples, spacing, high=high), -(-samples // spacing)
    matrix = torch.from_numpy(dense(axis.rows(0, samples), nodes))
    tiles = tile_sums(axis, ROWS, spacing)
    values, along = torch.randn(2, nodes, points), torch.randn(2, samples, points)
    sums, gathered = torch.zeros(2, samples, points), torch.zeros(2, nodes, points)
    for number, tile in enumerate(tiles):
        here = slice(ROWS * number, ROWS * number + tile.rows)
        tile.add_to(sums[:, here], values)
        part = torch.zeros(2, tile.span.stop - tile.span.start, points)
        tile.add_transposed(along[:, here], part, tile.span.start)
        gathered[:, tile.span] += part
    torch.testing.assert_close(sums.double(), matrix @ values.double(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gathered.double(), matrix.T @ along.double(), atol=1e-4, rtol=1e-5)


def test_a_long_line_takes_little_memory() -> None:
    tiles = tile_sums(wavelet_taps(500_000, 2, high=True), ROWS, 2)
    assert sum(run.matrix.numel() for tile in tiles for run in tile.runs) < 1_000_000  # one matrix a tile has 8 million


def test_a_sound_is_found_again_in_its_coefficients() -> None:
    subbands = Subbands(Layout((9001,), 5, 1), ROWS)
    signal = torch.randn(1, 9001)
    found = subbands._summed(subbands.analyse(signal, iterations=30))
    torch.testing.assert_close(found, signal, atol=1e-3, rtol=0.0)
