"""A step for every row, and tables chosen by the scales of rows and columns: what goes in comes out."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import nearly, random_representation
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.quantise import quantise
from tuner.codec.sines.scaled_chunk import unpack_scaled_network
from tuner.errors import ConfigError, CorruptFile
from tuner.network.parameters import Steps
from tuner.representation import Representation
from tuner.rounding.layerwise import round_network
from tuner.rounding.sensitivity import balanced_row_steps
from tuner.rounding.view import View

REPRESENTATIONS = {
    "one layer": random_representation((24, 20), frequencies=30, hidden=(12,)),
    "three layers": random_representation((16, 18), frequencies=9, hidden=(8, 1, 5), channels=1),
    "one axis": random_representation((40,), frequencies=6, hidden=(7,), channels=2),
}


def steps_of(representation: Representation, factor: float) -> Steps:
    parameters = representation.sine_parameters
    coords = View(nearly(representation)).coords()
    return tuple(rows.scaled(factor) for rows in balanced_row_steps(parameters, coords))


@pytest.mark.parametrize("factor", [1e-5, 1e-2, 3.0], ids=["fine", "usual", "almost all zero"])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_what_goes_in_comes_out(name: str, factor: float) -> None:
    representation = REPRESENTATIONS[name]
    steps = steps_of(representation, factor)
    written = quantise(representation.sine_parameters, steps)
    data = encode(representation, steps)
    _, chunks = read_container(data, DecodeLimits())
    assert ChunkType.SCALED_NETWORK in chunks
    read = decode_integers(data)
    assert read.steps == written.steps
    for mine, other in zip(read.integers, written.integers, strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(read.frequencies, written.frequencies)
    assert encode(decode(data)) == data


def test_an_integer_far_from_all_others_is_kept() -> None:
    representation = REPRESENTATIONS["one layer"]
    steps = steps_of(representation, 0.05)
    layer = representation.sine_parameters.hidden[0]
    weight = layer.weight.copy()
    weight[3, 4] = 1e4
    far = replace(representation.sine_parameters, hidden=(replace(layer, weight=weight),))
    read = decode(encode(replace(representation, parameters=far), steps)).sine_parameters
    assert read.hidden[0].weight[3, 4] == pytest.approx(1e4, abs=1.0)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_damaged_payload_is_refused_or_read(name: str) -> None:
    """Without the checksums of the container, which would notice all of it."""
    representation, random = REPRESENTATIONS[name], np.random.default_rng(0)
    header, chunks = read_container(encode(representation, steps_of(representation, 0.02)), DecodeLimits())
    payload = chunks[ChunkType.SCALED_NETWORK]
    refused = 0
    for _ in range(300):
        damaged = bytearray(payload)
        damaged[random.integers(min(len(payload), random.choice([40, 4000])))] = random.integers(256)
        try:
            unpack_scaled_network(bytes(damaged[: random.integers(1, len(payload) + 200)]), header)
        except CorruptFile:
            refused += 1
    assert refused > 30


def test_weights_and_biases_of_a_row_share_their_step() -> None:
    representation = REPRESENTATIONS["one layer"]
    steps = list(steps_of(representation, 0.01))
    steps[2] = 0.25
    with pytest.raises(ConfigError, match="different steps"):
        encode(representation, tuple(steps))
    steps[2] = steps[1] = tuple(0.01 * 1.3**row for row in range(12))
    with pytest.raises(ConfigError, match="row_steps"):
        encode(representation, tuple(steps))


@pytest.mark.parametrize("hidden", [(20,), (10, 8)], ids=["one layer", "two layers"])
def test_the_weights_that_are_left_are_moved(hidden: tuple[int, ...]) -> None:
    representation = random_representation((48, 40), frequencies=30, hidden=hidden)
    signal, parameters = nearly(representation), representation.sine_parameters
    steps, view = steps_of(representation, 0.01), View(signal)
    still = round_network(parameters, steps, view, view)
    moved = round_network(parameters, steps, view, view, (view.coords(), view.flat_values()))
    start = view.psnr_db(parameters)
    assert start - view.psnr_db(moved) < 0.9 * (start - view.psnr_db(still))
