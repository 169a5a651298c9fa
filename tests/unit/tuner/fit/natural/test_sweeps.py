"""Sums over samples, against the same sums made with autograd and explicit Jacobians on tiny networks, two at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import pi

import pytest
import torch
from torch import Tensor

from tuner.fit.natural.direction import best_combination, solve_readout
from tuner.fit.natural.input_sines import DenseSines, Lines, Tile
from tuner.fit.natural.separable import SeparableSines
from tuner.fit.natural.sums import Hidden
from tuner.fit.natural.sweeps import Sweeps

PERIOD, SHAPE, CHANNELS, BATCH = 2.5, (7, 6), 2, 2


@dataclass(frozen=True)
class Case:
    sweeps: Sweeps
    hidden: Hidden
    readout: Tensor
    angle_MP: Tensor

    def features(self, hidden: Hidden, member: int) -> Tensor:
        """h~ from first principles, (H + 1, P)."""
        value = torch.sin(self.angle_MP + hidden.phases[:, None])
        for layer in hidden.layers:
            value = torch.sin(layer[member, :, :-1] @ value + layer[member, :, -1:])
        return torch.cat([value, torch.ones(1, value.shape[1], dtype=torch.float64)])

    def outputs(self, hidden: Hidden, member: int) -> Tensor:
        return self.readout[member] @ self.features(hidden, member)

    def residual(self, member: int) -> Tensor:
        return (self.outputs(self.hidden, member) - self.sweeps.targets_BCP[member]).reshape(-1)

    def flat_jacobian(self, member: int) -> Tensor:
        """(C P, all hidden parameters): phases first, then the layers."""
        shapes = [self.hidden.phases, *(layer[:1] for layer in self.hidden.layers)]

        def outputs_of(flat: Tensor) -> Tensor:
            parts = [
                part.reshape(s.shape)
                for part, s in zip(torch.split(flat, [s.numel() for s in shapes]), shapes, strict=True)
            ]
            alone = Hidden(parts[0], tuple(part.expand(BATCH, -1, -1) for part in parts[1:]))
            return self.outputs(alone, member).reshape(-1)

        jacobian: Tensor = torch.autograd.functional.jacobian(outputs_of, flat_of(self.hidden, member))  # type: ignore[no-untyped-call]
        return jacobian


def flat_of(hidden: Hidden, member: int) -> Tensor:
    return torch.cat([hidden.phases, *(layer[member].reshape(-1) for layer in hidden.layers)])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


def make_case(widths: tuple[int, ...], *, separable: bool, keep: bool, threads: int = 2) -> Case:
    k = torch.tensor([[0, 1], [1, 0], [1, 1], [2, -1], [0, 2]])
    axes = [(2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1 for n in SHAPE]
    coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    sines = SeparableSines(k, PERIOD, axes, 12) if separable else DenseSines(k, PERIOD, coords, 12)
    sizes = [len(k), *widths]
    layers = tuple(normal(BATCH, out, into + 1) for into, out in pairwise(sizes))
    targets = torch.stack([sines.arrange(normal(len(coords), CHANNELS, seed=b)) for b in range(BATCH)])
    sweeps = Sweeps(sines, targets, widths, keep=keep, threads=threads)
    readout = normal(BATCH, CHANNELS, widths[-1] + 1)
    return Case(sweeps, Hidden(normal(len(k)), layers), readout, 2 * pi / PERIOD * k.double() @ sines.arrange(coords))


@pytest.fixture(params=[((4,), True), ((4, 3), False), ((4, 3, 5), True)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    widths, separable = request.param
    return make_case(widths, separable=separable, keep=separable)


def some_directions(case: Case, *, phases: bool = False) -> list[Hidden]:
    still = torch.zeros_like(case.hidden.phases)
    turn = normal(len(still)) if phases else still
    return [
        Hidden(turn, tuple(normal(*layer.shape) + 1 for layer in case.hidden.layers)),
        Hidden(still, tuple(normal(*layer.shape) - 1 for layer in case.hidden.layers)),
    ]


def test_normal_equations_and_their_solution(case: Case) -> None:
    sums = case.sweeps.evaluate(case.hidden)
    readout = solve_readout(sums, 1e-12)
    for b in range(BATCH):
        h, y = case.features(case.hidden, b), case.sweeps.targets_BCP[b]
        torch.testing.assert_close(sums.gram[b], h @ h.T)
        torch.testing.assert_close(sums.cross[b], h @ y.T)
        expected = torch.linalg.lstsq(h.T, y.T).solution.T
        torch.testing.assert_close(readout.matrix[b].double(), expected, rtol=1e-4, atol=1e-5)


def test_loss_and_gradient(case: Case) -> None:
    squares = case.sweeps.loss(case.hidden, case.readout)
    gradient = case.sweeps.gradient(case.hidden, case.readout)
    turned = torch.zeros_like(case.hidden.phases)
    for b in range(BATCH):
        assert float(squares[b]) == pytest.approx(float(case.residual(b).square().sum()))
        expected = case.residual(b) @ case.flat_jacobian(b) / case.sweeps.samples
        phases = len(case.hidden.phases)
        torch.testing.assert_close(flat_of(gradient, b)[phases:], expected[phases:])
        turned += expected[:phases]
    # Phases are common to all members, so their slopes add up.
    torch.testing.assert_close(gradient.phases, turned)


def test_curvature_factors_are_exact_for_their_layer(case: Case) -> None:
    """One neuron's bias: its Gauss-Newton diagonal is the diagonal of the output-side factor."""
    curvature = case.sweeps.curvature(case.hidden, case.readout, share=1, offset=0)
    for b in range(BATCH):
        jacobian = case.flat_jacobian(b)
        offset = len(case.hidden.phases)
        for layer, output_side in zip(case.hidden.layers, curvature.output_side, strict=True):
            rows, columns = layer.shape[1:]
            bias = jacobian[:, offset + columns - 1 : offset + rows * columns : columns]
            torch.testing.assert_close(output_side[b], bias.T @ bias / case.sweeps.samples)
            offset += rows * columns


