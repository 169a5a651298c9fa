"""The first layer on grids: the separable evaluation is the dense one, up to rounding."""

from math import pi

import pytest
import torch
from torch import Tensor

from tuner.fit.natural.input_sines import DenseSines, InputSines
from tuner.fit.natural.separable import SeparableSines, grid_sines

PERIOD = 2.3
RUN = 4  # tiles that are made ready together
SHAPES = [(17,), (9, 14), (9, 15), (3, 25), (5, 6, 7), (4, 3, 3), (3, 2, 4, 3), (1, 12), (1, 1)]


def axes_of(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [((2 * torch.arange(n, dtype=dtype) + 1) / n - 1) for n in shape]


def coords_of(axes: list[Tensor]) -> Tensor:
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))


def some_frequencies(dimensions: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-6, 7, (20, dimensions), generator=generator)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def everywhere(sines: InputSines, plan: Tensor) -> Tensor:
    """All tiles, a few of them at a time."""
    runs = [sines.tiles[start : start + RUN] for start in range(0, len(sines.tiles), RUN)]
    return torch.cat([sines.apply(sines.lines(plan, run), tile) for run in runs for tile in run], 1)


def gradient_sums(sines: InputSines, gradient_HP: Tensor, phases_M: Tensor) -> tuple[Tensor, Tensor]:
    sums = []
    for start in range(0, len(sines.tiles), RUN):
        run = sines.tiles[start : start + RUN]
        total = sines.accumulator(len(gradient_HP), run)
        for tile in run:
            sines.add_transpose(total, gradient_HP[:, tile.start : tile.stop].contiguous(), tile)
        sums.append(sines.folded(total))
    return sines.transposed(torch.stack(sums).sum(0), phases_M)


