"""What is wrong in the published code, a test per defect that it would fail; and the method's invariants.

The numbers of the defects are those of docs/decisions/0013-regimes-and-baselines.md.
"""

from math import pi

import numpy as np
import pytest
import torch

from tests.unit.tuner.experiment.worlds import PERIOD, colour_samples, picture, recipe
from tuner.experiment.methods import REGIMES, Regime, hidden_sines, make_network
from tuner.experiment.networks.learned_bounds import learned
from tuner.experiment.samples import Samples, centre_crop
from tuner.experiment.training import measurement, train
from tuner.fit.sines.bounds import column_bounds
from tuner.fit.sines.module import SineNetwork, initial_parameters
from tuner.metrics import gradient_psnr_db, held_out_mask, sobel_magnitude
from tuner.network.sines.config import NetworkConfig
from tuner.network.sines.frequencies import axis_limits, choose_frequencies
from tuner.shapes import IntArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal


def frequencies(count: int, grid: Grid, seed: int = 777) -> IntArray:
    return choose_frequencies(count, grid.nyquist, low_share=0.7, low_limit=0.05, band_limit=1 / 3, seed=seed)


def test_defect_1_the_low_box_is_decided_by_absolute_integers() -> None:
    """Published: multiplied by pi^2 too much, and the maximum taken with the sign."""
    grid = Grid((512, 512), 2.5)
    k = frequencies(416, grid)
    limits = axis_limits(grid.nyquist, 0.05)
    bounds = column_bounds(k, limits, bound_low=1.0, bound_high=0.6)
    by_hand = [1.0 if max(abs(int(i)) for i in row) <= limits[0] else 0.6 for row in k]
    np.testing.assert_allclose(bounds, by_hand)

    signed = [1.0 if max(row) <= limits[0] else 0.6 for row in k.tolist()]
    scaled = [1.0 if max(map(abs, row)) * pi**2 <= limits[0] else 0.6 for row in k.tolist()]
    assert not np.allclose(bounds, signed)
    assert np.mean(~np.isclose(bounds, scaled)) > 0.2


def test_defect_2_only_hidden_weights_are_clamped() -> None:
    """Published, in one comparison: every matrix but the first, the output layer included."""
    network = make_network(REGIMES[Regime.FIXED_BOUNDS], colour_samples().grid, 3, widths=(20, 8, 6), seed=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(9.0)
    network.project()
    for name, parameter in network.named_parameters():
        clamped = name.endswith("weight_HM")
        assert bool((parameter == 9.0).all()) is not clamped, name
        if clamped:
            assert float(parameter.detach().max()) <= 1.0


def test_defect_3_learned_bounds_take_part_in_the_forward_pass() -> None:
    """Published: the product of bound and tanh went into an attribute that nothing read."""
    network = make_network(REGIMES[Regime.LEARNED_BOUNDS], colour_samples().grid, 3, widths=(20, 8), seed=0)
    (bound,) = learned(network)
    coords = colour_samples().coords_PD
    (slope,) = torch.autograd.grad(network(coords).square().mean(), [bound.bounds_M])
    assert float(slope.abs().min()) > 0.0
    before = network(coords)
    with torch.no_grad():
        bound.bounds_M.zero_()
    assert not torch.allclose(before, network(coords), atol=1e-3)


def test_defect_4_clamping_changes_the_weights_themselves() -> None:
    """Published: the result of the clamp was assigned to a local name and lost."""
    network = make_network(REGIMES[Regime.FIXED_BOUNDS], colour_samples().grid, 3, widths=(20, 8), seed=0)
    (layer,) = hidden_sines(network)
    with torch.no_grad():
        layer.weight_HM.mul_(100.0)
    before = layer.weight_HM.detach().clone()
    network.project()
    assert layer.bounds_M is not None
    assert bool((layer.weight_HM.abs() <= layer.bounds_M).all())
    assert not torch.equal(layer.weight_HM, before)


@pytest.mark.parametrize("period", [2.1, 2.5, 4.0])
@pytest.mark.parametrize("shape", [(512, 512), (512, 300), (64, 96)])
@pytest.mark.parametrize("count", [64, 256, 416])
def test_defect_5_no_repeats_no_zero_nothing_lost_and_a_band_that_follows_period_and_sides(
    period: float, shape: tuple[int, int], count: int
) -> None:
    """Published: draws with repeats, zero among them, the top sliced off, ranges that ignore the period."""
    grid = Grid(shape, period)
    k = frequencies(count, grid)
    halves = {max(tuple(row), tuple(-i for i in row)) for row in k.tolist()}
    assert len(halves) == len(k)
    assert (0, 0) not in halves
    assert {(1, 0), (0, 1)} <= halves
    band = axis_limits(grid.nyquist, 1 / 3)
    assert (np.abs(k) <= band).all()
    if len(k) == count > 64:
        # The corner region of the band is sampled: nothing cuts the largest frequencies off.
        assert (np.abs(k) >= 0.9 * np.array(band)).any(axis=0).all()


def test_defect_5_ranges_follow_the_period() -> None:
    """Published: B = 85 whatever the period, a third of Nyquist at p = 2 but a sixth at p = 4."""
    for period in (2.2, 3.0, 4.0):
        grid = Grid((512, 512), period)
        reached = np.abs(frequencies(416, grid)).max() / grid.nyquist[0]
        assert reached == pytest.approx(1 / 3, abs=0.01)


def test_defect_6_held_out_pixels_are_those_of_the_picture_and_not_of_its_transpose() -> None:
    """Published: the mask of a picture that is not square was made as width by height."""
    signal = picture(0, (20, 24))
    samples = Samples.of(signal, PERIOD, held_out=0.05, seed=3)
    mask = samples.held_out_P.reshape(20, 24)
    assert int(mask.sum()) == round(0.05 * 480)
    np.testing.assert_array_equal(samples.values_PC.numpy().reshape(20, 24, 3)[mask], signal.values[mask])
    rows, columns = np.nonzero(mask)
    axes = Grid((20, 24), PERIOD)
    expected = np.stack([axes.axis(0)[rows], axes.axis(1)[columns]], axis=1)
    np.testing.assert_array_equal(samples.coords_PD.numpy()[samples.held_out_P], expected)


def test_defect_6_held_out_pixels_are_never_learned_from() -> None:
    clean, spoiled = picture(0), picture(0)
    mask = held_out_mask(clean.sample_count, 0.2, seed=3).reshape(clean.grid_shape)
    spoiled = Signal(values=np.where(mask[..., None], 1.0 - clean.values, clean.values))
    results = []
    for signal in (clean, spoiled):
        samples = Samples.of(signal, PERIOD, held_out=0.2, seed=3)
        network = make_network(REGIMES[Regime.FIXED_BOUNDS], samples.grid, 3, widths=(40, 16), seed=0)
        train(network, samples, recipe(20), seed=0)
        results.append((network(samples.coords_PD), measurement(network, samples, step=20, loss=0.0)))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][1].train_psnr_db == results[1][1].train_psnr_db
    assert results[0][1].test_psnr_db != results[1][1].test_psnr_db


