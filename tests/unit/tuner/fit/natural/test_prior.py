"""The prior on the weights: its sums against explicit ones, its strength where it is known, and what it is for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.signals import blob
from tuner.errors import ConfigError
from tuner.fit.config import Budget, FitConfig, NaturalGradientConfig
from tuner.fit.natural.batch import fit_batch
from tuner.fit.natural.direction import PriorPreconditioner
from tuner.fit.natural.prior import Prior
from tuner.fit.natural.sums import Curvature, Hidden, Moves
from tuner.fit.sines.fit import FitResult, fit
from tuner.network.sines.config import NetworkConfig
from tuner.signal.signal import Signal

BATCH, SIZES = 2, ((4, 5), (3, 4))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


def point(seed: int) -> Hidden:
    layers = tuple(normal(BATCH, out, into + 1, seed=seed) for out, into in SIZES)
    return Hidden(torch.zeros(SIZES[0][1], dtype=torch.float64), layers)


def prior() -> Prior:
    made = Prior([normal(into).abs() + 0.1 for _, into in SIZES], BATCH)
    made.strength = torch.tensor([0.3, 0.7], dtype=torch.float64)
    return made


def test_its_gradient_is_that_of_its_energy() -> None:
    prior_, here = prior(), point(1)
    layers = tuple(layer.clone().requires_grad_() for layer in here.layers)
    (0.5 * prior_.strength * prior_.energy(Hidden(here.phases, layers))).sum().backward()  # type: ignore[no-untyped-call]
    pulled = prior_.pulled(here.still(), here)
    for layer, slope in zip(layers, pulled.layers, strict=True):
        torch.testing.assert_close(layer.grad, slope)


def test_the_quadratic_model_holds_it_exactly() -> None:
    prior_, here, directions = prior(), point(1), [point(2), point(3)]
    bare = Moves(
        torch.zeros(BATCH, 2, 2).double(), torch.zeros(BATCH, 2).double(), torch.zeros(BATCH, 2, 1, 1).double()
    )
    moves = prior_.added(bare, here, directions, samples=10)
    factors = normal(BATCH, 2)
    there = here.plus(list(zip(factors.T, directions, strict=True)))
    expected = 10 * prior_.strength * (prior_.energy(there) - prior_.energy(here))
    quadratic = torch.einsum("bk,bkl,bl->b", factors, moves.products, factors)
    torch.testing.assert_close(quadratic + 2 * (factors * moves.residual_products).sum(1), expected)


def test_the_preconditioner_inverts_curvature_and_prior_together() -> None:
    prior_ = prior()
    spread = [(normal(BATCH, out, 9), normal(BATCH, into + 1, 9)) for out, into in SIZES]
    outputs, inputs = zip(*((g @ g.mT, a @ a.mT) for g, a in spread), strict=True)
    inputs = (inputs[0][:1].expand(BATCH, -1, -1), *inputs[1:])
    damping = torch.full((BATCH,), 1e-9, dtype=torch.float64)
    made = PriorPreconditioner(Curvature(outputs, inputs[1:]), inputs[0][0], point(1), damping, prior_)
    slopes = point(4)
    found = made.direction(slopes)
    for layer, (g, a) in enumerate(zip(outputs, inputs, strict=True)):
        costs = torch.cat([prior_.costs[layer], prior_.costs[layer].min()[None]])
        for member in range(BATCH):
            curvature = torch.kron(g[member], a[member]) + prior_.strength[member] * torch.kron(
                torch.eye(len(g[member]), dtype=torch.float64), costs.diag()
            )
            expected = -torch.linalg.solve(curvature, slopes.layers[layer][member].reshape(-1))
            torch.testing.assert_close(found.layers[layer][member].reshape(-1), expected, rtol=1e-5, atol=1e-7)
    assert bool((made.determined > 0).all())
    assert bool((made.determined < sum(out * (into + 1) for out, into in SIZES)).all())


SHAPE = (20, 18)
CLEAN = blob(SHAPE)
NOISY = Signal(values=(CLEAN + np.random.default_rng(0).normal(0, 0.05, CLEAN.shape)).astype(np.float32))
CONFIG = FitConfig(
    network=NetworkConfig(frequencies=40, hidden=(16,), low_limit=0.2, band_limit=0.8),
    budget=Budget(max_steps=12),
    trainer=NaturalGradientConfig(prior=1.0),
)


@pytest.mark.parametrize("hidden", [(16,), (12, 10)], ids=str)
def test_a_fit_with_it_learns_less_noise(hidden: tuple[int, ...]) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, hidden=hidden))
    held, free = (
        fit(NOISY, each, held_out=0.15) for each in (config, replace(config, trainer=NaturalGradientConfig()))
    )
    assert held.held_out_psnr_db is not None
    assert free.held_out_psnr_db is not None
    assert held.held_out_psnr_db > free.held_out_psnr_db + 1.0
    assert held.psnr_db - held.held_out_psnr_db < 0.7 * (free.psnr_db - free.held_out_psnr_db)


def test_a_batch_has_it_too() -> None:
    other = Signal(values=NOISY.values[::-1].copy())
    for signal, ended in zip((NOISY, other), fit_batch([NOISY, other], CONFIG), strict=True):
        assert isinstance(ended, FitResult)
        # Later on the last bits have grown: verdicts on steps differ.
        assert ended.history[:5] == pytest.approx(fit(signal, CONFIG).history[:5], rel=0.01)


def test_phases_and_a_prior_are_not_trained_together() -> None:
    with pytest.raises(ConfigError, match="prior is 1"):
        NaturalGradientConfig(prior=1.0, train_phases=True)
    with pytest.raises(ConfigError, match="prior is -1"):
        NaturalGradientConfig(prior=-1.0)
