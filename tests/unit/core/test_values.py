"""Values from the core are those of the slow twin in numpy, and the same bits in another engine."""

import hashlib
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.other_engine.agreement import case_of, disagreements
from tests.wavelets import random_wavelets
from tuner.codec.decode import load
from tuner.core.host import Instance, Layout, Limits, decode, encode, encode_levels
from tuner.core.synthesis import Network, values, values_memory
from tuner.errors import ConfigError, LimitExceeded
from tuner.network.parameters import HiddenLayer
from tuner.network.wavelets.on_samples import values_on_samples
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.synthesis import values_in_tiles
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid

GOLDEN = sorted((Path(__file__).parents[2] / "golden/v1-core").glob("*.tnr"))
# Lines shorter and longer than what is done at once, single samples, rows that make several stripes.
SHAPES = [
    (1000,), (37,), (2,), (45, 70), (1, 33), (33, 1), (2, 3), (300, 257), (9000, 3),
    (13, 16, 21), (5, 6, 7, 9), (2, 1, 2, 1),
]  # fmt: skip
NETWORKS = [(3, 3, (6, 5)), (1, 1, (7,)), (2, 5, (3, 4, 9))]


def _twin(parameters: WaveletParameters) -> FloatArray:
    grid = Grid(parameters.grid_shape, parameters.period)
    return values_in_tiles(parameters, [grid.axis(axis) for axis in range(parameters.dimensions)])


def _core(parameters: WaveletParameters) -> FloatArray:
    found = values_on_samples(parameters)
    assert found is not None
    return found


