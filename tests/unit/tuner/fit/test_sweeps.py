"""Sums over samples, against the same sums made with autograd and explicit Jacobians on a tiny network."""

from dataclasses import dataclass
from itertools import pairwise
from math import pi

import pytest
import torch
from torch import Tensor

from tuner.fit.direction import solve_readout
from tuner.fit.sums import Hidden
from tuner.fit.sweeps import Sweeps
from tuner.network.separable import SeparableSines
from tuner.network.sines import DenseSines

PERIOD, SHAPE, CHANNELS = 2.5, (7, 6), 2


@dataclass(frozen=True)
class Case:
    sweeps: Sweeps
    hidden: Hidden
    readout: Tensor
    angle_MP: Tensor

    def outputs(self, hidden: Hidden) -> Tensor:
        """(C, P) from first principles."""
        value = torch.sin(self.angle_MP + hidden.phases[:, None])
        for layer in hidden.layers:
            value = torch.sin(layer[:, :-1] @ value + layer[:, -1:])
        return self.readout[:, :-1] @ value + self.readout[:, -1:]

    def flat_jacobian(self) -> Tensor:
        """(C P, all hidden parameters): phases first, then the layers."""
        shapes = [self.hidden.phases, *self.hidden.layers]

        def outputs_of(flat: Tensor) -> Tensor:
            parts = [
                part.reshape(s.shape)
                for part, s in zip(torch.split(flat, [s.numel() for s in shapes]), shapes, strict=True)
            ]
            return self.outputs(Hidden(parts[0], tuple(parts[1:]))).reshape(-1)

        jacobian: Tensor = torch.autograd.functional.jacobian(outputs_of, flat_of(self.hidden))  # type: ignore[no-untyped-call]
        return jacobian


