"""Samples that are held out teach nothing and test the fit, whatever trains; scattered ones are fitted like grids."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.signals import blob, octahedron
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.config import (
    Budget,
    EikonalConfig,
    FirstOrderConfig,
    FitConfig,
    NaturalGradientConfig,
    Rule,
    Schedule,
    TrainerConfig,
)
from tuner.fit.first_order.blocks import PointBlocks, Points, SignalBlocks
from tuner.fit.progress import Progress, Verdict
from tuner.fit.sines.fit import fit
from tuner.fit.state import FitState
from tuner.metrics import held_out_mask
from tuner.network.sines.config import NetworkConfig
from tuner.representation import Representation
from tuner.signal.grid import Grid
from tuner.signal.mesh import distance_signal
from tuner.signal.scattered import on_grid, scattered_signal
from tuner.signal.signal import Signal

ADAM = FirstOrderConfig(learning_rate=2e-2)
TRAINERS: dict[str, TrainerConfig] = {
    "natural gradient": NaturalGradientConfig(),
    "whole grid": ADAM,
    "blocks": replace(ADAM, batch_samples=60),
    "trained readout": replace(ADAM, solve_readout=False),
    "Muon": replace(ADAM, rule=Rule.MUON),
    "schedule-free": replace(ADAM, rule=Rule.SCHEDULE_FREE, schedule=Schedule.CONSTANT),
    "L-BFGS": FirstOrderConfig(rule=Rule.LBFGS, learning_rate=1.0, schedule=Schedule.CONSTANT),
}
SMALL = FitConfig(network=NetworkConfig(frequencies=40, hidden=(12, 8)), budget=Budget(max_steps=25))
PICTURE = Signal(values=blob((14, 12)))
MASK = held_out_mask(14 * 12, 0.1, seed=0).reshape(14, 12)


def disturbed(signal: Signal, mask: np.ndarray) -> Signal:
    return replace(signal, values=np.where(mask[..., None], np.float32(0.5), signal.values))


@pytest.mark.parametrize("name", TRAINERS)
def test_held_out_samples_play_no_part_and_test_the_fit(name: str) -> None:
    config = replace(SMALL, trainer=TRAINERS[name])
    result = fit(PICTURE, config, held_out=MASK)
    other = fit(disturbed(PICTURE, MASK), config, held_out=MASK)
    assert result.history == other.history
    np.testing.assert_array_equal(
        result.network.parameters_numpy().readout_weight, other.network.parameters_numpy().readout_weight
    )
    rendered = Representation.of(result.network.parameters_numpy(), PICTURE).at(Grid((14, 12), 2.5).coords())
    errors = np.square(rendered.reshape(14, 12, 1) - PICTURE.values)
    assert result.psnr_db == pytest.approx(-10 * np.log10(errors[~MASK].mean()), abs=0.05)
    assert result.held_out_psnr_db == pytest.approx(-10 * np.log10(errors[MASK].mean()), abs=0.05)
    assert result.held_out_psnr_db is not None
    assert result.held_out_psnr_db > 12.0
    assert other.held_out_psnr_db != result.held_out_psnr_db


@pytest.mark.parametrize("name", ["natural gradient", "blocks"])
def test_a_fit_that_does_not_see_all_is_resumed_to_the_same_bytes(name: str) -> None:
    config = replace(SMALL, trainer=TRAINERS[name])
    states: list[FitState] = []

    def capture(progress: Progress) -> Verdict:
        if progress.step == 9:
            states.append(progress.capture())
        return Verdict.CONTINUE

    for signal, held_out in ((PICTURE, MASK), (on_grid(PICTURE, ~MASK), None)):
        states.clear()
        whole = fit(signal, config, held_out=held_out, on_step=capture)
        resumed = fit(signal, config, held_out=held_out, resume=states[0])
        assert whole.history == resumed.history
        assert torch.equal(whole.network.readout_weight_CH, resumed.network.readout_weight_CH)


def test_a_checkpoint_of_other_samples_is_refused() -> None:
    states: list[FitState] = []

    def capture(progress: Progress) -> Verdict:
        states.append(progress.capture())
        return Verdict.STOP

    samples, masks = on_grid(PICTURE, ~MASK), (MASK, held_out_mask(14 * 12, 0.1, seed=1).reshape(14, 12))
    fit(PICTURE, SMALL, held_out=masks[0], on_step=capture)
    fit(samples, SMALL, on_step=capture)
    with pytest.raises(StateMismatch, match="another signal"):
        fit(PICTURE, SMALL, held_out=masks[1], resume=states[0])
    for other in (replace(samples, coords=samples.coords[::-1]), replace(samples, grid_shape=(12, 14))):
        with pytest.raises(StateMismatch, match="another signal"):
            fit(other, SMALL, resume=states[1])


def test_a_share_is_held_out_by_the_seed() -> None:
    config = replace(SMALL, seed=3)
    mask = held_out_mask(PICTURE.sample_count, 0.05, seed=3).reshape(14, 12)
    by_share, by_mask = (fit(PICTURE, config, held_out=chosen) for chosen in (0.05, mask))
    assert by_share.held_out_psnr_db == by_mask.held_out_psnr_db
    assert fit(PICTURE, config).held_out_psnr_db is None
    assert fit(PICTURE, config, held_out=0.0).held_out_psnr_db is None


def test_distances_are_held_out_of_the_start_on_the_grid() -> None:
    field = distance_signal(octahedron(), resolution=10)
    mask = held_out_mask(field.sample_count, 0.1, seed=0).reshape(field.grid_shape)
    config = replace(SMALL, trainer=EikonalConfig(start_steps=4, points=64), budget=Budget(max_steps=8))
    one, other = (fit(s, config, held_out=mask, surface=octahedron()) for s in (field, disturbed(field, mask)))
    assert one.history == other.history
    assert one.held_out_psnr_db is not None
    assert one.held_out_psnr_db > 15.0
    with pytest.raises(ConfigError, match="made of all samples"):
        fit(field, config, held_out=mask)


def test_a_block_of_held_out_samples_is_drawn_again() -> None:
    mask = np.ones((14, 12), np.bool_)
    mask[3, 4] = False
    blocks = SignalBlocks(PICTURE, Grid((14, 12), 2.5), torch.device("cpu"), held_out=mask)
    assert blocks.samples == 1
    block = blocks.draw(1, torch.Generator().manual_seed(0))
    assert block.values_CP.tolist() == [[PICTURE.values[3, 4, 0]]]
    assert sum(block.values_CP.shape[1] for block in blocks.sweep(10)) == 1


@pytest.mark.parametrize("name", TRAINERS)
def test_scattered_samples_are_fitted_like_those_of_a_grid(name: str) -> None:
    """The same samples as points, in another order: only blocks are drawn differently."""
    config = replace(SMALL, trainer=TRAINERS[name])
    order = np.random.default_rng(0).permutation(14 * 12)
    coords, values = Grid((14, 12), 2.5).coords()[order], PICTURE.values.reshape(-1, 1)[order]
    scattered = fit(scattered_signal(coords, values, (14, 12)), config)
    on_a_grid = fit(PICTURE, config)
    assert scattered.psnr_db == pytest.approx(on_a_grid.psnr_db, abs=2.0)
    if name in ("whole grid", "trained readout"):
        np.testing.assert_allclose(scattered.history[:5], on_a_grid.history[:5], rtol=1e-3)


def test_points_come_with_their_values_and_all_of_them_once() -> None:
    coords = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    blocks = PointBlocks(scattered_signal(coords, coords), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    drawn = [blocks.draw(7, generator), blocks.draw(100, generator)]
    swept = list(blocks.sweep(8))
    for points in [*drawn, *swept]:
        assert isinstance(points, Points)
        assert torch.equal(points.values_CP, points.coords_PD.T)
    assert [points.values_CP.shape[1] for points in drawn] == [7, 50]
    assert len(np.unique(drawn[0].values_CP[0].numpy())) == 7
    np.testing.assert_array_equal(torch.cat([p.coords_PD for p in swept]).numpy(), coords.astype(np.float32))


def test_scattered_samples_may_be_held_out() -> None:
    samples = on_grid(PICTURE, np.ones((14, 12), np.bool_))
    mask = MASK.reshape(-1)
    for trainer in (NaturalGradientConfig(), ADAM):
        config = replace(SMALL, trainer=trainer)
        held_out, without = fit(samples, config, held_out=mask), fit(samples.chosen(~mask), config)
        assert held_out.history == without.history
        assert held_out.held_out_psnr_db is not None