def _parts(parameters: WaveletParameters) -> tuple[Layout, Network]:
    layout = parameters.layout
    return Layout(layout.grid_shape, layout.colours, layout.scales), Network(
        period=parameters.period,
        frequencies=parameters.frequencies,
        factors=parameters.gains,
        tensors=parameters.tensors(),
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("every", [2, 3, 16])
def test_every_so_many_samples_are_those_of_all(shape: tuple[int, ...], every: int) -> None:
    parameters = random_wavelets(shape, scales=3, colours=3, channels=3, widths=(6, 5))
    layout, network = _parts(parameters)
    middles = tuple(slice(min(every // 2, count - 1), None, every) for count in shape)
    everything = values(parameters.latents, layout, network)
    found = values(parameters.latents, layout, network, every=every)
    assert found.shape == everything[middles].shape
    # Only the waves are counted from other places.
    np.testing.assert_allclose(
        found, everything[middles], rtol=0, atol=5e-6 * max(1.0, float(np.abs(everything).max()))
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("every", [2, 3, 4, 16])
def test_without_waves_every_so_many_samples_are_the_same_bits(shape: tuple[int, ...], every: int) -> None:
    parameters = random_wavelets(shape, frequencies=0)
    layout, network = _parts(parameters)
    middles = tuple(slice(min(every // 2, count - 1), None, every) for count in shape)
    found = values(parameters.latents, layout, network, every=every)
    assert found.tobytes() == values(parameters.latents, layout, network)[middles].tobytes()


@pytest.mark.parametrize("shape", [(37,), (45, 70), (13, 16, 21), (5, 6, 7, 9)], ids=str)
@pytest.mark.parametrize("colours", [1, 3])
def test_levels_that_are_not_read_are_zero_to_the_bit(shape: tuple[int, ...], colours: int) -> None:
    """In the instance that read the others, which leaves them out, and in one that is given their zeros."""
    parameters = random_wavelets(shape, scales=4, colours=colours)
    layout, network = _parts(parameters)
    coded, ends = encode_levels(np.concatenate([codes.reshape(-1) for codes in parameters.latents]), layout)
    whole = values(parameters.latents, layout, network)
    for levels, end in enumerate(ends, start=1):
        zeros = decode(coded[:end], layout, levels=levels)
        wanted = values([zeros], layout, network)
        assert levels > layout.scales or not np.array_equal(wanted, whole)
        instance = Instance(layout, end, Limits(memory=values_memory(layout, network) + 2 * end))
        instance.write(coded[:end], instance.room("core_coded_room", end))
        instance.call("core_want_levels", levels)
        instance.check(instance.call("core_decode"))
        words = network.words()
        instance.write(words, instance.room("core_network_room", len(words) // 4))
        instance.check(instance.call("core_pixels"))
        found = b""
        while rows := instance.call("core_next"):
            row = wanted.nbytes // (shape[0] if len(shape) > 1 else 1)
            found += bytes(instance.view(instance.call("core_values"), row * rows))
        assert found == wanted.tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scales", [1, 2, 5])
def test_values_are_those_of_numpy(shape: tuple[int, ...], scales: int) -> None:
    for colours, channels, widths in NETWORKS:
        parameters = random_wavelets(shape, scales=scales, colours=colours, channels=channels, widths=widths)
        wanted = _twin(parameters)
        assert wanted.std() > 0.01
        assert np.abs(_core(parameters) - wanted).max() <= 5e-6 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_field_is_that_of_numpy(shape: tuple[int, ...]) -> None:
    """Values that are fields and nothing else."""
    like = random_wavelets(shape, scales=4, channels=12)
    parameters = replace(
        like,
        skip=np.eye(12, dtype=np.float32),
        readout_weight=0 * like.readout_weight,
        readout_bias=0 * like.readout_bias,
    )
    wanted = _twin(parameters)
    assert np.abs(wanted).max() > 0.0
    assert np.abs(_core(parameters) - wanted).max() <= 2e-6 * np.abs(wanted).max()


def test_what_does_not_fit_registers_is_evaluated_as_well() -> None:
    for widths, frequencies in product([(1,), (33, 2, 5)], [0, 1, 20]):
        parameters = random_wavelets((20, 30), widths=widths, frequencies=frequencies)
        np.testing.assert_allclose(_core(parameters), _twin(parameters), atol=2e-5)


def test_sines_are_as_good_as_stated() -> None:
    """Of angles that are known: fields, which the skip shows beside their sines."""
    like = random_wavelets((4000,), scales=1, colours=1, channels=2, widths=(1,), frequencies=0)
    latents = tuple(
        np.linspace(-2000, 2000, codes.size).astype(np.int32).reshape(codes.shape) for codes in like.latents
    )
    weight = np.zeros_like(like.hidden[0].weight)
    weight[0, 0] = 1.0
    parameters = replace(
        like,
        latents=(latents[0], 0 * latents[1]),
        hidden=(HiddenLayer(weight=weight, bias=np.zeros(1, dtype=np.float32)),),
        skip=np.array([[0.0, 0.0], [1.0, 0.0]], dtype=np.float32),
        readout_weight=np.array([[1.0], [0.0]], dtype=np.float32),
        readout_bias=np.zeros(2, dtype=np.float32),
        exponents=(0,) * len(like.exponents),
    )
    sines, angles = _core(parameters).astype(np.float64).T
    assert angles.max() - angles.min() > 1000.0
    assert (np.abs(sines - np.sin(angles)) <= 3e-7 + 2.0**-23 * np.abs(angles)).all()


@pytest.mark.parametrize("size", [1e8, 1e20, 3e38])
def test_sines_of_any_angle_are_sines(size: float) -> None:
    like = random_wavelets((20, 30), widths=(8,))
    (layer,) = like.hidden
    wild = replace(layer, weight=np.sign(layer.weight) * np.float32(size))
    found = _core(replace(like, hidden=(wild,), skip=0 * like.skip))
    assert np.abs(found).max() <= 1.5 * np.abs(like.readout_weight).sum() + np.abs(like.readout_bias).max()


def test_too_little_memory_is_said() -> None:
    layout, network = _parts(random_wavelets((64, 64)))
    integers = [np.zeros(layout.integers(), dtype=np.int32)]
    for memory in range(1 << 17, 1 << 20, 1 << 16):
        try:
            values(integers, layout, network, memory)
        except LimitExceeded:
            continue
        assert memory > 1 << 18
        return
    pytest.fail("a megabyte does not suffice")


def test_integers_and_networks_of_another_layout_are_refused() -> None:
    layout, network = _parts(random_wavelets((20, 28)))
    with pytest.raises(ConfigError, match="there are 3 integers"):
        values([np.zeros(3, dtype=np.int32)], layout, network)
    other = replace(network, tensors=[*network.tensors[:-1], np.zeros(9, dtype=np.float32)])
    with pytest.raises(ConfigError, match="network"):
        values([np.zeros(layout.integers(), dtype=np.int32)], layout, other)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_another_engine_gives_the_same_bits(path: Path, tmp_path: Path) -> None:
    parameters = load(path).parameters
    assert isinstance(parameters, WaveletParameters)
    layout, network = _parts(parameters)
    coded = encode(np.concatenate([codes.reshape(-1) for codes in parameters.latents]), layout, Limits())
    case = case_of(layout, network, coded)
    assert case.digests.split()[1] == hashlib.sha256(_core(parameters).tobytes()).hexdigest()
    assert disagreements([case], tmp_path) == []
