"""Golden files with damage whose checksums are right, so that it reaches the reader behind them."""

import random
from dataclasses import replace

from tests.hostile.lies import Tiles, checked, chunk
from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.file.header import Header, pack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.index import unpack_index


def mutant(number: int, originals: list[bytes]) -> bytes:
    """The mutated file of a number."""
    source = random.Random(number)
    original = source.choice(originals)
    if number % 3 == 0:
        return _damaged(original, source)
    header, payloads = read_container(original, DecodeLimits())
    chunks = b""
    for kind, payload in payloads.items():
        if kind == ChunkType.TILES:
            payload = _damaged_tiles(payload, header, source)
        elif kind < 0x80:
            payload = _damaged(payload, source)
        chunks += chunk(int(kind), payload)
    if number % 6 == 2:  # another number of axes than the network was made for, the samples staying few
        header = replace(header, shape=tuple(source.choice((1, 1, 2, 3)) for _ in range(source.randint(1, 9))))
    packed = pack_header(header)
    if number % 3 == 1:
        packed = checked(packed[:6] + _damaged(packed[6:-4], source))
    return packed + chunks


def _damaged_tiles(payload: bytes, header: Header, source: random.Random) -> bytes:
    """Other tiles, another grid or another index, with the checksums of all that."""
    index = unpack_index(ByteReader(payload), header, DecodeLimits())
    tiles = [payload[at : at + length] for at, length in zip(index.starts(), index.lengths, strict=True)]
    built = Tiles(index.grid.strides, index.grid.overlaps)
    match source.randrange(4):
        case 0:  # one tile, or several
            tiles = [_damaged(tile, source) if source.random() < 0.5 else tile for tile in tiles]
        case 1:  # exchanged, left out, or there twice
            at, other = source.randrange(len(tiles)), source.randrange(len(tiles))
            tiles[at : at + source.randrange(3)] = [tiles[other]] * source.randrange(1, 3)
        case 2:  # another grid, of about as many tiles
            built.strides = tuple(max(0, s + source.randrange(-2, 3)) for s in built.strides)
            built.overlaps = tuple(max(0, o + source.randrange(-2, 3)) for o in built.overlaps)
        case _:  # an index whose lengths lie
            lengths = [len(tile) for tile in tiles]
            at, other = source.randrange(len(tiles)), source.randrange(len(tiles))
            moved = source.choice((1, 7, lengths[other], 2**20, 2**31))
            lengths[at] += moved
            lengths[other] = max(0, lengths[other] - moved)
            built.lengths = tuple(lengths)
    built.tiles = tuple(tiles)
    return bytes(built)


def _damaged(data: bytes, source: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(source.choice((0, 1, 1, 2, 3, 8))):
        if not changed:
            break
        at, other = source.randrange(len(changed)), source.randrange(len(changed))
        match source.randrange(5):
            case 0:
                changed[at] = source.randrange(256)
            case 1:
                changed[at] ^= 1 << source.randrange(8)
            case 2:
                del changed[min(at, other) : max(at, other)]
            case 3:
                changed[at:at] = changed[other : other + source.randrange(1, 9)]
            case _:
                changed[at], changed[other] = changed[other], changed[at]
    return bytes(changed)
