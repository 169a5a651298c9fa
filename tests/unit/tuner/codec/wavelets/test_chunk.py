"""A wavelet network comes out of a file as it went in, and latents in crowds are cheap."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.wavelets import random_wavelets, wavelet_representation
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.file.container import Chunk, ChunkType, read_container, write_container
from tuner.codec.integers.entropy import IntegerEncoder
from tuner.codec.integers.geometric import GeometricTable
from tuner.codec.limits import DecodeLimits
from tuner.codec.wavelets.chunk import QuantisedWavelets, quantise_wavelets
from tuner.codec.wavelets.subbands import pack_subbands
from tuner.errors import ConfigError, CorruptFile, LimitExceeded
from tuner.fit.wavelets.rate import LatentRate
from tuner.network.wavelets.layout import wavelet_layout
from tuner.network.wavelets.parameters import LatentLevel, WaveletParameters, seeded_frequencies
from tuner.representation import Representation


def _empty(parameters: WaveletParameters) -> WaveletParameters:
    levels = [replace(level, codes=np.zeros_like(level.codes)) for level in parameters.levels]
    return replace(parameters, levels=tuple(levels))


def _large(parameters: WaveletParameters) -> WaveletParameters:
    levels = [replace(level, codes=np.where(level.codes % 2, 2047, -2047).astype("i4")) for level in parameters.levels]
    return replace(parameters, levels=tuple(levels))


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
    for before, after in zip(parameters.levels, read.levels, strict=True):
        assert before.spacing == after.spacing
        np.testing.assert_array_equal(before.codes, after.codes)


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


def test_what_no_file_can_hold_is_refused() -> None:
    parameters = random_wavelets()
    with pytest.raises(ConfigError, match="steps"):
        quantise_wavelets(parameters, (1.0,))
    with pytest.raises(ConfigError, match="too fine"):
        quantise_wavelets(parameters, (1e-9,) * len(parameters.tensors()))
    huge = replace(parameters.levels[0], codes=parameters.levels[0].codes + 5000)
    with pytest.raises(ConfigError, match="a latent is"):
        quantise_wavelets(
            replace(parameters, levels=(huge, *parameters.levels[1:])), (0.01,) * len(parameters.tensors())
        )


def test_exponents_are_few_and_small() -> None:
    parameters = random_wavelets((20, 28))
    steps = (0.01,) * len(parameters.tensors())
    with pytest.raises(ConfigError, match="exponents"):
        replace(parameters, exponents=parameters.exponents[1:])
    with pytest.raises(ConfigError, match="32 either way"):
        quantise_wavelets(replace(parameters, exponents=(33, *parameters.exponents[1:])), steps)
    header, payloads = read_container(encode(Representation(parameters=parameters, grid_shape=(20, 28)), steps), LIMITS)
    payload = bytearray(payloads[ChunkType.WAVELETS])
    payload[4] = 66  # after seed, reach, scales and colours; stands for 33
    with pytest.raises(CorruptFile, match="exponent of input 0 is 33"):
        decode(write_container(header, [Chunk(ChunkType.WAVELETS, bytes(payload))]))


def test_seeded_frequencies_never_change() -> None:
    """They are part of the format: other draws would make every file decode to another picture."""
    assert seeded_frequencies(6, 2, 16, 0).tolist() == FIRST_SIX
    assert seeded_frequencies(3, 1, 16, 2**32 - 1).shape == (3, 1)
    with pytest.raises(ConfigError, match="too many"):
        seeded_frequencies(100, 1, 16, 0)


def test_a_geometric_table_suits_what_it_was_fitted_to() -> None:
    values = np.rint(np.random.default_rng(0).laplace(0.0, 1.5, 5000)).astype(np.int32)
    counts = np.unique(values, return_counts=True)[1] / len(values)
    entropy_bits = -len(values) * float(counts @ np.log2(counts))
    assert GeometricTable.fitted(values).cost_bits(values) < 1.01 * entropy_bits


@pytest.mark.parametrize("largest", [0, 1, 3, 2047])
def test_geometric_tables_sum_to_one(largest: int) -> None:
    for zero, decay in ((1, 0), (4096, 255), (2000, 255), (4095, 1)):
        table = GeometricTable(zero, largest, decay).table()
        assert sum(table.frequencies) == 4096
        assert len(table.frequencies) == 2 * largest + 1


FIRST_SIX = [[9, 7], [2, -2], [5, 6], [4, -1], [8, -5], [0, -7]]


def test_wavelets_in_crowds_pay_and_the_estimate_knows() -> None:
    """What `tuner.fit.wavelets.rate` foresees is what the coder takes."""
    random = np.random.default_rng(5)
    energy = np.kron(random.uniform(0.0, 1.0, (8, 8)) ** 4, np.ones((16, 16)))
    levels, scattered = [], []
    for spacing, channels in wavelet_layout(2, 3, 1):
        scale = energy[:: spacing // 2, :: spacing // 2]
        codes = np.rint(random.laplace(0.0, spacing * scale, (channels, *scale.shape))).astype("i4")
        levels.append(LatentLevel(spacing=spacing, codes=codes))
        scattered.append(LatentLevel(spacing=spacing, codes=random.permutation(codes.reshape(-1)).reshape(codes.shape)))
    sizes = []
    for each in (levels, scattered):
        coder = IntegerEncoder()
        pack_subbands(each, coder)
        sizes.append(8 * len(coder.words()))
    assert sizes[0] < 0.8 * sizes[1]
    estimated, _ = LatentRate(2, 1, 4).costs([torch.from_numpy(level.codes).float() for level in levels])
    assert estimated == pytest.approx(sizes[0], rel=0.05)
