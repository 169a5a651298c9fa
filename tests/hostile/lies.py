"""One small file per way to lie, built by hand, each with the error that it must meet.

The checksums are right throughout, unless they are the lie: whoever lies computes them too. The honest file that the
lies depart from has one of everything: an axis of four samples, one frequency, one neuron, one channel.
"""

from dataclasses import dataclass
from struct import pack
from typing import Any

import google_crc32c
import numpy as np

from tuner.codec.file.primitives import pack_signed, pack_varint
from tuner.core.host import Layout, encode
from tuner.errors import CorruptFile, FormatError, LimitExceeded, NotARepresentation, UnsupportedVersion

LIES: dict[str, tuple[bytes, type[FormatError], str]] = {}


def checked(data: bytes) -> bytes:
    return data + int(google_crc32c.value(data)).to_bytes(4, "little")


def header(
    *,
    magic: bytes = b"\xf5TNR",
    version: bytes = b"\x01\x00",
    kind: int = 1,
    sample_format: int = 1,
    coder: int = 1,
    chunks: bytes = b"\x01",
    shape: tuple[int, ...] = (4,),
    channels: int = 1,
    period: float = 2.5,
    frequencies: int = 1,
    widths: tuple[int, ...] = (1,),
) -> bytes:
    body = bytes([kind, sample_format, coder]) + chunks
    body += bytes([len(shape)]) + b"".join(map(pack_varint, shape)) + pack_varint(channels) + pack("<f", period)
    body += pack_varint(frequencies) + bytes([len(widths)]) + b"".join(map(pack_varint, widths))
    return checked(magic + version + body)


def chunk(kind: int, payload: bytes, length: bytes | None = None) -> bytes:
    return checked(bytes([kind]) + (length or pack_varint(len(payload))) + payload)


def table(low: int = 1, shift: int = 0, count: int = 1, frequencies: tuple[int, ...] = ()) -> bytes:
    return pack_signed(low) + bytes([shift]) + pack_varint(count) + b"".join(map(pack_varint, frequencies))


@dataclass
class Network:
    """The payload of a network chunk, matrix by matrix; every part can be replaced by a lie."""

    frequencies: bytes = b"\x01" + table()
    phases: bytes = b"\x01" + table()
    phase_step: bytes = pack("<f", 0.5)
    rest: bytes = 4 * (pack("<f", 0.5) + b"\x01" + table())
    words: bytes = b""

    def __bytes__(self) -> bytes:
        return self.frequencies + self.phase_step + self.phases + self.rest + self.words


NETWORK = chunk(0x01, bytes(Network()))
HONEST = header() + NETWORK


def lie(name: str, data: bytes, error: type[FormatError], message: str) -> None:
    LIES[name] = (data, error, message)


# What kind of file it is
lie("nothing", b"", NotARepresentation, "do not begin with")
lie("half a magic", b"\xf5T", NotARepresentation, "do not begin with")
lie("a picture", b"\x89PNG\r\n\x1a\n" + HONEST, NotARepresentation, "do not begin with")
lie("text", b"TNR\x01" + HONEST[4:], NotARepresentation, "do not begin with")
lie("a later version", header(version=b"\x02\x00") + NETWORK, UnsupportedVersion, "format version 2")
lie("version 0", header(version=b"\x00\x09") + NETWORK, UnsupportedVersion, "format version 0")
lie("an unknown kind", header(kind=9) + NETWORK, UnsupportedVersion, "kind is 9")
lie("an unknown sample format", header(sample_format=0) + NETWORK, UnsupportedVersion, "sample_format is 0")
lie("an unknown coder", header(coder=2) + NETWORK, UnsupportedVersion, "coder is 2")

# Header fields out of their range
lie("no axes", header(shape=()) + NETWORK, CorruptFile, "dimensions is 0")
lie("an empty axis", header(shape=(4, 0)) + NETWORK, CorruptFile, "shape is 4, 0")
lie("no channels", header(channels=0) + NETWORK, CorruptFile, "channels is 0")
lie("no frequencies", header(frequencies=0) + NETWORK, CorruptFile, "frequencies is 0")
lie("no hidden layer", header(widths=()) + NETWORK, CorruptFile, "layers is 0")
lie("an empty hidden layer", header(widths=(3, 0)) + NETWORK, CorruptFile, "widths is 3, 0")
lie("a period within the domain", header(period=2.0) + NETWORK, CorruptFile, "period is 2.0")
lie("a period that is no number", header(period=float("nan")) + NETWORK, CorruptFile, "period is nan")
lie("an endless period", header(period=float("inf")) + NETWORK, CorruptFile, "period is inf")
lie("a varint that is too long", header(chunks=b"\x81\x80\x00") + NETWORK, CorruptFile, "not the shortest varint")
lie("a varint that is too large", header(chunks=b"\xff\xff\xff\xff\x7f") + NETWORK, CorruptFile, "not the shortest")
lie("another header than was summed", header()[:-1] + b"\x00" + NETWORK, CorruptFile, "checksum of the header")

