"""A region is read from its own bytes, is the crop of the whole, and is told when they are damaged."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.lies import header
from tests.networks import random_representation
from tests.tiles import ask_none, random_tiles, tiled
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.codec.file.header import checksum
from tuner.codec.file.primitives import pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.codec.ranges import Ranges
from tuner.codec.region import load_region, open_tiles
from tuner.errors import ConfigError, CorruptFile, FormatError, LimitExceeded
from tuner.network.tiles.grid import TileGrid
from tuner.signal.details import AudioDetails
from tuner.signal.signal import SignalKind

PICTURE = replace(tiled(random_tiles((60, 90), (15, 18), (2, 4))), icc_profile=b"profile")
DATA = encode(PICTURE)


class Counted(BytesIO):
    """A file behind HTTP: how many bytes were asked for, in how many requests."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.total, self.requests = 0, 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.total, self.requests = self.total + len(found), self.requests + 1
        return found


@pytest.fixture(autouse=True)
def _unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_none(monkeypatch)


def test_a_region_reads_the_head_and_its_tiles_only() -> None:
    file = Counted(DATA)
    representation = open_tiles(file)
    file.total = file.requests = 0
    found = representation.crop([(32, 42), (40, 50)])
    np.testing.assert_array_equal(found.values, decode(DATA).render().values[32:42, 40:50])
    assert found.icc_profile == b"profile"
    assert len(DATA) > 10_000
    assert 0.03 * len(DATA) < file.total < 0.07 * len(DATA)  # of 20 tiles
    assert file.requests == 1


@pytest.mark.parametrize("seed", range(6))
def test_any_region_is_the_crop_of_the_whole(seed: int, tmp_path: Path) -> None:
    path, rng = tmp_path / "picture.tnr", np.random.default_rng(seed)
    path.write_bytes(DATA)
    whole = decode(DATA).render().values
    rows, columns = (tuple(sorted(rng.choice(n + 1, 2, replace=False).tolist())) for n in (60, 90))
    np.testing.assert_array_equal(load_region(path, [rows, columns]).values, whole[slice(*rows), slice(*columns)])


def test_values_anywhere_read_the_tiles_that_they_lie_in() -> None:
    file = Counted(DATA)
    representation = open_tiles(file)
    before, points = file.total, np.array([[0.9, 0.9], [0.91, 0.93]], np.float32)
    np.testing.assert_array_equal(representation.at(points), decode(DATA).at(points))
    assert 0 < file.total - before < 0.1 * len(DATA)


def test_a_region_keeps_what_its_kind_needs() -> None:
    sound = replace(
        tiled(random_tiles((400,), (70,), (10,), colours=1, channels=1)),
        kind=SignalKind.AUDIO,
        details=AudioDetails(sample_rate=8000),
    )
    found = load_region(BytesIO(encode(sound)), [(100, 180)])
    assert found.details == AudioDetails(sample_rate=8000)
    assert found.grid_shape == (80,)


def test_a_file_without_tiles_is_read_whole() -> None:
    data = encode(random_representation())
    found = load_region(BytesIO(data), [(2, 5), (3, 9)])
    np.testing.assert_array_equal(found.values, decode(data).render().values[2:5, 3:9])
    with pytest.raises(LimitExceeded, match="file bytes"):
        load_region(BytesIO(data), [(2, 5), (3, 9)], DecodeLimits(file_bytes=100))


@pytest.mark.parametrize("region", [[(0, 5)], [(0, 61), (0, 5)], [(3, 3), (0, 5)], [(-1, 5), (0, 5)]])
def test_a_region_that_is_none_is_refused(region: list[tuple[int, int]]) -> None:
    with pytest.raises(ConfigError, match="the region is"):
        load_region(BytesIO(DATA), region)