def test_curvature_from_a_share_of_the_samples(case: Case) -> None:
    full = case.sweeps.curvature(case.hidden, case.readout, share=1, offset=0)
    parts = [case.sweeps.curvature(case.hidden, case.readout, share=3, offset=offset) for offset in range(3)]
    for layer, output_side in enumerate(full.output_side):
        mean = sum(part.output_side[layer] for part in parts) / 3  # 42 samples: 14 in each part
        torch.testing.assert_close(mean, output_side)


@pytest.mark.parametrize("phases", [False, True])
def test_directional_derivatives(case: Case, phases: bool) -> None:
    case.sweeps.loss(case.hidden, case.readout)
    directions = some_directions(case, phases=phases)
    first = case.sweeps.directional(case.hidden, case.readout, directions[:1], turning=phases)
    moves = case.sweeps.directional(case.hidden, case.readout, directions[1:], turning=phases)
    torch.testing.assert_close(first.products, moves.products[:, :1, :1])
    for b in range(BATCH):
        jacobian, h = case.flat_jacobian(b), case.features(case.hidden, b)
        changes = torch.stack([jacobian @ flat_of(direction, b) for direction in directions])
        torch.testing.assert_close(moves.products[b], changes @ changes.T)
        torch.testing.assert_close(moves.residual_products[b], changes @ case.residual(b))
        by_channel = changes.reshape(2, CHANNELS, -1)
        torch.testing.assert_close(moves.feature_products[b], torch.einsum("hp,kcp->khc", h, by_channel))

        small = torch.full((BATCH,), 1e-6, dtype=torch.float64)
        ahead = case.outputs(case.hidden.plus([(small, directions[0])]), b)
        behind = case.outputs(case.hidden.plus([(-small, directions[0])]), b)
        torch.testing.assert_close(changes[0], ((ahead - behind) / 2e-6).reshape(-1), rtol=1e-5, atol=1e-7)


def test_gradient_where_the_linear_model_leads(case: Case) -> None:
    """After the best combination, and with the output layer's share taken out, directions that were used are spent."""
    sums = case.sweeps.evaluate(case.hidden)
    factor = torch.linalg.cholesky(sums.gram)
    case = replace(case, readout=torch.cholesky_solve(sums.cross, factor).mT)
    case.sweeps.loss(case.hidden, case.readout)
    directions = some_directions(case)
    moves = case.sweeps.directional(case.hidden, case.readout, directions)
    correction, promise = best_combination(moves, factor)
    gradient = case.sweeps.gradient(case.hidden, case.readout, correction)
    for b in range(BATCH):
        h, jacobian, residual = case.features(case.hidden, b), case.flat_jacobian(b), case.residual(b)
        changes = torch.stack([jacobian @ flat_of(move, b) for move in directions])
        outside = torch.eye(h.shape[1], dtype=h.dtype) - torch.linalg.pinv(h) @ h
        projected = (changes.reshape(2, CHANNELS, -1) @ outside).reshape(2, -1)
        after = residual + correction.coefficients[b] @ projected
        expected = after @ jacobian / case.sweeps.samples
        phases = len(case.hidden.phases)
        torch.testing.assert_close(flat_of(gradient, b)[phases:], expected[phases:])
        torch.testing.assert_close(
            projected @ after,
            torch.zeros(2, dtype=h.dtype),
            rtol=0,
            atol=1e-4,
        )
        assert float(promise[b]) == pytest.approx(float(residual.square().sum() - after.square().sum()), rel=1e-4)


