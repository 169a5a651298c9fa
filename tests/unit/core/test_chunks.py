"""Networks that the core reads from payloads are those that the library reads, and damage is said or decoded."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.core.payloads import Payload, network_of, random_payload
from tuner.codec.decode import decode
from tuner.codec.file.container import read_container
from tuner.codec.file.header import Header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.chunk import unpack_network
from tuner.codec.sines.quantise import dequantise
from tuner.codec.sines.scaled_chunk import unpack_scaled_network
from tuner.codec.tiles.chunk import PackedTiles
from tuner.core.chunks import sine_words, wavelet_words
from tuner.core.host import Layout, Limits
from tuner.core.synthesis import SINES, WAVELETS, Network, head
from tuner.errors import ConfigError, CorruptFile, LimitExceeded
from tuner.network.sines.windows import plain_network
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.signal import SampleFormat, SignalKind

GOLDEN = sorted(
    path for path in (Path(__file__).parents[2] / "golden").glob("v1*/*.tnr") if path.parent.name != "v1-tiles"
)
TILES = sorted((Path(__file__).parents[2] / "golden/v1-tiles").glob("*.tnr"))
_NETWORKS = (1, 3, 4, 7)


def _opened(path: Path) -> tuple[Header, int, bytes]:
    header, payloads = read_container(path.read_bytes(), DecodeLimits())
    kind = next(kind for kind in payloads if kind in _NETWORKS)
    return header, int(kind), payloads[kind]


def _start(header: Header, channels: int, *, is_sines: bool) -> bytes:
    return head(SINES if is_sines else WAVELETS, header.frequencies, channels, header.widths, header.period)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_golden_files_are_read_as_the_library_does(path: Path) -> None:
    header, chunk, payload = _opened(path)
    parameters = decode(path.read_bytes()).parameters
    if isinstance(parameters, WaveletParameters):
        _assert_wavelets_are_read(parameters, header, payload)
        return
    channels = header.channels
    if chunk == 4:
        reader = ByteReader(payload)
        channels *= reader.varint("windows")
        reader.varint("samples of a window")
        chunk, payload = reader.byte("kind"), payload[reader.position :]
    words = sine_words(len(header.shape), _start(header, channels, is_sines=True), chunk, payload)
    assert words == network_of(plain_network(parameters)).words()


@pytest.mark.parametrize("path", TILES, ids=lambda path: path.name)
def test_golden_tiles_are_read_as_networks_of_their_own(path: Path) -> None:
    header, _ = read_container(path.read_bytes(), DecodeLimits())
    parameters = decode(path.read_bytes()).parameters
    assert isinstance(parameters, TiledParameters)
    assert isinstance(parameters.tiles, PackedTiles)
    for number, tile in enumerate(parameters.tiles):
        _assert_wavelets_are_read(tile, header, parameters.tiles.packed(number))


def _assert_wavelets_are_read(parameters: WaveletParameters, header: Header, payload: bytes) -> None:
    layout, network = _wavelets(parameters)
    words, integers = wavelet_words(layout, _start(header, header.channels, is_sines=False), payload)
    assert words == network.words()
    np.testing.assert_array_equal(integers, np.concatenate([codes.reshape(-1) for codes in parameters.latents]))


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_random_networks_are_read_as_they_were_written(axes: int, seed: int) -> None:
    drawn = random_payload(np.random.default_rng([axes, seed]), axes)
    assert sine_words(axes, drawn.start, drawn.chunk, drawn.payload) == drawn.network.words()


def _by_core(drawn: Payload, payload: bytes, start: bytes | None = None) -> bytes | None:
    try:
        return sine_words(
            drawn.axes, start or drawn.start, drawn.chunk, payload, Limits(work=1_000_000, memory=64 << 20)
        )
    except (CorruptFile, LimitExceeded, ConfigError):
        return None


def _by_library(drawn: Payload, payload: bytes) -> bytes | None:
    network = drawn.network
    header = Header(
        kind=SignalKind.IMAGE,
        sample_format=SampleFormat.U8,
        chunks=1,
        shape=(8,) * drawn.axes,
        channels=network.channels,
        period=network.period,
        frequencies=len(network.frequencies),
        widths=tuple(network.widths),
    )
    unpack = unpack_network if drawn.chunk == 1 else unpack_scaled_network
    try:
        return network_of(dequantise(unpack(payload, header))).words()
    except CorruptFile:
        return None


@pytest.mark.parametrize("seed", range(8))
def test_damaged_payloads_are_refused_or_read_as_by_the_library(seed: int) -> None:
    random = np.random.default_rng([seed, 7])
    drawn = random_payload(random, 1 + seed % 4)
    assert _by_library(drawn, drawn.payload) == drawn.network.words()
    refused = 0
    for number in range(60):
        mutated = bytearray(drawn.payload[: len(drawn.payload) - number % 8])
        for _ in range(int(random.integers(1, 4))):
            # Tables come first.
            place = int(len(mutated) * random.random() ** 2)
            mutated[place] = int(random.integers(256))
        found, wanted = _by_core(drawn, bytes(mutated)), _by_library(drawn, bytes(mutated))
        assert found == wanted
        refused += found is None
    assert refused > 10


@pytest.mark.parametrize("seed", range(6))
def test_nothing_may_be_left_in_the_last_words_as_the_library_has_it(seed: int) -> None:
    drawn = random_payload(np.random.default_rng([seed, 11]), 1 + seed % 4)
    refused = 0
    for bit in range(1, 65):
        mutated = bytearray(drawn.payload)
        mutated[-1 - (bit - 1) // 8] ^= 1 << 7 - (bit - 1) % 8
        found, wanted = _by_core(drawn, bytes(mutated)), _by_library(drawn, bytes(mutated))
        assert found == wanted
        refused += found is None
    assert refused > 5


def test_heads_of_any_numbers_do_no_harm() -> None:
    random = np.random.default_rng(5)
    for seed in range(8):
        drawn = random_payload(np.random.default_rng(seed), 1 + seed % 4)
        for _ in range(6):
            start = np.frombuffer(drawn.start, dtype="<u4").copy()
            start[int(random.integers(len(start)))] = int(random.choice([0, 1, 7, 300, 1 << 16, 1 << 31]))
            _by_core(drawn, drawn.payload, start.tobytes())
        _by_core(drawn, random.bytes(int(random.integers(200))))


def test_damaged_wavelets_are_said() -> None:
    path = next(path for path in GOLDEN if path.match("v1-core/colour.tnr"))
    header, _, payload = _opened(path)
    parameters = decode(path.read_bytes()).parameters
    assert isinstance(parameters, WaveletParameters)
    layout, _ = _wavelets(parameters)
    start, random, said = _start(header, header.channels, is_sines=False), np.random.default_rng(0), 0
    for place in range(min(200, len(payload))):
        mutated = payload[:place] + random.bytes(1) + payload[place + 1 :]
        try:
            wavelet_words(layout, start, mutated, Limits(work=10_000_000, memory=64 << 20))
        except (CorruptFile, LimitExceeded):
            said += 1
    assert said > 50
    with pytest.raises(CorruptFile, match="network is not what an encoder writes"):
        wavelet_words(Layout(layout.samples, layout.colours, layout.scales + 1), start, payload)


def test_limits_come_before_memory() -> None:
    drawn = random_payload(np.random.default_rng(3), 2)
    with pytest.raises(LimitExceeded, match="work"):
        sine_words(2, head(SINES, 1 << 10, 3, [1 << 10], 2.5), 1, drawn.payload, Limits(work=1 << 16))
    with pytest.raises(LimitExceeded, match="memory"):
        sine_words(2, head(SINES, 1 << 10, 3, [1 << 10], 2.5), 1, drawn.payload, Limits(memory=1 << 20))
    with pytest.raises(ConfigError, match="network"):
        sine_words(2, head(SINES, 3, 3, [1 << 17], 2.5), 1, drawn.payload)
    with pytest.raises(ConfigError, match="axes"):
        sine_words(5, drawn.start, drawn.chunk, drawn.payload)
    with pytest.raises(CorruptFile, match="network is not what an encoder writes"):
        sine_words(2, drawn.start, 2, drawn.payload)


def _wavelets(parameters: WaveletParameters) -> tuple[Layout, Network]:
    layout = parameters.layout
    return Layout(layout.grid_shape, layout.colours, layout.scales), Network(
        period=parameters.period,
        frequencies=parameters.frequencies,
        factors=parameters.gains,
        tensors=parameters.tensors(),
    )
