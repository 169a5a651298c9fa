"""Where a fit begins: colours that are at right angles, whole latents, and about the quality or size asked for."""

from dataclasses import replace

import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import SMALL, passes_over
from tuner.decibels import mse_to_psnr_db
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.fit.wavelets.start import Start, begin, in_steps
from tuner.fit.wavelets.trade import Trade


def started(config: WaveletConfig) -> tuple[Start, GridPasses, LatentRate, Trade]:
    passes, _, _ = passes_over((24, 20))
    rate, trade = LatentRate(passes.layout), Trade(config, passes.points, 100, passes.channels)
    start = begin(config, passes, rate, trade, torch.Generator().manual_seed(0))
    return start, passes, rate, trade


def test_the_first_network_is_about_as_good_as_asked_before_it_learns() -> None:
    start, passes, _, _ = started(replace(SMALL, bits_per_sample=None, psnr_db=30.0))
    passes.show(start.latents)
    assert mse_to_psnr_db(passes.loss(start.weights)) == pytest.approx(30.0, abs=0.5)


def test_the_first_latents_take_about_the_bits_asked_for() -> None:
    start, _, rate, trade = started(SMALL)
    assert rate.costs(start.latents)[0] == pytest.approx(1.2 * trade.latent_budget, rel=0.1)


def test_colours_are_at_right_angles_and_inputs_of_about_one_size() -> None:
    start, passes, _, _ = started(SMALL)
    torch.testing.assert_close(start.colours.T @ start.colours, torch.eye(2))
    passes.show(start.latents)
    sizes = passes.input_sizes()
    assert bool(((sizes > 0.6) & (sizes < 1.5))[sizes > 0.1].all())
    assert torch.equal(passes.gains.log2(), passes.gains.log2().round())


def test_high_pass_integers_prefer_zero_and_none_is_too_large() -> None:
    values = torch.tensor([[0.55, 0.61, -0.55, 99.0]])
    low, high = in_steps([values, values], 1.0, largest=7.0)
    assert low.tolist() == [[1.0, 1.0, -1.0, 7.0]]
    assert high.tolist() == [[0.0, 1.0, -0.0, 7.0]]
