"""A signal in tiles comes out of a file as it went in; whatever is wrong with one is refused."""

from dataclasses import replace

import numpy as np
import pytest

from tests.hostile.lies import HONEST_TILES, Tiles, chunk, header
from tests.tiles import random_tiles, tiled
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.chunk import PackedTiles, QuantisedTiles, join_tiles, pack_tile
from tuner.codec.tiles.index import pack_index
from tuner.errors import ConfigError, FormatError, LimitExceeded
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters

LIMITS = DecodeLimits()


@pytest.mark.parametrize("seed", range(12))
def test_round_trip_of_random_grids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    axes = 1 + seed % 4
    longest = (60, 24, 10, 6)[axes - 1]
    shape = tuple(int(n) for n in rng.integers(1, longest, axes))
    strides = tuple(int(s) for s in rng.integers(longest // 4 + 1, longest, axes))
    overlaps = tuple(int(rng.integers(0, s + 1)) for s in strides)
    parameters = random_tiles(shape, strides, overlaps, colours=1, channels=1, seed=seed)
    data = encode(tiled(parameters))
    read = decode_integers(data)
    assert isinstance(read, QuantisedTiles)
    assert read.grid == parameters.grid
    for number, tile in enumerate(parameters.tiles):
        for before, after in zip(tile.latents, read.tiles.integers(number).latents, strict=True):
            np.testing.assert_array_equal(before, after)
    representation = decode(data)
    assert encode(representation) == data
    np.testing.assert_allclose(representation.render().values, tiled(parameters).render().values, atol=0.02 * axes)


def test_a_tile_is_the_network_that_a_file_of_its_samples_would_have() -> None:
    parameters = random_tiles()
    data = encode(tiled(parameters))
    grid = TileGrid((20, 23), (99, 99), (0, 0))
    alone = encode(tiled(replace(parameters, grid=grid, tiles=[parameters.tiles[0]])))
    _, payloads = read_container(data, LIMITS)
    packed = pack_tile(parameters.tiles[0])
    assert packed in payloads[ChunkType.TILES]
    assert packed in alone


def test_the_index_takes_six_bytes_for_each_small_tile() -> None:
    grid = TileGrid((1000, 1000), (100, 100), (10, 10))
    assert len(pack_index(grid, [bytes(300)] * 100)) == 4 + 6 * 100 + 4


def test_every_damaged_byte_is_refused() -> None:
    data = encode(tiled(random_tiles((12, 9), (8, 9), (2, 0), colours=1, channels=1)))
    for place in range(len(data)):
        with pytest.raises(FormatError):
            decode(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
    for size in range(0, len(data), 5):
        with pytest.raises(FormatError):
            decode(data[:size])


def test_too_few_tiles_do_not_make_a_signal() -> None:
    with pytest.raises(ConfigError, match="5 tiles, expected 6"):
        join_tiles(TileGrid((40, 36), (16, 20), (4, 3)), [b""] * 5)


def test_steps_are_one_for_each_tensor_of_each_tile() -> None:
    parameters = random_tiles()
    with pytest.raises(ConfigError, match="steps, expected 8 for each of 6 tiles"):
        encode(tiled(parameters), (0.1,) * 8)
    assert len(encode(tiled(parameters), (0.1,) * 48)) < len(encode(tiled(parameters)))


def test_numbers_that_ask_for_much_are_refused_before_memory_is_taken() -> None:
    payload = bytes(Tiles((1 << 20,), (1 << 20,)))
    with pytest.raises(LimitExceeded, match="values"):
        decode(header(shape=(1 << 27,)) + chunk(0x08, payload), replace(LIMITS, values=1 << 27))
    with pytest.raises(LimitExceeded, match="weights"):
        decode(encode(tiled(random_tiles())), replace(LIMITS, weights=500))
    with pytest.raises(LimitExceeded, match=r"DecodeLimits\(tiles=2\)"):
        decode(HONEST_TILES, replace(LIMITS, tiles=1))


def test_of_a_large_signal_tiles_are_unpacked_when_they_are_asked_for() -> None:
    parameters = random_tiles()
    data = encode(tiled(parameters))
    most = max(tile.weight_count for tile in parameters.tiles)
    found = decode(data, replace(LIMITS, weights=most)).parameters
    assert isinstance(found, TiledParameters)
    assert isinstance(found.tiles, PackedTiles)
    for number, tile in enumerate(parameters.tiles):
        np.testing.assert_array_equal(found.tiles[number].latents[0], tile.latents[0])
        assert sum(kept.weight_count for kept in found.tiles._kept.values()) <= most
    assert found.weight_count == parameters.weight_count
    with pytest.raises(IndexError):
        found.tiles[6]