# Sizes that would fill the memory
lie(
    "a picture as large as a city", header(shape=(2**31, 2**31)) + NETWORK, LimitExceeded, "4611686018427387904 samples"
)
lie("a hundred axes", header(shape=(2**20,) * 100) + NETWORK, LimitExceeded, "100 axes")
lie("five axes of one sample", header(shape=(1,) * 5) + NETWORK, LimitExceeded, "5 axes")
lie("many samples of many channels", header(shape=(2**14, 2**14), channels=64) + NETWORK, LimitExceeded, "values")
lie("many samples of a large network", header(shape=(2**14, 2**14), widths=(2**17,)) + NETWORK, LimitExceeded, "work")
lie("a billion channels", header(channels=2**30) + NETWORK, LimitExceeded, "1073741824 channels")
lie("a billion frequencies", header(frequencies=2**30) + NETWORK, LimitExceeded, "weights")
lie("two wide layers", header(widths=(2**16, 2**16)) + NETWORK, LimitExceeded, "weights")
lie("an endless chunk", header() + chunk(1, b"", b"\xff\xff\xff\xff\x0f"), LimitExceeded, "4294967295 chunk bytes")

# Chunks that do not add up
lie("a chunk longer than the file", header() + chunk(1, b"", b"\x20"), CorruptFile, "needs 32 bytes")
lie("more chunks than there are", header(chunks=b"\x02") + NETWORK, CorruptFile, "chunk 2 of 2 needs 1 bytes")
lie("fewer chunks than there are", header() + NETWORK + chunk(0x81, b""), CorruptFile, "6 bytes follow")
lie("a billion chunks", header(chunks=b"\xff\xff\xff\xff\x0f") + NETWORK, LimitExceeded, "4294967295 chunks")
lie("no chunks", header(chunks=b"\x00"), CorruptFile, "no network chunk")
lie("no network", header() + chunk(0x81, b"profile"), CorruptFile, "no network chunk")
lie("networks of two kinds", header(chunks=b"\x02") + NETWORK + chunk(7, b""), CorruptFile, "2 network chunks")
lie("two networks", header(chunks=b"\x02") + NETWORK + NETWORK, CorruptFile, "0x01 occurs twice")
lie("another chunk than was summed", header() + NETWORK[:-1] + b"\x00", CorruptFile, "checksum of chunk 1 of 1")
lie("a chunk that must be known", header(chunks=b"\x02") + NETWORK + chunk(0x7F, b""), UnsupportedVersion, "0x7f")


def network(name: str, message: str, whole: bytes = header(), **parts: bytes) -> None:
    lie(name, whole + chunk(0x01, bytes(Network(**parts))), CorruptFile, message)


# Networks that no encoder writes
lie("an empty network", header() + chunk(0x01, b""), CorruptFile, "classes of frequencies needs 1 bytes")
network("a table that sums to too much", "table 0 of phases sums to 5000", phases=b"\x01" + table(0, 0, 2, (5000,)))
network("a table without symbols", "0 symbols", phases=b"\x01" + table(0, 0, 0))
network("a table with too many symbols", "4097 symbols", phases=b"\x01" + table(0, 0, 4097))
network("a table with too many low bits", "13 low bits", phases=b"\x01" + table(0, 13, 1))
network("a table below all integers", "covers -16777217", phases=b"\x01" + table(-(2**24) - 1))
network("a table above all integers", "covers 16777216 to 16777217", phases=b"\x01" + table(2**24, 1, 1))
network("no classes", "phases has 0 classes", phases=b"\x00")
network("too many classes", "phases has 17 classes", phases=b"\x11" + 18 * table())
network("a column of no class", "column of class 2", phases=b"\x02" + 3 * table(2))
network("a column of a negative class", "column of class -1", phases=b"\x02" + 3 * table(-1))
network("a step of zero", "step of phases is 0.0", phase_step=pack("<f", 0.0))
network("a negative step", "step of phases is -0.5", phase_step=pack("<f", -0.5))
network("a step that is no number", "step of phases is nan", phase_step=pack("<f", float("nan")))
network("a step beyond all numbers", "step of phases is inf", phase_step=pack("<f", float("inf")))
network("weights beyond all numbers", "step of phases is 3", phase_step=pack("<f", 3e38))
network("half a word", "take 2 bytes, expected a multiple of 4", words=b"\x00\x00")
network("words that nobody reads", "left over", words=bytes(range(1, 41)))
network("words that no encoder writes", "do not fit", phases=b"\x01" + table(0, 0, 2, (2048,)), words=b"\xff" * 8)
network(
    "frequencies that add up beyond their range",
    "a frequency is 8388607, expected at most",
    frequencies=b"\x01" + table(2**23 - 1),
)
network("frequencies beyond the last table", "the file is truncated", rest=b"")


