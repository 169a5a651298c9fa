"""The networks of others, held to what their authors say of them."""

from math import pi, sqrt

import numpy as np
import pytest
import torch

from tuner.experiment.networks.bacon import Bacon
from tuner.experiment.networks.relu import FourierFeatures, Relu
from tuner.experiment.networks.siren import Finer, Siren
from tuner.signal.grid import Grid

COORDS = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_sirens_weights_have_the_published_ranges() -> None:
    first, hidden, readout = (layer.get_parameter("weight") for layer in Siren(2, 3, (200, 150), seed=0).layers)
    for weight, limit in [(first, 1 / 2), (hidden, sqrt(6 / 200) / 30), (readout, sqrt(6 / 150) / 30)]:
        assert 0.95 * limit < float(weight.detach().abs().max()) <= limit


def test_sirens_omega_multiplies_the_bias_too() -> None:
    net = Siren(1, 1, (1,), seed=0, omega_first=7.0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.5)
    assert float(net(torch.tensor([[0.2]])).item()) == pytest.approx(0.5 * np.sin(7 * (0.5 * 0.2 + 0.5)) + 0.5)


def test_sirens_hidden_pre_activations_have_deviation_one_whatever_the_width() -> None:
    for width in (64, 512):
        net = Siren(2, 1, (width, width), seed=1)
        with torch.no_grad():
            pre = 30 * torch.sin(30 * net.layers[0](COORDS)) @ net.layers[1].get_parameter("weight").T
        assert float(pre.std()) == pytest.approx(1.0, rel=0.15)


def test_finer_is_faster_where_its_argument_is_large_but_not_for_the_gradient() -> None:
    net = Finer(1, 1, (1,), seed=0, omega_first=2.0)
    z = torch.tensor([0.7], requires_grad=True)
    value = net.wave(2.0, z)
    (slope,) = torch.autograd.grad(value, z)
    assert value.item() == pytest.approx(np.sin(2 * 1.7 * 0.7))
    assert slope.item() == pytest.approx(2 * 1.7 * np.cos(2 * 1.7 * 0.7))
    wide = Finer(2, 1, (100, 8), seed=0, first_bias=5.0).layers[0].get_parameter("bias")
    assert 4.5 < float(wide.detach().abs().max()) <= 5.0


def test_fourier_features_have_the_deviation_in_cycles_across_the_signal() -> None:
    net = FourierFeatures(2, 3, (2000, 8), seed=0, deviation=10.0)
    # One cycle across [-1, 1] is pi radians per unit.
    assert float((net.angular_FD / pi).std()) == pytest.approx(10.0, rel=0.05)
    assert "angular_FD" not in dict(net.named_parameters())


def test_fourier_features_do_not_scale_their_hidden_layer() -> None:
    """The published comparison multiplied pre-activations by its omega of 30."""
    correct = FourierFeatures(2, 3, (20, 8), seed=0)
    assert correct.mlp.hidden_scale == 1.0
    scaled = FourierFeatures(2, 3, (20, 8), seed=0, hidden_scale=30.0)
    assert not torch.allclose(correct(COORDS[:9]), scaled(COORDS[:9]))


def test_relu_networks_are_piecewise_linear() -> None:
    net = Relu(1, 1, (6,), seed=0)
    x = torch.linspace(-1, 1, 2001)[:, None]
    with torch.no_grad():
        bends = net(x)[2:] - 2 * net(x)[1:-1] + net(x)[:-2]
    assert int((bends.abs() > 1e-6).sum()) <= 2 * 6


@pytest.mark.parametrize(("layers", "band_limit"), [(2, 0.5), (4, 0.8)])
def test_bacon_holds_nothing_above_its_band(layers: int, band_limit: float) -> None:
    grid = Grid((32, 48), 3.0)
    net = Bacon(grid, 1, (12,) * layers, seed=0, band_limit=band_limit).double()
    period = [torch.arange(n, dtype=torch.float64) / n * grid.period for n in (64, 80)]
    coords = torch.stack(torch.meshgrid(*period, indexing="ij"), -1).reshape(-1, 2)
    with torch.no_grad():
        spectrum = np.abs(np.fft.fft2(net(coords).numpy().reshape(64, 80))) / (64 * 80)
    above = [
        np.abs(np.fft.fftfreq(n, 1 / n)) > band_limit * limit for n, limit in zip((64, 80), grid.nyquist, strict=True)
    ]
    outside = above[0][:, None] | above[1][None, :]
    assert spectrum[outside].max() < 1e-12
    assert spectrum[~outside].max() > 1e-2
