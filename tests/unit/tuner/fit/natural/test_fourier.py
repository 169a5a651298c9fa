"""The first layer on a line: short transforms give what the dense evaluation gives, up to rounding."""

from math import pi

import pytest
import torch
from torch import Tensor

from tuner.fit.natural.fourier import FourierLine, transform_length, whole_steps
from tuner.fit.natural.input_sines import DenseSines
from tuner.fit.natural.separable import grid_sines

PERIOD = 2.5


def line(samples: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return (2 * torch.arange(samples, dtype=torch.float64) + 1).div(samples).sub(1).to(dtype)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


# Also frequencies that meet in one bin, at half of the transform, and beyond the band.
K = torch.tensor([0, 1, 2, 5, 6, 7, 25, 26, 49, 50, -3])[:, None]


@pytest.mark.parametrize(("samples", "tile"), [(80, 9), (80, 1000), (60, 16), (4, 3)], ids=str)
def test_forward_transpose_and_covariance_are_the_dense_ones(samples: int, tile: int) -> None:
    axis = line(samples)
    sines = FourierLine(K, PERIOD, axis, tile)
    angle = 2 * pi / PERIOD * K.double() @ axis[None]
    phases, weight, turn, gradient = normal(len(K)), normal(3, len(K)), normal(3, len(K)) + 1, normal(3, samples)
    assert [t.start for t in sines.tiles] == [0, *(t.stop for t in sines.tiles[:-1])]
    assert sines.tiles[-1].stop == samples
    assert all(t.stop - t.start <= tile for t in sines.tiles)

    for turning in (None, turn):
        plan = sines.plan(weight, phases, turning)
        expected = weight @ torch.sin(angle + phases[:, None])
        if turning is not None:
            expected += turning @ torch.cos(angle + phases[:, None])
        value = torch.cat([sines.apply(sines.lines(plan, [t]), t) for t in sines.tiles], 1)
        torch.testing.assert_close(value, sines.arrange(expected.T), rtol=0, atol=1e-12)
        into = torch.empty(3, sines.tiles[0].stop, dtype=torch.float64)
        lines = sines.lines(plan, sines.tiles)
        torch.testing.assert_close(sines.apply(lines, sines.tiles[0], into), value[:, : into.shape[1]])

    total, arranged = sines.accumulator(3, sines.tiles), sines.arrange(gradient.T)
    for t in sines.tiles:
        sines.add_transpose(total, arranged[:, t.start : t.stop], t)
    sine, cosine = sines.transposed(sines.folded(total), phases)
    torch.testing.assert_close(sine, gradient @ torch.sin(angle + phases[:, None]).T, rtol=0, atol=1e-11)
    torch.testing.assert_close(cosine, gradient @ torch.cos(angle + phases[:, None]).T, rtol=0, atol=1e-11)

    dense = DenseSines(K, PERIOD, axis[:, None], 100).covariance(phases)
    torch.testing.assert_close(sines.covariance(phases), dense, rtol=0, atol=1e-12)


def test_a_second_of_sound_keeps_the_precision_of_float32() -> None:
    samples = 44_100
    k = torch.arange(1, 18_000, 45)[:, None]
    phases, weight = normal(len(k)), normal(2, len(k)) / 20
    sines = grid_sines(k, PERIOD, [line(samples, torch.float32)], 5000)
    assert isinstance(sines, FourierLine)
    assert len(sines.tiles) > 8
    plan = sines.plan(weight.float(), phases.float())
    for tile in (sines.tiles[0], sines.tiles[-1]):
        angle = 2 * pi / PERIOD * k.double() @ line(samples)[tile.box][None]
        exact = weight @ torch.sin(angle + phases[:, None])
        assert float((sines.apply(sines.lines(plan, [tile]), tile).double() - exact).abs().max()) < 5e-6


def test_it_is_chosen_where_it_is_exact_and_pays() -> None:
    many = torch.arange(1, 600)[:, None]
    assert isinstance(grid_sines(many, PERIOD, [line(8000)], 2000), FourierLine)
    assert isinstance(grid_sines(many[:20], PERIOD, [line(8000)], 2000), DenseSines), "few frequencies"
    assert isinstance(grid_sines(many, 2.3456789, [line(8000)], 2000), DenseSines), "no whole number of steps"
    assert isinstance(grid_sines(many, PERIOD, [line(8000)[torch.arange(8000) != 77]], 2000), DenseSines), "a gap"
    assert isinstance(grid_sines(many, PERIOD, [line(4 * 1999)], 2000), DenseSines), "only a large prime divides it"


def test_lengths() -> None:
    assert whole_steps(PERIOD, line(220_500, torch.float32)) == 275_625
    assert whole_steps(PERIOD, line(1)) == 0
    assert transform_length(275_625, 5000) == 4375
    assert transform_length(2 * 11, 100) == 2