def flat_of(hidden: Hidden) -> Tensor:
    return torch.cat([hidden.phases, *(layer.reshape(-1) for layer in hidden.layers)])


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def make_case(widths: tuple[int, ...], *, separable: bool, keep: bool, threads: int = 2) -> Case:
    k = torch.tensor([[0, 1], [1, 0], [1, 1], [2, -1], [0, 2]])
    axes = [(2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1 for n in SHAPE]
    coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    sines = SeparableSines(k, PERIOD, axes, 12) if separable else DenseSines(k, PERIOD, coords, 12)
    sizes = [len(k), *widths]
    layers = tuple(normal(out, into + 1) for into, out in pairwise(sizes))
    sweeps = Sweeps(sines, sines.arrange(normal(len(coords), CHANNELS)), widths, keep=keep, threads=threads)
    readout = normal(CHANNELS, widths[-1] + 1)
    return Case(sweeps, Hidden(normal(len(k)), layers), readout, 2 * pi / PERIOD * k.double() @ coords.T)


@pytest.fixture(params=[((4,), True), ((4, 3), False), ((4, 3, 5), True)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    widths, separable = request.param
    return make_case(widths, separable=separable, keep=separable)


def features(case: Case) -> Tensor:
    """h~, (H + 1, P)."""
    value = torch.sin(case.angle_MP + case.hidden.phases[:, None])
    for layer in case.hidden.layers:
        value = torch.sin(layer[:, :-1] @ value + layer[:, -1:])
    return torch.cat([value, torch.ones(1, value.shape[1], dtype=torch.float64)])


def test_normal_equations_and_their_solution(case: Case) -> None:
    h, y = features(case), case.sweeps.targets_CP
    normal_equations = case.sweeps.evaluate(case.hidden)
    torch.testing.assert_close(normal_equations.gram, h @ h.T)
    torch.testing.assert_close(normal_equations.cross, h @ y.T)
    readout = solve_readout(normal_equations, 1e-12)
    expected = torch.linalg.lstsq(h.T, y.T).solution.T
    torch.testing.assert_close(readout.matrix.double(), expected, rtol=1e-4, atol=1e-5)


def test_loss_and_gradient(case: Case) -> None:
    residual = case.outputs(case.hidden) - case.sweeps.targets_CP
    squares = case.sweeps.loss(case.hidden, case.readout)
    assert squares == pytest.approx(float(residual.square().sum()))
    slopes = case.sweeps.gradients(case.hidden, case.readout, share=1, offset=0)
    expected = residual.reshape(-1) @ case.flat_jacobian() / case.sweeps.samples
    torch.testing.assert_close(flat_of(slopes.gradient), expected)


def test_curvature_factors_are_exact_for_their_layer(case: Case) -> None:
    """One neuron's bias: its Gauss-Newton diagonal is the diagonal of the output-side factor."""
    case.sweeps.loss(case.hidden, case.readout)
    slopes = case.sweeps.gradients(case.hidden, case.readout, share=1, offset=0)
    jacobian = case.flat_jacobian()
    offset = len(case.hidden.phases)
    for layer, output_side in zip(case.hidden.layers, slopes.output_side, strict=True):
        rows, columns = layer.shape
        bias = jacobian[:, offset + columns - 1 : offset + rows * columns : columns]
        torch.testing.assert_close(output_side, bias.T @ bias / case.sweeps.samples)
        offset += rows * columns


def test_curvature_from_a_share_of_the_samples(case: Case) -> None:
    case.sweeps.loss(case.hidden, case.readout)
    full = case.sweeps.gradients(case.hidden, case.readout, share=1, offset=0)
    parts = [case.sweeps.gradients(case.hidden, case.readout, share=3, offset=offset) for offset in range(3)]
    mean = sum(part.output_side[0] for part in parts) / 3  # 42 samples: 14 in each part
    torch.testing.assert_close(mean, full.output_side[0])
    torch.testing.assert_close(flat_of(parts[1].gradient), flat_of(full.gradient))


@pytest.mark.parametrize("phases", [False, True])
def test_directional_derivatives(case: Case, phases: bool) -> None:
    case.sweeps.loss(case.hidden, case.readout)
    turn = normal(len(case.hidden.phases)) if phases else torch.zeros_like(case.hidden.phases)
    directions = [
        Hidden(turn, tuple(normal(*layer.shape) + 1 for layer in case.hidden.layers)),
        Hidden(torch.zeros_like(turn), tuple(normal(*layer.shape) - 1 for layer in case.hidden.layers)),
    ]
    moves = case.sweeps.directional(case.hidden, case.readout, directions)
    jacobian = case.flat_jacobian()
    changes = torch.stack([jacobian @ flat_of(direction) for direction in directions])
    residual = (case.outputs(case.hidden) - case.sweeps.targets_CP).reshape(-1)
    torch.testing.assert_close(moves.products, changes @ changes.T)
    torch.testing.assert_close(moves.residual_products, changes @ residual)
    by_channel = changes.reshape(2, CHANNELS, -1)
    torch.testing.assert_close(moves.feature_products, torch.einsum("hp,kcp->khc", features(case), by_channel))

    small = 1e-6
    ahead = case.outputs(case.hidden.plus([(small, directions[0])]))
    behind = case.outputs(case.hidden.plus([(-small, directions[0])]))
    finite = ((ahead - behind) / (2 * small)).reshape(-1)
    torch.testing.assert_close(changes[0], finite, rtol=1e-5, atol=1e-7)


def test_threads_and_kept_activations_do_not_change_a_bit() -> None:
    results = []
    for keep, threads in ((True, 1), (True, 3), (False, 2)):
        case = make_case((4, 3), separable=True, keep=keep, threads=threads)
        gram = case.sweeps.evaluate(case.hidden).gram
        squares = case.sweeps.loss(case.hidden, case.readout)
        slopes = case.sweeps.gradients(case.hidden, case.readout, share=2, offset=1)
        results.append((gram.tolist(), squares, flat_of(slopes.gradient).tolist(), slopes.input_side[0].tolist()))
    assert results[0] == results[1] == results[2]


def test_a_second_point_does_not_disturb_the_first() -> None:
    case = make_case((4,), separable=True, keep=True)
    before = case.sweeps.loss(case.hidden, case.readout)
    case.sweeps.evaluate(case.hidden.plus([(0.5, case.hidden)]))
    assert case.sweeps.loss(case.hidden, case.readout) == before
