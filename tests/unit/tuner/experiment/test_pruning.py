"""Columns that are pruned stay pruned, and they are those of the smallest norm; watched samples choose the network."""

import numpy as np
import pytest
import torch

from tests.unit.tuner.experiment.worlds import colour_samples, recipe
from tuner.errors import ConfigError
from tuner.experiment.methods import REGIMES, Regime, hidden_sines, make_network, method
from tuner.experiment.networks.mrnet import MRNet
from tuner.experiment.pruning import PruningConfig, sparsity
from tuner.experiment.samples import Samples
from tuner.experiment.training import Curves, train
from tuner.fit.config import WatchConfig
from tuner.fit.sines.trainable import Network, weight_count
from tuner.signal.signal import Signal


def made(regime: Regime, widths: tuple[int, ...] = (20, 8, 6)) -> Network:
    return make_network(REGIMES[regime], colour_samples().grid, 3, widths=widths, seed=0)


@pytest.mark.parametrize("regime", list(Regime))
def test_pruned_columns_are_the_smallest_and_stay_at_zero(regime: Regime) -> None:
    network, whole = made(regime), made(regime)
    prune = PruningConfig(share=0.5, after=0.4)
    curves = train(network, colour_samples(), recipe(30, learning_rate=5e-3, prune=prune), seed=0)
    layers = hidden_sines(network)
    stages = network.detail if isinstance(network, MRNet) else 1
    assert [report.layer for report in curves.pruned] == list(range(len(layers)))
    assert [report.step for report in curves.pruned] == [
        30 // stages * stage + round(0.4 * 30 / stages) for stage in range(stages) for _ in range(len(layers) // stages)
    ]
    for layer, report in zip(layers, curves.pruned, strict=True):
        zero = (layer.weight_HM == 0).all(dim=0)
        assert int(zero.sum()) == report.pruned == round(0.5 * layer.weight_HM.shape[1])
        assert report.largest_pruned <= report.smallest_kept
    assert sparsity(network)["weights"] == sum(p.numel() for p in whole.parameters()) - sum(
        tensor.numel() for name, tensor in whole.named_parameters() if name.endswith("bounds_M")
    )
    assert np.mean(curves.losses[-5:]) < np.mean(curves.losses[:3]), "and it goes on learning"


def test_one_column_always_stays() -> None:
    network = made(Regime.FIXED_BOUNDS, (8, 3))
    train(network, colour_samples(), recipe(2, prune=PruningConfig(share=0.99)), seed=0)
    (layer,) = hidden_sines(network)
    assert int((layer.weight_HM != 0).any(dim=0).sum()) == 1


def test_there_must_be_something_to_prune() -> None:
    network = make_network(method("relu"), colour_samples().grid, 3, widths=(8, 4), seed=0)
    with pytest.raises(ConfigError, match="no hidden sine layers"):
        train(network, colour_samples(), recipe(2, prune=PruningConfig()), seed=0)
    assert sparsity(network)["weights"] == weight_count(network)


def noisy() -> Samples:
    """Little signal and much noise, so that a large network soon knows too much."""
    random = np.random.default_rng(3)
    y, x = np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 1, 24), indexing="ij")
    values = 0.3 + 0.4 * x * y + 0.15 * random.standard_normal(x.shape)
    return Samples.of(Signal(values=values.astype(np.float32)[..., None]), 2.5, held_out=0.1, seed=0)


WATCH = WatchConfig(share=0.1, every=5, patience=60, margin_db=0.0)


@pytest.mark.parametrize("regime", [Regime.FIXED_BOUNDS, Regime.LEARNED_BOUNDS_MRNET])
def test_watched_samples_end_a_training_that_gets_worse(regime: Regime) -> None:
    samples = noisy()

    def trained(steps: int, watch: WatchConfig | None) -> tuple[Network, Curves]:
        network = make_network(REGIMES[regime], samples.grid, 1, widths=(100, 60), seed=0)
        settings = recipe(steps, learning_rate=4e-3, watch=watch, measure_every=1000)
        return network, train(network, samples, settings, seed=0)

    kept, curves = trained(900, WATCH)
    best, taken = curves.best_step, len(curves.losses)
    assert best is not None
    assert 0 < best == taken - WATCH.patience
    assert taken < 900
    final, last = curves.final, curves.measurements[-1]
    assert (final.step, last.step) == (best, taken)
    assert final.watched_psnr_db is not None
    assert last.watched_psnr_db is not None
    assert final.watched_psnr_db > last.watched_psnr_db
    if (
        regime is Regime.FIXED_BOUNDS
    ):  # the stages of an MR-Net share the steps, so that fewer steps are another training
        until_then, _ = trained(best, WATCH)
        assert all(torch.equal(a, b) for a, b in zip(kept.parameters(), until_then.parameters(), strict=True))


def test_watched_samples_are_not_learnt_from_and_are_not_those_that_are_held_out() -> None:
    samples = noisy()
    network = make_network(REGIMES[Regime.FIXED_BOUNDS], samples.grid, 1, widths=(20, 8), seed=0)
    curves = train(network, samples, recipe(3, watch=WatchConfig(share=0.1, every=1), measure_every=1), seed=0)
    measured = curves.measurements[-1]
    assert measured.watched_psnr_db is not None
    assert measured.watched_psnr_db != measured.test_psnr_db
    with pytest.raises(ConfigError, match="expected some to learn from"):
        train(network, samples, recipe(3, watch=WatchConfig(share=0.999)), seed=0)
