"""Every network behind one signature, in any dimension, and of the size that was asked for."""

import pytest
import torch

from tuner.errors import ConfigError
from tuner.experiment.networks.registry import Architecture, build, weights_of, width_for
from tuner.fit.sines.trainable import Network, gradients, weight_count
from tuner.signal.grid import Grid

SHAPES = [(300,), (24, 18), (9, 8, 10), (6, 5, 6, 5)]
ALL = pytest.mark.parametrize("architecture", list(Architecture))


def network(architecture: Architecture, shape: tuple[int, ...], channels: int = 2, width: int = 10) -> Network:
    return build(architecture, Grid(shape, 2.5), channels, widths=(width, width), seed=3)


@ALL
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("channels", [1, 5])
def test_coordinates_in_values_out(architecture: Architecture, shape: tuple[int, ...], channels: int) -> None:
    net = network(architecture, shape, channels)
    coords = torch.rand(7, len(shape)) * 2 - 1
    values = net(coords)
    assert values.shape == (7, channels)
    assert bool(torch.isfinite(values).all())
    torch.testing.assert_close(net(coords[2:4]), values[2:4])  # every point on its own


@ALL
def test_the_same_seed_gives_the_same_network(architecture: Architecture) -> None:
    coords = torch.rand(5, 2)
    first, second = network(architecture, (24, 18)), network(architecture, (24, 18))
    assert torch.equal(first(coords), second(coords))
    other = build(architecture, Grid((24, 18), 2.5), 2, widths=(10, 10), seed=4)
    assert not torch.equal(first(coords), other(coords))


@ALL
@pytest.mark.parametrize("widths", [(12, 8), (12, 12, 12)])
@pytest.mark.parametrize("shape", [(900,), (240, 180)], ids=str)
def test_weights_are_counted_without_making_the_network(
    architecture: Architecture, widths: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    if architecture is Architecture.BACON:
        widths = (12,) * len(widths)
    net = build(architecture, Grid(shape, 2.5), 3, widths=widths, seed=0)
    assert weight_count(net) == weights_of(architecture, widths, dimensions=len(shape), channels=3)


@ALL
@pytest.mark.parametrize("budget", [1_000, 66_819])
@pytest.mark.parametrize("layers", [2, 4])
def test_the_width_for_a_budget_is_the_largest_that_fits(architecture: Architecture, budget: int, layers: int) -> None:
    def weights(width: int) -> int:
        return weights_of(architecture, (width,) * layers, dimensions=2, channels=3)

    width = width_for(architecture, budget, dimensions=2, channels=3, layers=layers)
    step = 2 if architecture is Architecture.FFM else 1
    assert weights(width) <= budget < weights(width + step)


def test_the_papers_widths_follow_from_its_weights() -> None:
    assert width_for("tuner", 66_819, dimensions=2, channels=3) == 256
    assert width_for("tuner", 175_139, dimensions=2, channels=3) == 416


@ALL
def test_gradients_are_those_of_finite_differences(architecture: Architecture) -> None:
    net = network(architecture, (24, 18)).double()
    coords = torch.rand(6, 2, dtype=torch.float64) * 2 - 1
    slopes = gradients(net, coords)
    assert slopes.shape == (6, 2, 2)
    for axis, shift in enumerate(torch.eye(2, dtype=torch.float64) * 1e-6):
        difference = (net(coords + shift) - net(coords - shift)) / 2e-6
        torch.testing.assert_close(slopes[:, :, axis], difference.detach(), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_built_is_refused_with_what_could_be() -> None:
    grid = Grid((8, 8), 2.5)
    with pytest.raises(ConfigError, match=r"'sirene', expected one of tuner, siren"):
        build("sirene", grid, 1, widths=(4, 4), seed=0)
    with pytest.raises(ConfigError, match=r"omega is no option of siren, expected one of omega_first, omega_hidden"):
        build("siren", grid, 1, widths=(4, 4), seed=0, omega=3.0)
    with pytest.raises(ConfigError, match="at least two"):
        build("siren", grid, 1, widths=(4,), seed=0)
    with pytest.raises(ConfigError, match="even number"):
        build("ffm", grid, 1, widths=(5, 4), seed=0)
    with pytest.raises(ConfigError, match="expected equal ones"):
        build("bacon", grid, 1, widths=(5, 4), seed=0)
    with pytest.raises(ConfigError, match="too few"):
        width_for("siren", 5, dimensions=2, channels=1)