def small_table(zero: int = 4096, largest: int = 0, decay: int = 0) -> bytes:
    return pack_varint(zero) + pack_varint(largest) + bytes([decay])


ALL_ZERO = encode(np.zeros(4, dtype=np.int32), Layout((4,), 1, 1))
SOME_LATENTS = encode(np.arange(64, dtype=np.int32), Layout((64,), 1, 1))


@dataclass
class Wavelets:
    """The payload of a chunk of wavelets, part by part: two latents in each of two levels, all of them 0."""

    seed: bytes = pack_varint(0)
    reach: bytes = pack_varint(1)
    scales: int = 1
    colours: int = 1
    exponents: bytes = 4 * pack_signed(0)
    step: bytes = pack("<f", 0.5)
    tensor: bytes = small_table()
    rest: bytes = 5 * (pack("<f", 0.5) + small_table())
    word_count: bytes = pack_varint(0)
    words: bytes = b""
    latents: bytes = ALL_ZERO

    def __bytes__(self) -> bytes:
        layout = self.seed + self.reach + bytes([self.scales, self.colours]) + self.exponents
        return layout + self.step + self.tensor + self.rest + self.word_count + self.words + self.latents


HONEST_WAVELETS = header() + chunk(0x07, bytes(Wavelets()))


def wavelets(name: str, message: str, whole: bytes = header(), **parts: bytes | int) -> None:
    lie(name, whole + chunk(0x07, bytes(Wavelets(**parts))), CorruptFile, message)  # type: ignore[arg-type]


# Wavelets that no encoder writes
wavelets("no scales", "0 scales of 1 colours", scales=0)
wavelets("seventeen scales", "17 scales of 1 colours", scales=17)
wavelets("no colours", "1 scales of 0 colours", colours=0)
wavelets("frequencies within nothing", "1 frequencies within 0", reach=pack_varint(0))
wavelets("frequencies within everything", "within 1048577", reach=pack_varint(2**20 + 1))
wavelets("more frequencies than within reach", "2 frequencies within 1 are too many", header(frequencies=2))
wavelets("an exponent that is too large", "exponent of input 0 is 33", exponents=pack_signed(33) + 3 * pack_signed(0))
wavelets("an exponent that is too small", "exponent of input 0 is -33", exponents=pack_signed(-33) + 3 * pack_signed(0))
wavelets("a tensor with a step of zero", "step of sine weight is 0.0", step=pack("<f", 0.0))
wavelets("a tensor whose step is no number", "step of sine weight is nan", step=pack("<f", float("nan")))
wavelets("a table in which 0 never occurs", "gives 0 the probability 0 / 4096", tensor=small_table(zero=0))
wavelets("a table in which 0 is more than certain", "probability 4097 / 4096", tensor=small_table(zero=4097))
wavelets("a table beyond all integers of tensors", "goes up to 2048", tensor=small_table(1, 2048, 255))
wavelets("words that are not there", "needs 400 bytes", word_count=pack_varint(100))
wavelets("words after the last weight", "left over", word_count=pack_varint(10), words=bytes(range(1, 41)))
wavelets(
    "words that are no weights",
    "do not fit",
    tensor=small_table(4095, 1, 0),
    word_count=pack_varint(2),
    words=b"\xff" * 8,
)
wavelets("no latents", "is larger than 2^29", latents=b"")
wavelets("half the latents", "an integer is larger than 2^29", header(shape=(64,)), latents=SOME_LATENTS[:20])
wavelets("bytes after the last latent", "left over after the last integer", latents=ALL_ZERO + b"\x00")
wavelets("latents that no encoder writes", "the file is damaged", latents=b"\x00" * 40)
lie(
    "as many colours as a byte holds, of a plane",
    header(shape=(2**13, 2**13)) + chunk(0x07, bytes(Wavelets(colours=255))),
    LimitExceeded,
    "weights",
)

