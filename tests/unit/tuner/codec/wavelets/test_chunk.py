"""A wavelet network comes out of a file as it went in, and latents in crowds are cheap."""

from dataclasses import replace

import numpy as np
import pytest

from tests.hostile.lies import Wavelets, chunk, header
from tests.wavelets import random_wavelets, wavelet_representation
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.file.container import Chunk, ChunkType, read_container, write_container
from tuner.codec.file.primitives import pack_signed
from tuner.codec.limits import DecodeLimits
from tuner.codec.wavelets.chunk import QuantisedWavelets, quantise_wavelets
from tuner.core.host import LARGEST_VALUE
from tuner.errors import ConfigError, CorruptFile, LimitExceeded
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation


def _empty(parameters: WaveletParameters) -> WaveletParameters:
    return replace(parameters, latents=tuple(0 * codes for codes in parameters.latents))


def _large(parameters: WaveletParameters) -> WaveletParameters:
    latents = (np.where(codes % 2, LARGEST_VALUE, -LARGEST_VALUE).astype(np.int32) for codes in parameters.latents)
    return replace(parameters, latents=tuple(latents))


LIMITS = DecodeLimits()
CASES = {
    "one axis": random_wavelets((301,), colours=1, channels=1),
    "two axes": random_wavelets((41, 60)),
    "three axes": random_wavelets((9, 8, 7), scales=2, colours=2, channels=2),
    "four axes": random_wavelets((4, 3, 5, 4), scales=1, colours=1, channels=1),
    "one sample": random_wavelets((1, 1), scales=1, colours=1, channels=1),
    "nothing but zeros": _empty(random_wavelets((33, 20))),
    "the largest latents": _large(random_wavelets((33, 20))),
}


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name: str) -> None:
    parameters = CASES[name]
    steps = tuple(0.01 * 1.2**number for number in range(len(parameters.tensors())))
    written = quantise_wavelets(parameters, steps)
    representation = Representation(parameters=parameters, grid_shape=parameters.grid_shape)
    data = encode(representation, steps)
    read = decode_integers(data)
    assert isinstance(read, QuantisedWavelets)
    assert read.steps == written.steps
    np.testing.assert_array_equal(read.frequencies, parameters.frequencies)
    for mine, other in zip(written.integers, read.integers, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert read.layout == parameters.layout
    for before, after in zip(parameters.latents, read.latents, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_decoded_file_is_written_back_unchanged() -> None:
    data = encode(wavelet_representation())
    assert encode(decode(data)) == data


def test_a_decoded_representation_renders_and_has_gradients() -> None:
    representation = decode(encode(wavelet_representation()))
    assert isinstance(representation.parameters, WaveletParameters)
    assert representation.render(scale=2.0).grid_shape == (40, 56)
    assert representation.gradient(np.zeros((2, 2), dtype=np.float32)).shape == (2, 3, 2)


def test_latents_beyond_the_limit_take_no_memory() -> None:
    data = encode(wavelet_representation())
    with pytest.raises(LimitExceeded, match="weights"):
        decode(data, DecodeLimits(weights=150))


def test_a_layout_that_the_core_does_not_know_is_refused() -> None:
    """Five axes, for a reader that allows them: what the core says of a layout is said of the file."""
    parameters = random_wavelets((2,) * 5, scales=1, colours=1, channels=1)
    with pytest.raises(ConfigError, match="1 to 4 axes"):
        encode(Representation(parameters=parameters, grid_shape=parameters.grid_shape))
    payload = bytes(Wavelets(exponents=22 * pack_signed(0)))
    with pytest.raises(CorruptFile, match="1 to 4 axes"):
        decode(header(shape=(1,) * 5) + chunk(int(ChunkType.WAVELETS), payload), DecodeLimits(axes=5))


def test_what_no_file_can_hold_is_refused() -> None:
    parameters = random_wavelets()
    with pytest.raises(ConfigError, match="steps"):
        quantise_wavelets(parameters, (1.0,))
    with pytest.raises(ConfigError, match="too fine"):
        quantise_wavelets(parameters, (1e-9,) * len(parameters.tensors()))
    low, *others = parameters.latents
    with pytest.raises(ConfigError, match="a latent is"):
        quantise_wavelets(
            replace(parameters, latents=(low + LARGEST_VALUE + 99, *others)), (0.01,) * len(parameters.tensors())
        )


def test_exponents_are_few_and_small() -> None:
    parameters = random_wavelets((20, 28))
    steps = (0.01,) * len(parameters.tensors())
    with pytest.raises(ConfigError, match="exponents"):
        replace(parameters, exponents=parameters.exponents[1:])
    with pytest.raises(ConfigError, match="32 either way"):
        quantise_wavelets(replace(parameters, exponents=(33, *parameters.exponents[1:])), steps)
    head, payloads = read_container(encode(Representation(parameters=parameters, grid_shape=(20, 28)), steps), LIMITS)
    payload = bytearray(payloads[ChunkType.WAVELETS])
    payload[4] = 66  # after seed, reach, scales and colours; stands for 33
    with pytest.raises(CorruptFile, match="exponent of input 0 is 33"):
        decode(write_container(head, [Chunk(ChunkType.WAVELETS, bytes(payload))]))