def test_threads_and_kept_activations_do_not_change_a_bit() -> None:
    results = []
    for keep, threads in ((True, 1), (True, 3), (False, 2)):
        case = make_case((4, 3), separable=True, keep=keep, threads=threads)
        gram = case.sweeps.evaluate(case.hidden).gram
        squares = case.sweeps.loss(case.hidden, case.readout)
        curvature = case.sweeps.curvature(case.hidden, case.readout, share=2, offset=1)
        gradient = case.sweeps.gradient(case.hidden, case.readout)
        moves = case.sweeps.directional(case.hidden, case.readout, some_directions(case))
        results.append(
            [tensor.tolist() for tensor in (gram, squares, curvature.input_side[0], *gradient.layers, moves.products)]
        )
    assert results[0] == results[1] == results[2]


def test_lines_of_many_tiles_take_bounded_memory_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case((4, 3), separable=True, keep=False)
    expected = sums_of(case)
    functions, bytes_of_two_lines = 5, 2 * 4 * 5 * 8  # of frequencies 0, 1 and 2; four neurons, float64
    tables: list[Tensor] = []

    def recorded(sines: SeparableSines, plan: Tensor, tiles: Sequence[Tile]) -> Lines:
        made = lines(sines, plan, tiles)
        tables.append(made.table)
        return made

    lines = SeparableSines.lines
    monkeypatch.setattr(SeparableSines, "lines", recorded)
    monkeypatch.setattr("tuner.fit.stripes.STRIPES", 1)
    counts = []
    for most in (bytes_of_two_lines, 2 * bytes_of_two_lines, 2**24):
        tables.clear()
        monkeypatch.setattr("tuner.fit.natural.separable.RUN_BYTES", most)
        for found, wanted in zip(sums_of(case), expected, strict=True):
            torch.testing.assert_close(found, wanted)
        assert all(table.shape[2] == functions and table.nbytes <= most for table in tables)
        counts.append(len(tables))
    assert counts == [4 * counts[2], 2 * counts[2], counts[2]]  # four tiles, of at most two lines


def sums_of(case: Case) -> list[Tensor]:
    """What every sweep gives."""
    normals = case.sweeps.evaluate(case.hidden)
    squares = case.sweeps.loss(case.hidden, case.readout)
    curvature = case.sweeps.curvature(case.hidden, case.readout, share=1, offset=0)
    gradient = case.sweeps.gradient(case.hidden, case.readout)
    moves = case.sweeps.directional(case.hidden, case.readout, some_directions(case))
    return [normals.gram, normals.cross, squares, *curvature.output_side, *gradient.layers, moves.products]


def test_a_second_point_does_not_disturb_the_first() -> None:
    case = make_case((4,), separable=True, keep=True)
    before = case.sweeps.loss(case.hidden, case.readout)
    case.sweeps.evaluate(case.hidden.plus([(torch.tensor([0.5, 1.0]), case.hidden)]))
    assert torch.equal(case.sweeps.loss(case.hidden, case.readout), before)


def test_some_of_the_members_go_on_alone() -> None:
    case = make_case((4, 3), separable=True, keep=True)
    both = case.sweeps.loss(case.hidden, case.readout)
    last = torch.tensor([1])
    alone = case.sweeps.of(last).loss(case.hidden.of(last), case.readout[last])
    torch.testing.assert_close(alone, both[1:])


@pytest.mark.parametrize("separable", [True, False])
def test_points_that_are_not_seen_weigh_nothing(separable: bool) -> None:
    case = make_case((4, 3), separable=separable, keep=separable)
    whole = case.sweeps
    seen_P = torch.arange(whole.sines.points) % 5 != 2
    axes = [(2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1 for n in SHAPE]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    coords = whole.sines.arrange(grid)[:, seen_P].T
    k = torch.tensor([[0, 1], [1, 0], [1, 1], [2, -1], [0, 2]])
    few = Sweeps(DenseSines(k, PERIOD, coords, 12), whole.targets_BCP[:, :, seen_P], (4, 3), keep=False, threads=2)
    # Whatever the others are, not a number included, must not matter.
    targets = torch.where(seen_P, whole.targets_BCP, float("nan"))
    masked = Sweeps(whole.sines, targets, (4, 3), keep=separable, threads=2, seen_P=seen_P)
    assert masked.samples == few.samples == int(seen_P.sum())
    results = []
    for sweeps in (few, masked, masked.of(torch.arange(BATCH))):
        normals = sweeps.evaluate(case.hidden)
        squares = sweeps.loss(case.hidden, case.readout)
        gradient = sweeps.gradient(case.hidden, case.readout)
        moves = sweeps.directional(case.hidden, case.readout, some_directions(case))
        correction, promise = best_combination(moves, solve_readout(normals, 1e-6).factor)
        later = sweeps.gradient(case.hidden, case.readout, correction)
        results.append([normals.gram, normals.cross, squares, *gradient.layers, moves.products, promise, *later.layers])
    for expected, found, part in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(part, expected, rtol=1e-6, atol=1e-8)
