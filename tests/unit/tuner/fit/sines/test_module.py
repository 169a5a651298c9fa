"""The network: periodic, frozen where it must be, of the right initial scale, and the same after a round trip."""

from typing import Any

import numpy as np
import pytest
import torch

from tuner.errors import ConfigError
from tuner.fit.sines.module import SineNetwork, initial_parameters
from tuner.network.parameters import HiddenLayer
from tuner.network.sines.config import NetworkConfig
from tuner.network.sines.frequencies import axis_limits
from tuner.network.sines.parameters import SineParameters
from tuner.signal.grid import Grid

GRID = Grid((48, 32), 2.5)


def network(hidden: tuple[int, ...] = (24,), frequencies: int = 40, grid: Grid = GRID, **options: Any) -> SineNetwork:
    config = NetworkConfig(frequencies=frequencies, hidden=hidden, **options)
    return SineNetwork.initial(config, grid, 3, seed=2)


@pytest.mark.parametrize("hidden", [(24,), (24, 16), (12, 8, 6)])
@pytest.mark.parametrize("period", [2.1, 3.0])
def test_the_network_repeats_after_one_period_along_every_axis(hidden: tuple[int, ...], period: float) -> None:
    net = network(hidden, grid=Grid((48, 32), period)).double()
    coords = torch.rand(50, 2, dtype=torch.float64) * 2 - 1
    for axis in torch.eye(2, dtype=torch.float64):
        torch.testing.assert_close(net(coords + period * axis), net(coords), rtol=0, atol=1e-10)
        assert not torch.allclose(net(coords + 0.9 * period * axis), net(coords), atol=1e-2)


def test_the_formula_is_the_one_of_the_paper() -> None:
    net = network((24, 16))
    p = net.parameters_numpy()
    coords = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
    values = np.sin(coords @ (2 * np.pi / p.period * p.frequencies).T + p.phases)
    for layer in p.hidden:
        values = np.sin(values @ layer.weight.T + layer.bias)
    values = values @ p.readout_weight.T + p.readout_bias
    np.testing.assert_allclose(net(torch.tensor(coords)).detach().numpy(), values, atol=2e-6)


def test_frequencies_are_integers_and_not_trained() -> None:
    net = network()
    assert net.frequencies_MD.dtype == torch.int32
    assert "frequencies_MD" not in dict(net.named_parameters())
    assert set(dict(net.named_parameters())) == {
        "phases_M", "hidden.0.weight_HM", "hidden.0.bias_H", "readout_weight_CH", "readout_bias_C",
    }  # fmt: skip


@pytest.mark.parametrize(("frequencies", "hidden"), [(40, 16), (364, 256), (800, 64)])
@pytest.mark.parametrize("deviation", [0.5, 1.4])
@pytest.mark.parametrize("bounded", [True, False])
def test_initial_pre_activations_have_the_same_deviation_whatever_the_width(
    frequencies: int, hidden: int, deviation: float, bounded: bool
) -> None:
    net = network((hidden,), frequencies, Grid((256, 200), 2.5), deviation=deviation, bounded=bounded)
    coords = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        pre = net.input_sines(coords) @ net.layers[0].weight_HM.T
    assert float(pre.std()) == pytest.approx(deviation, rel=0.2)


def test_the_initial_network_keeps_its_bounds() -> None:
    config = NetworkConfig(frequencies=6, hidden=(32, 16), bound_low=0.3, bound_high=0.1, bound_deep=0.05)
    p = initial_parameters(config, GRID, 3, seed=0)
    low = axis_limits(GRID.nyquist, config.low_limit)
    for layer in p.hidden:
        assert layer.bounds is not None
        assert (np.abs(layer.weight) <= layer.bounds).all()
        assert (np.abs(layer.weight) == layer.bounds).any(), "the projection is at work"
    inside = (np.abs(p.frequencies) <= low).all(axis=1)
    np.testing.assert_array_equal(p.hidden[0].bounds == np.float32(0.3), inside)


@pytest.mark.parametrize("hidden", [(24,), (24, 16)])
def test_arrays_and_back_change_nothing(hidden: tuple[int, ...]) -> None:
    net = network(hidden)
    again = SineNetwork.from_parameters(net.parameters_numpy())
    coords = torch.rand(9, 2)
    assert torch.equal(net(coords), again(coords))
    expected = sum(p.numel() for p in net.parameters())
    assert net.parameters_numpy().weight_count == expected


def test_arrays_are_copies() -> None:
    net = network()
    before = net.parameters_numpy()
    kept = before.phases.copy()
    with torch.no_grad():
        net.phases_M.add_(1.0)
    np.testing.assert_array_equal(before.phases, kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequencies", 0), ("hidden", ()), ("hidden", (8, 0)), ("period", 2.0), ("period", float("inf")),
        ("low_share", 1.1), ("low_limit", 0.0), ("low_limit", 0.5), ("band_limit", 1.2), ("bound_low", 0.0),
        ("bound_high", float("nan")), ("bound_deep", -1.0), ("deviation", 0.0),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    settings: dict[str, object] = {"frequencies": 8, name: value}
    with pytest.raises(ConfigError, match=name):
        NetworkConfig(**settings)  # type: ignore[arg-type]


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    p = network().parameters_numpy()
    with pytest.raises(ConfigError, match=r"phases is float32 \(39,\), expected float32 \(40,\)"):
        SineParameters(
            frequencies=p.frequencies, period=p.period, phases=p.phases[1:], hidden=p.hidden,
            readout_weight=p.readout_weight, readout_bias=p.readout_bias,
        )  # fmt: skip
    with pytest.raises(ConfigError, match="bounds"):
        HiddenLayer(weight=p.hidden[0].weight, bias=p.hidden[0].bias, bounds=np.ones(3, np.float32))