@pytest.fixture(params=SHAPES, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[Tensor, list[Tensor], Tensor]:
    shape: tuple[int, ...] = request.param
    k = some_frequencies(len(shape))
    axes = axes_of(shape)
    angle = 2 * pi / PERIOD * k.double() @ coords_of(axes).T
    return k, axes, angle


def test_forward_is_the_sum_of_sines_and_cosines(case: tuple[Tensor, list[Tensor], Tensor]) -> None:
    k, axes, angle = case
    phases, weight, turn = normal(20), normal(3, 20), normal(3, 20) + 1
    expected = weight @ torch.sin(angle + phases[:, None]) + turn @ torch.cos(angle + phases[:, None])
    separable = SeparableSines(k, PERIOD, axes, 11)
    value = everywhere(separable, separable.plan(weight, phases, turn))
    torch.testing.assert_close(value, separable.arrange(expected.T), rtol=0, atol=1e-12)
    dense = DenseSines(k, PERIOD, coords_of(axes), 11)
    torch.testing.assert_close(everywhere(dense, dense.plan(weight, phases, turn)), expected, rtol=0, atol=1e-12)


def test_transpose_is_the_adjoint(case: tuple[Tensor, list[Tensor], Tensor]) -> None:
    k, axes, angle = case
    phases, gradient = normal(20), normal(3, angle.shape[1])
    sine = gradient @ torch.sin(angle + phases[:, None]).T
    cosine = gradient @ torch.cos(angle + phases[:, None]).T
    separable = SeparableSines(k, PERIOD, axes, 11)
    for sines, values in (
        (separable, separable.arrange(gradient.T)),
        (DenseSines(k, PERIOD, coords_of(axes), 11), gradient),
    ):
        on_sine, on_cosine = gradient_sums(sines, values, phases)
        torch.testing.assert_close(on_sine, sine, rtol=0, atol=1e-11)
        torch.testing.assert_close(on_cosine, cosine, rtol=0, atol=1e-11)


def test_fixed_phases_give_the_same_at_half_the_work(case: tuple[Tensor, list[Tensor], Tensor]) -> None:
    k, axes, angle = case
    phases, weight, gradient = normal(20), normal(3, 20), normal(3, angle.shape[1])
    table = torch.sin(angle + phases[:, None])
    for keep in (False, True):
        sines = DenseSines(k, PERIOD, coords_of(axes), 11, phases_M=phases, keep=keep)
        torch.testing.assert_close(everywhere(sines, sines.plan(weight, phases)), weight @ table, rtol=0, atol=1e-12)
        torch.testing.assert_close(gradient_sums(sines, gradient, phases)[0], gradient @ table.T, rtol=0, atol=1e-11)


def test_covariance_has_a_closed_form(case: tuple[Tensor, list[Tensor], Tensor]) -> None:
    k, axes, angle = case
    phases = normal(20)
    sines = torch.cat([torch.sin(angle + phases[:, None]), torch.ones(1, angle.shape[1], dtype=torch.float64)])
    expected = sines @ sines.T / angle.shape[1]
    separable = SeparableSines(k, PERIOD, axes, 11).covariance(phases)
    dense = DenseSines(k, PERIOD, coords_of(axes), 11).covariance(phases)
    torch.testing.assert_close(separable, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(dense, expected, rtol=0, atol=1e-12)


def test_lines_whose_samples_do_not_lie_symmetrically_are_summed_whole() -> None:
    axes = [axes_of((4,))[0], axes_of((7,))[0] * 0.4 + 0.3]
    k, phases, weight, gradient = some_frequencies(2), normal(20), normal(3, 20), normal(3, 28)
    table = torch.sin(2 * pi / PERIOD * k.double() @ coords_of(axes).T + phases[:, None])
    sines = SeparableSines(k, PERIOD, axes, 14)
    torch.testing.assert_close(sines.arrange(gradient.T), gradient, rtol=0, atol=0)
    torch.testing.assert_close(everywhere(sines, sines.plan(weight, phases)), weight @ table, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient_sums(sines, gradient, phases)[0], gradient @ table.T, rtol=0, atol=1e-11)


def test_float32_keeps_its_precision() -> None:
    axes = axes_of((64, 48))
    k = some_frequencies(2) * 3
    phases, weight = normal(20), normal(8, 20) / 4
    exact = weight @ torch.sin(2 * pi / PERIOD * k.double() @ coords_of(axes).T + phases[:, None])
    single = SeparableSines(k, PERIOD, [axis.float() for axis in axes], 500)
    value = everywhere(single, single.plan(weight.float(), phases.float())).double()
    assert float((value - single.arrange(exact.T)).abs().max()) < 5e-6


def test_the_cheaper_evaluator_is_chosen() -> None:
    box = torch.cartesian_prod(torch.arange(0, 9), torch.arange(-8, 9))
    wide = axes_of((40, 50), torch.float32)
    assert isinstance(grid_sines(box, PERIOD, wide, 256), SeparableSines)
    assert isinstance(grid_sines(box[:8], PERIOD, wide, 256), DenseSines)
    assert isinstance(grid_sines(torch.arange(1, 12)[:, None], PERIOD, wide[:1], 256), DenseSines)


def test_half_of_a_line_is_only_saved_where_tiles_hold_whole_lines() -> None:
    k, axes = some_frequencies(2), axes_of((9, 14))
    whole, cut = (SeparableSines(k, PERIOD, axes, tile_points) for tile_points in (14, 13))
    cosines = torch.unique(k[:, 1].abs())
    assert cut.cost - whole.cost == pytest.approx((len(cosines) + int((cosines > 0).sum())) / 2.0)


@pytest.mark.parametrize("shape", [(10,), (7, 5), (3, 4, 5)])
@pytest.mark.parametrize("limit", [1, 3, 6, 20, 1000])
def test_tiles_cover_the_grid_once(shape: tuple[int, ...], limit: int) -> None:
    sines = SeparableSines(some_frequencies(len(shape)), PERIOD, axes_of(shape), limit)
    seen = torch.zeros(shape, dtype=torch.int64)
    for tile, following in zip(sines.tiles, [*sines.tiles[1:], None], strict=True):
        seen[tile.box] += 1
        assert 1 <= tile.stop - tile.start <= limit
        assert tile.stop == (sines.points if following is None else following.start)
    assert bool((seen == 1).all())
