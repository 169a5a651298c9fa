"""A decoder of signals in tiles by tuner/codec/format/tiles.md: slow, without numpy.

It imports nothing of `tuner`. A tile is decoded as the file of its samples alone would be.
"""

import math
from dataclasses import dataclass, replace
from itertools import product

from tests.reference import tnr_wavelets
from tests.reference.tnr_decoder import Bytes, crc32c, float32


@dataclass
class Tile:
    starts: list[int]
    stops: list[int]
    network: tnr_wavelets.Decoded


@dataclass
class Decoded:
    shape: list[int]
    strides: list[int]
    overlaps: list[int]
    counts: list[int]
    tiles: dict[tuple[int, ...], Tile]

    def value(self, position: list[int]) -> list[float]:
        """At one sample of the grid."""
        found: list[float] | None = None
        for place, tile in self.tiles.items():  # in the order of their numbers
            if not all(a <= i < b for a, i, b in zip(tile.starts, position, tile.stops, strict=True)):
                continue
            w = 1.0
            for axis, (i, index) in enumerate(zip(position, place, strict=True)):
                w *= self.weight(axis, index, i + 0.5)
            mine = tile.network.value([i - a for i, a in zip(position, tile.starts, strict=True)])
            products = [float32(w * v) for v in mine]
            found = products if found is None else [float32(a + b) for a, b in zip(found, products, strict=True)]
        assert found is not None
        return found

    def weight(self, axis: int, index: int, t: float) -> float:
        s, o, n = self.strides[axis], self.overlaps[axis], self.counts[axis]
        rise = 1.0 if index == 0 else share(t - index * s, o)
        fall = 0.0 if index == n - 1 else share(t - (index + 1) * s, o)
        return rise * (1.0 - fall)


def share(d: float, o: int) -> float:
    if o == 0:
        return float(d >= 0)
    r = min(max(d / o, 0.0), 1.0)
    return r * r * r * (10.0 - 15.0 * r + 6.0 * (r * r))


def decode(data: bytes) -> Decoded:
    header, payloads = tnr_wavelets.parts(data)
    payload = payloads.pop(0x08)
    assert not payloads
    return of_chunk(payload, header)


def of_chunk(payload: bytes, header: tnr_wavelets.Header) -> Decoded:
    source = Bytes(payload)
    strides, overlaps = [source.varint() for _ in header.shape], [source.varint() for _ in header.shape]
    assert all(0 <= o <= s and s >= 1 for s, o in zip(strides, overlaps, strict=True))
    counts = [max(1, math.ceil((n - o) / s)) for n, s, o in zip(header.shape, strides, overlaps, strict=True)]
    places = list(product(*map(range, counts)))
    index = [(source.varint(), source.take(4)) for _ in places]
    assert source.take(4) == crc32c(payload[: source.at - 4])
    tiles = {}
    for place, (length, expected) in zip(places, index, strict=True):
        starts = [i * s for i, s in zip(place, strides, strict=True)]
        stops = [min(n, a + s + o) for n, a, s, o in zip(header.shape, starts, strides, overlaps, strict=True)]
        packed = source.take(length)
        assert crc32c(packed) == expected
        shape = [b - a for a, b in zip(starts, stops, strict=True)]
        tiles[place] = Tile(starts, stops, tnr_wavelets.network(packed, replace(header, shape=shape)))
    assert source.at == len(payload)
    return Decoded(header.shape, strides, overlaps, counts, tiles)
