"""A network that learns nothing: coefficients are those of the samples, and one step of them meets what is asked."""

from dataclasses import replace
from math import log, prod

import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import SMALL, passes_over
from tuner.fit.deadline import Deadline
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.exact import STEP_RATIO, ExactNetwork
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rounded import FileBits

SHAPE = (20, 14)
QUALITY = replace(SMALL, bits_per_sample=None, psnr_db=50.0, learned=False)


def exact(
    config: WaveletConfig, file_bits: FileBits | None = None, deadline: Deadline | None = None
) -> tuple[ExactNetwork, GridPasses]:
    passes, _, weights = passes_over(SHAPE)
    colours = torch.linalg.qr(torch.tensor([[1.0, 0.5], [0.5, -1.0]]))[0]
    network = ExactNetwork(config, passes, weights, colours, file_bits, deadline)
    return network, passes


def test_a_step_is_found_that_has_the_quality() -> None:
    network, _ = exact(QUALITY)
    found = network.rounded(network.best_step(0.5))
    assert found.psnr_db == pytest.approx(QUALITY.psnr_db, abs=0.3)


def test_a_step_is_found_whose_file_has_the_size() -> None:
    def bits(parameters: object, step_sizes: tuple[float, ...]) -> int:
        return int(400.0 / step_sizes[-3] ** 0.5)

    network, _ = exact(replace(SMALL, learned=False), bits)
    found = network.rounded(network.best_step(0.5))
    wanted = SMALL.bits_per_sample
    assert wanted is not None
    assert bits(None, found.step_sizes) == pytest.approx(wanted * prod(SHAPE), rel=0.05)


def test_all_weights_but_those_of_the_fields_are_zero_and_latents_are_whole() -> None:
    network, _ = exact(QUALITY)
    parameters = network.rounded(0.01).parameters
    assert not parameters.readout_weight.any()
    assert parameters.skip.any()
    _, _, codes = network.parts(0.01)
    assert all(torch.equal(each, each.round()) for each in codes)


def test_the_finest_step_makes_integers_that_floats_still_tell_apart() -> None:
    network, _ = exact(QUALITY)
    _, _, codes = network.parts(1e-12)
    largest = max(float(each.abs().max()) for each in codes)
    assert 2.0**18 < largest <= 2.0**20
    assert network.rounded(1e-12).psnr_db > 100.0


def test_of_the_steps_that_were_tried_the_best_is_kept() -> None:
    """Sizes that leap: no step has the one that is wanted, and the last step tried need not be the nearest."""
    tried: list[tuple[float, float]] = []
    wanted = 4.0 * prod(SHAPE)

    def bits(parameters: object, step_sizes: tuple[float, ...]) -> int:
        size = wanted * (1.5 if step_sizes[-3] < 1e-3 else 0.9 - 0.3 * (len(tried) % 3))
        tried.append((abs(log(int(size) / wanted)), step_sizes[-3]))
        return int(size)

    network, _ = exact(replace(SMALL, learned=False), bits)
    found = network.parts(network.best_step(0.5))[0][-3]
    assert found == min(tried)[1] != tried[-1][1]


def test_a_nearly_flat_picture_loses_none_of_its_colours() -> None:
    """Latents of a network that learns are all zero there, and tell nothing of how much the weights count."""
    network, _ = exact(replace(QUALITY, psnr_db=35.0))
    found = network.rounded(network.best_step(100.0))
    assert found.psnr_db == pytest.approx(35.0, abs=1.0)
    assert max(int(abs(codes).max()) for codes in found.parameters.latents) < 1000


def test_after_the_deadline_the_first_step_is_taken_as_it_is() -> None:
    late = Deadline(1.0, now=iter(range(100)).__next__)
    network, _ = exact(QUALITY, deadline=late)
    assert network.best_step(0.5) == pytest.approx(0.5)
    assert network.rounded(0.5).psnr_db > 10.0


def test_steps_that_differ_by_little_are_the_same_step() -> None:
    network, _ = exact(QUALITY)
    step = STEP_RATIO**-700
    near, other = network.parts(step * STEP_RATIO**0.4), network.parts(step * STEP_RATIO**0.6)
    assert near[0] == network.parts(step)[0]
    assert other[0] == network.parts(step * STEP_RATIO)[0] != near[0]