def test_damage_in_what_a_region_reads_is_told() -> None:
    data = encode(tiled(random_tiles((12, 9), (8, 9), (2, 0), colours=1, channels=1)))
    region, unread = [(0, 5), (0, 9)], 0
    expected, index = load_region(data, region).values, 64
    places = [*range(index), *range(index, len(data), 12)]
    for place in places:
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            found = load_region(damaged, region).values
        except FormatError:
            continue
        np.testing.assert_array_equal(found, expected)  # another tile, or the checksum of all of the chunk
        unread += 1
    assert 4 < unread < 0.6 * len(places)


def test_a_file_that_ends_within_the_tile_is_told() -> None:
    with pytest.raises(FormatError, match="truncated"):
        load_region(BytesIO(DATA[:5000]), [(50, 60), (80, 90)])


def test_a_source_is_a_path_bytes_an_open_file_or_a_callable(tmp_path: Path) -> None:
    path, asked = tmp_path / "picture.tnr", []
    path.write_bytes(DATA)

    def ranges_by_http(offset: int, count: int) -> bytes:
        assert count > 0
        assert offset < len(DATA)  # where a server answers with 416
        asked.append(count)
        return DATA[offset : offset + count]

    region = [(7, 9), (80, 90)]
    expected = decode(DATA).crop(region).values
    with path.open("rb") as file:
        for source in (path, str(path), DATA, BytesIO(DATA), file, ranges_by_http, Ranges(DATA)):
            np.testing.assert_array_equal(load_region(source, region).values, expected)
    counted = Ranges(ranges_by_http)
    asked.clear()
    load_region(counted, region)
    assert counted.requests == len(asked)
    assert counted.bytes_read == sum(asked) < 0.4 * len(DATA)


def test_a_server_that_knows_no_ranges_is_told_from_one_that_does() -> None:
    with pytest.raises(ConfigError, match="does not know ranges"):
        load_region(lambda _offset, _count: DATA, [(0, 1), (0, 1)])


def test_ranges_end_where_the_file_does() -> None:
    for size in (0, 10, 2047, 2048, 2049, 5000):
        data = bytes(range(256)) * 20
        ranges = Ranges(data[:size])
        for offset, count in ((0, 0), (0, 9), (5, 4000), (2040, 8), (2040, 20), (3000, 10), (size, 5)):
            assert ranges.read(offset, count) == data[offset : min(size, offset + count)]


def test_threads_may_share_a_representation() -> None:
    shared, whole = open_tiles(BytesIO(DATA), DecodeLimits(weights=2000)), decode(DATA).render().values
    regions = [[(a, a + 7), (b, b + 9)] for a in range(0, 50, 10) for b in range(0, 80, 16)]
    with ThreadPoolExecutor(4) as pool:
        for region, found in zip(regions, pool.map(shared.crop, regions), strict=True):
            np.testing.assert_array_equal(found.values, whole[tuple(slice(*ends) for ends in region)])


def test_tiles_that_lie_about_their_size_are_refused_before_they_are_read() -> None:
    """Tiles that would overlap or end outside of the file cannot be written: only lengths can lie, and add up."""
    grid = TileGrid((4,), (2,), (0,))
    for length, error in ((1 << 31, LimitExceeded), (100 << 20, CorruptFile)):
        index = b"\2\0" + 2 * (pack_varint(length) + bytes(4))
        payload = index + checksum(index)
        head = bytes([0x08]) + pack_varint(len(payload) + 2 * length if 2 * length < 1 << 31 else len(payload))
        ranges = Ranges(header(shape=grid.shape) + head + payload)
        with pytest.raises(error):
            load_region(ranges, [(0, 4)])
        assert ranges.bytes_read < 200
    tracemalloc.start()
    million = header(shape=(1 << 20,)) + bytes([0x08]) + pack_varint(1 << 27) + b"\1\0"
    with pytest.raises(LimitExceeded, match="1048576 tiles"):
        load_region(million, [(0, 4)])
    assert len(million) < 100
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