def test_defect_6_the_loss_is_a_mean_over_samples_and_channels() -> None:
    """Published: the device was passed where the mean or the sum is chosen."""
    samples = colour_samples()
    network = make_network(REGIMES[Regime.FIXED_BOUNDS], samples.grid, 3, widths=(20, 8), seed=0)
    coords_PD, values_PC = samples.seen()
    with torch.no_grad():
        by_hand = float((network(coords_PD).double() - values_PC).square().sum()) / values_PC.numel()
    curves = train(network, samples, recipe(1, batch_samples=10**6), seed=0)
    assert curves.losses[0] == pytest.approx(by_hand, rel=1e-4)


def test_defect_7_pictures_keep_their_aspect() -> None:
    """Published: 768 x 512 pictures were resized to squares, which doubles their frequencies along one side."""
    signal = picture(0, (20, 30))
    np.testing.assert_array_equal(centre_crop(signal, 20).values, signal.values[:, 5:25])
    grid = Grid((512, 768), 2.5)
    tall, wide = np.abs(frequencies(416, grid)).max(axis=0)
    assert wide / tall == pytest.approx(1.5, abs=0.03)  # the same number of cycles per pixel along both


def test_the_first_layer_is_frozen_and_its_phases_cover_half_a_turn() -> None:
    grid = Grid((256, 200), 2.5)
    parameters = initial_parameters(NetworkConfig(frequencies=300, hidden=(64,)), grid, 3, seed=0)
    assert np.abs(parameters.phases).max() <= pi / 2
    assert np.abs(parameters.phases).max() > 0.95 * pi / 2
    network = SineNetwork(parameters)
    assert not network.frequencies_MD.requires_grad
    torch.testing.assert_close(network.angular_MD, torch.tensor(parameters.frequencies) * (2 * pi / 2.5))


def test_the_gradient_metric_is_the_authors() -> None:
    """Analytic slopes of a ramp against Sobel's, min-max against maximum, at different luminance weights."""
    y, x = np.meshgrid(Grid((20,), 2.5).axis(0), Grid((24,), 2.5).axis(0), indexing="ij")
    grey = (0.5 + 0.3 * np.sin(4 * x + 3 * y)).astype(np.float32)
    image = np.repeat(grey[..., None], 3, axis=2)
    slopes = 0.3 * np.cos(4 * x + 3 * y)
    gradients = np.stack([3 * slopes, 4 * slopes], axis=-1)[:, :, None].repeat(3, axis=2).astype(np.float32)
    assert gradient_psnr_db(image, gradients) > 18.0
    assert gradient_psnr_db(image, np.abs(gradients[::-1]).copy()) < 14.0
    assert gradient_psnr_db(image, np.zeros_like(gradients)) < 12.0
    sobel = sobel_magnitude(image)
    assert float(sobel.max()) == 1.0
    # In the middle of the picture, by hand.
    down = (grey[11, 9:12] - grey[9, 9:12]) @ np.array([1, 2, 1])
    across = (grey[9:12, 11] - grey[9:12, 9]) @ np.array([1, 2, 1])
    largest = sobel[10, 10] / np.hypot(down, across)
    down = (grey[6, 14:17] - grey[4, 14:17]) @ np.array([1, 2, 1])
    across = (grey[4:7, 16] - grey[4:7, 14]) @ np.array([1, 2, 1])
    assert sobel[5, 15] / np.hypot(down, across) == pytest.approx(largest, rel=1e-4)
