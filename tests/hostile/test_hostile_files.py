"""Whatever the bytes are: a representation or a FormatError, within the limits."""

import tracemalloc
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.make import small_files
from tests.hostile.lies import HONEST, HONEST_TILES, HONEST_WAVELETS, LIE_NAMES, LIES, chunk
from tests.hostile.mutants import mutant
from tests.tiles import ask_none
from tuner.codec.decode import decode
from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.file.header import Header, pack_header
from tuner.codec.limits import DecodeLimits
from tuner.codec.region import load_region
from tuner.errors import ConfigError, FormatError, LimitExceeded
from tuner.network.tiles.parameters import TiledParameters

TIGHT = DecodeLimits(file_bytes=12_000, chunk_bytes=11_000, weights=20_000, samples=5_000, channels=8)
GOLDEN = small_files("v1", "v1-scaled", "v1-kinds")
WAVELETS = small_files("v1-core")
TILES = small_files("v1-tiles")


def test_the_originals_are_within_the_limits() -> None:
    """Otherwise their mutants would be refused before the reader sees the damage."""
    for data in (*GOLDEN, *WAVELETS, *TILES):
        assert decode(data, TIGHT).parameters.weight_count


def test_the_honest_files_are_some() -> None:
    """Otherwise the lies might be refused for what they have in common with them."""
    representation = decode(HONEST)
    assert representation.parameters.weight_count == 5
    assert representation.render().values.shape == (4, 1)
    assert representation.sine_parameters.phases.tolist() == [0.5]
    wavelets = decode(HONEST_WAVELETS)
    assert wavelets.parameters.weight_count == 15
    assert wavelets.render().values.shape == (4, 1)
    tiles = decode(HONEST_TILES)
    assert tiles.parameters.weight_count == 26
    assert tiles.render().values.shape == (4, 1)


@pytest.mark.parametrize("name", LIE_NAMES)
def test_lies(name: str) -> None:
    data, error, message = LIES[name]
    with pytest.raises(FormatError) as caught:
        decode(data)
    assert type(caught.value) is error
    assert message in str(caught.value)


@pytest.mark.parametrize("name", LIE_NAMES)
def test_lies_cost_no_memory(name: str) -> None:
    data, *_ = LIES[name]
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("name", ["file_bytes", "chunks", "chunk_bytes", "weights", "samples", "channels"])
def test_every_limit_can_be_lowered_and_says_how_to_raise_it(name: str) -> None:
    with pytest.raises(LimitExceeded, match=rf"DecodeLimits\({name}=\d+\)"):
        decode(HONEST, replace(DecodeLimits(), **{name: 0}))


def decode_within_limits(data: bytes) -> None:
    """The one property of every file: it decodes to something within the limits that renders, or is refused."""
    try:
        representation = decode(data, TIGHT)
        parameters = representation.parameters
        networks = parameters.tiles if isinstance(parameters, TiledParameters) else (parameters,)
        weights = [network.weight_count for network in networks]  # where some tiles are found to be damaged
    except FormatError:
        return
    assert len(data) <= TIGHT.file_bytes
    assert max(weights) <= TIGHT.weights
    assert len(weights) <= TIGHT.tiles
    assert int(np.prod(representation.grid_shape)) <= TIGHT.samples
    assert representation.channels <= TIGHT.channels
    assert len(representation.icc_profile or b"") <= TIGHT.chunk_bytes
    assert np.isfinite(representation.at(np.zeros((1, len(representation.grid_shape)), dtype=np.float32))).all()


def region_within_limits(data: bytes) -> None:
    """Some samples are those of the whole signal wherever there is one; else they are read from what is whole."""
    try:
        whole = decode(data, TIGHT)
        corner = [(0, min(n, 3)) for n in whole.grid_shape]
        expected = whole.crop(corner).values
    except FormatError:
        with suppress(FormatError, ConfigError):  # damage elsewhere; or one sample along each of other axes
            load_region(data, [(0, 1)] * 2, TIGHT)
        return
    np.testing.assert_array_equal(load_region(data, corner, TIGHT).values, expected)


def mutated(data: bytes, edits: list[tuple[int, int]], cut: int | None) -> bytes:
    """Overwrite bytes, then keep the first `cut` ones."""
    changed = bytearray(data)
    for position, value in edits:
        changed[position % len(changed)] = value
    return bytes(changed if cut is None else changed[: cut % (len(changed) + 1)])


def network_chunk(payloads: dict[ChunkType, bytes]) -> tuple[int, bytes]:
    """Type and payload of the one chunk that a reader may not skip."""
    ((kind, payload),) = ((kind, payload) for kind, payload in payloads.items() if kind < 0x80)
    return int(kind), payload


EDITS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=6)
CUTS = st.none() | st.integers(0, 5_000)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.sampled_from(GOLDEN), edits=EDITS, cut=CUTS)
def test_mutated_files(data: bytes, edits: list[tuple[int, int]], cut: int | None) -> None:
    decode_within_limits(mutated(data, edits, cut))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(data=st.sampled_from(GOLDEN), edits=EDITS, cut=CUTS)
def test_mutated_networks_with_right_checksums(data: bytes, edits: list[tuple[int, int]], cut: int | None) -> None:
    header, payloads = read_container(data, DecodeLimits())
    kind, payload = network_chunk(payloads)
    decode_within_limits(pack_header(replace(header, chunks=1)) + chunk(kind, mutated(payload, edits, cut)))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.sampled_from(WAVELETS), edits=EDITS, cut=CUTS, shape=st.none() | st.integers(1, 4000))
def test_mutated_wavelets_with_right_checksums(
    data: bytes, edits: list[tuple[int, int]], cut: int | None, shape: int | None
) -> None:
    header, payloads = read_container(data, DecodeLimits())
    kind, payload = network_chunk(payloads)
    other = header if shape is None else replace(header, shape=(shape,) * len(header.shape))
    decode_within_limits(pack_header(replace(other, chunks=1)) + chunk(kind, mutated(payload, edits, cut)))


def test_mutated_tiles_with_right_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_none(monkeypatch)
    for number in range(90):  # and 20,000 by `make fuzz-codec`
        data = mutant(number, TILES)
        decode_within_limits(data)
        if number % 3 == 0:
            region_within_limits(data)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    data=st.sampled_from(GOLDEN),
    shape=st.lists(st.integers(0, 2**32 - 1) | st.integers(1, 40), max_size=4),
    channels=st.integers(0, 2**32 - 1) | st.integers(1, 8),
    frequencies=st.integers(0, 2**32 - 1) | st.integers(1, 50),
    widths=st.lists(st.integers(0, 2**32 - 1) | st.integers(1, 50), max_size=5),
    period=st.floats(width=32),
)
def test_headers_that_ask_for_anything(
    data: bytes, shape: list[int], channels: int, frequencies: int, widths: list[int], period: float
) -> None:
    header, payloads = read_container(data, DecodeLimits())
    other = Header(
        kind=header.kind,
        sample_format=header.sample_format,
        chunks=1,
        shape=tuple(shape),
        channels=channels,
        period=period,
        frequencies=frequencies,
        widths=tuple(widths),
    )
    decode_within_limits(pack_header(other) + chunk(*network_chunk(payloads)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(start=st.sampled_from([b"", b"\xf5TNR", b"\xf5TNR\x01\x00"]), noise=st.binary(max_size=200))
def test_noise(start: bytes, noise: bytes) -> None:
    decode_within_limits(start + noise)
