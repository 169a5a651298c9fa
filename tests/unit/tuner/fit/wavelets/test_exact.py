"""A network that learns nothing: coefficients are those of the samples, and one step of them meets what is asked."""

from dataclasses import replace
from math import prod

import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import SMALL, passes_over
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.exact import ExactNetwork
from tuner.fit.wavelets.rounded import FileBits

SHAPE = (20, 14)
QUALITY = replace(SMALL, bits_per_sample=None, psnr_db=50.0, learned=False)


def exact(config: WaveletConfig, file_bits: FileBits | None = None) -> tuple[ExactNetwork, list[torch.Tensor]]:
    passes, latents, weights = passes_over(SHAPE)
    colours = torch.linalg.qr(torch.tensor([[1.0, 0.5], [0.5, -1.0]]))[0]
    return ExactNetwork(config, passes, weights, colours, file_bits), latents


def test_a_step_is_found_that_has_the_quality() -> None:
    network, latents = exact(QUALITY)
    found = network.rounded(network.best_step(0.5, latents), latents)
    assert found.psnr_db == pytest.approx(QUALITY.psnr_db, abs=0.3)


def test_a_step_is_found_whose_file_has_the_size() -> None:
    def bits(parameters: object, step_sizes: tuple[float, ...]) -> int:
        return int(400.0 / step_sizes[-3] ** 0.5)

    network, latents = exact(replace(SMALL, learned=False), bits)
    found = network.rounded(network.best_step(0.5, latents), latents)
    wanted = SMALL.bits_per_sample
    assert wanted is not None
    assert bits(None, found.step_sizes) == pytest.approx(wanted * prod(SHAPE), rel=0.05)


def test_all_weights_but_those_of_the_fields_are_zero_and_latents_are_whole() -> None:
    network, latents = exact(QUALITY)
    parameters = network.rounded(0.01, latents).parameters
    assert not parameters.readout_weight.any()
    assert parameters.skip.any()
    _, _, codes = network.parts(0.01, latents)
    assert all(torch.equal(each, each.round()) for each in codes)


def test_the_finest_step_makes_integers_that_floats_still_tell_apart() -> None:
    network, latents = exact(QUALITY)
    _, _, codes = network.parts(1e-12, latents)
    largest = max(float(each.abs().max()) for each in codes)
    assert 2.0**18 < largest <= 2.0**20
    assert network.rounded(1e-12, latents).psnr_db > 100.0