TILE = bytes(Wavelets())


@dataclass
class Tiles:
    """The payload of a chunk of tiles, part by part: a line of four samples in two tiles."""

    strides: tuple[int, ...] = (2,)
    overlaps: tuple[int, ...] = (0,)
    tiles: tuple[bytes, ...] = (TILE, TILE)
    lengths: tuple[int, ...] | None = None
    index: bytes | None = None
    more: bytes = b""

    def __bytes__(self) -> bytes:
        packed = b"".join(map(pack_varint, self.strides + self.overlaps))
        lengths = map(len, self.tiles) if self.lengths is None else self.lengths
        for length, tile in zip(lengths, self.tiles, strict=True):
            packed += pack_varint(length) + checked(tile)[-4:]
        return (checked(packed) if self.index is None else self.index) + b"".join(self.tiles) + self.more


HONEST_TILES = header() + chunk(0x08, bytes(Tiles()))


def tiles(
    name: str, message: str, error: type[FormatError] = CorruptFile, whole: bytes = header(), **parts: Any
) -> None:
    lie(name, whole + chunk(0x08, bytes(Tiles(**parts))), error, message)


# Tiles that no encoder writes. They follow each other, so that none can overlap or lie outside: lengths alone can lie.
tiles("no stride", "strides (0,)", strides=(0,))
tiles("an overlap beyond the stride", "overlaps (3,)", overlaps=(3,))
tiles("more tiles than are indexed", "the file is damaged", strides=(1,))
tiles("fewer tiles than are indexed", "checksum of the index", strides=(4,))
tiles("a tile that is longer", "index and tiles have", lengths=(len(TILE), len(TILE) + 1))
tiles("a tile that ends before it begins", "index and tiles have", lengths=(0, len(TILE)))
tiles("a tile as long as all others", "index and tiles have", lengths=(2 * len(TILE),) * 2)
tiles("lengths that add up, of other tiles", "checksum of tile 0", lengths=(len(TILE) - 1, len(TILE) + 1))
tiles("an endless tile", "4294967295 chunk bytes", LimitExceeded, lengths=(len(TILE), 2**32 - 1))
tiles("bytes behind the last tile", "index and tiles have", more=b"\0")
tiles("an index without checksum", "checksum of the index", index=b"\2\0")
tiles("an index of no bytes", "stride of the tiles needs 1 bytes", index=b"", tiles=())
tiles("an empty tile", "frequency seed needs 1 bytes", tiles=(TILE, b""))
tiles("a tile of another network", "the file is damaged", tiles=(TILE, TILE[:-1]))
tiles("a tile with bytes left over", "left over", tiles=(TILE, TILE + b"\0" * 6))
tiles("a tile of another signal", "the file is damaged", tiles=(bytes(Wavelets(latents=SOME_LATENTS)), TILE))
tiles("a million tiles in a hundred bytes", "1048576 tiles", LimitExceeded, header(shape=(2**20,)), strides=(1,))
tiles("tiles of one sample of a plane", "268435456 tiles", LimitExceeded, header(shape=(2**14,) * 2), strides=(1, 1),
      overlaps=(0, 0))  # fmt: skip
tiles("tiles without end on four axes", "268435456 tiles", LimitExceeded, header(shape=(2**7,) * 4), strides=(1,) * 4,
      overlaps=(0,) * 4)  # fmt: skip
tiles("tiles that are not in the file", "length of a tile needs 1 bytes", whole=header(shape=(2**16,)), strides=(1,),
      tiles=())  # fmt: skip
tiles("overlaps that double all samples", "samples", LimitExceeded, header(shape=(2**28,)), strides=(2**20,),
      overlaps=(2**20,))  # fmt: skip
tiles("overlaps of many channels", "values", LimitExceeded, header(shape=(3 * 2**21,), channels=64), strides=(2**20,),
      overlaps=(2**10,))  # fmt: skip
lie("two chunks of tiles", header(chunks=b"\x02") + 2 * HONEST_TILES[len(header()) :], CorruptFile, "0x08 occurs twice")
lie(
    "tiles and a network",
    header(chunks=b"\x02") + HONEST_TILES[len(header()) :] + NETWORK,
    CorruptFile,
    "2 network chunks",
)
lie(
    "as many colours as a byte holds, of a tile of a plane",
    header(shape=(2**13, 2**13))
    + chunk(0x08, bytes(Tiles((2**13, 2**13), (0, 0), tiles=(bytes(Wavelets(colours=255)),)))),
    LimitExceeded,
    "weights",
)

LIE_NAMES = sorted(LIES)
