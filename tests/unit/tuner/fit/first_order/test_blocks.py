"""Blocks: random ones cover the signal evenly, a sweep shows every sample once, and values sit at their coordinates."""

import numpy as np
import pytest
import torch

from tuner.fit.first_order.blocks import Block, SignalBlocks
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal


def ramp(shape: tuple[int, ...]) -> tuple[Signal, SignalBlocks]:
    """A signal whose channels are its own coordinates."""
    grid = Grid(shape, 2.5)
    signal = Signal(values=grid.coords().reshape(*shape, len(shape)))
    return signal, SignalBlocks(signal, grid, torch.device("cpu"))


def coordinates(block: Block) -> torch.Tensor:
    """(D, P), in the order of the block's values."""
    outer = block.outer_OE.repeat_interleave(len(block.last_X), dim=0)
    return torch.cat([outer, block.last_X.repeat(len(block.outer_OE))[:, None]], dim=1).T


@pytest.mark.parametrize("shape", [(40, 30), (300,), (8, 9, 10)])
def test_values_sit_at_their_coordinates(shape: tuple[int, ...]) -> None:
    _, blocks = ramp(shape)
    generator = torch.Generator().manual_seed(1)
    for block in [blocks.draw(90, generator), blocks.draw(10**6, generator), *blocks.sweep(37)]:
        assert torch.equal(block.values_CP, coordinates(block))


@pytest.mark.parametrize("shape", [(40, 30), (300,), (8, 9, 10)])
@pytest.mark.parametrize("points", [1, 37, 10**6])
def test_a_sweep_shows_every_sample_once(shape: tuple[int, ...], points: int) -> None:
    signal, blocks = ramp(shape)
    seen = torch.cat([block.values_CP for block in blocks.sweep(points)], dim=1).T.numpy()
    assert all(block.values_CP.shape[1] <= points for block in blocks.sweep(points))
    assert len(seen) == signal.sample_count
    np.testing.assert_array_equal(np.unique(seen, axis=0), np.unique(Grid(shape, 2.5).coords(), axis=0))


def test_a_random_block_takes_one_position_of_each_cell_and_in_time_all_of_them() -> None:
    _, blocks = ramp((40, 30))
    generator = torch.Generator().manual_seed(0)
    rows: set[float] = set()
    for _ in range(60):
        block = blocks.draw(300, generator)
        assert (len(block.outer_OE), len(block.last_X)) == (20, 15)
        cells = torch.floor((block.outer_OE[:, 0] + 1) * 10)
        assert torch.equal(cells, torch.arange(20.0))
        rows |= set(block.outer_OE[:, 0].tolist())
    assert len(rows) == 40
