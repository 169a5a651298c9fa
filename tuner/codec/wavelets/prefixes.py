"""Chunk 83: where a reader of the beginning of a file may stop, and how it knows that these bytes are whole.

The latents of a wavelet network come level by level, from coarse to fine. The bytes up to the end of a level are a
coarser signal: the same network, with the finer latents at 0. Payload: a byte n; then, for each of the n levels before
the finest one, how many more bytes of the network's payload it ends after (varint), and the CRC32C of the payload up
to there. `tuner/codec/format/wavelets.md` is the specification.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tuner.codec.file.header import checksum
from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.errors import CorruptFile

# A place costs 6 to 7 bytes, and 7 are for the chunk: a quarter of a percent where the payload is smallest.
_LEAST_PAYLOAD: Final = 8192
_LEAST_SHARE: Final = 1 / 16  # of the payload; shorter beginnings show next to nothing
_CHECKSUM_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of the payload of a wavelet network.

    Attributes:
        missing_levels: number of finest levels whose latents it lacks; each halves the resolution of what it shows.
        byte_count: size of the beginning in bytes.
        checksum: CRC32C of these bytes, little-endian.
    """

    missing_levels: int
    byte_count: int
    checksum: bytes

    def begins(self, payload: bytes) -> bool:
        """Whether a payload, or what there is of it, has all these bytes, undamaged."""
        return len(payload) >= self.byte_count and checksum(payload[: self.byte_count]) == self.checksum


def pack_prefixes(payload: bytes, ends: Sequence[int]) -> bytes | None:
    """The payload of the chunk, or None for a network so small that a beginning of it is worth nothing.

    Args:
        payload: payload of the network.
        ends: number of its bytes that each level ends after, the low-pass one first.
    """
    kept = [end for end in ends[:-1] if end >= _LEAST_SHARE * len(payload)]
    if len(payload) < _LEAST_PAYLOAD or not kept:
        return None
    packed, before = bytes([len(kept)]), 0
    for end in kept:
        packed += pack_varint(end - before) + checksum(payload[:end])
        before = end
    return packed


def unpack_prefixes(packed: bytes) -> list[Prefix]:
    """Read the payload of the chunk.

    Args:
        packed: bytes from `pack_prefixes`.

    Returns:
        Beginnings of the network's payload, the shortest one first.

    Raises:
        CorruptFile: if it is not what an encoder writes.
    """
    reader = ByteReader(packed)
    count = reader.byte("number of prefixes")
    if count < 1:
        raise CorruptFile("the number of prefixes is 0, expected at least 1: the file is damaged")
    found, end = [], 0
    for missing in range(count, 0, -1):
        end += reader.varint("length of a prefix")
        found.append(Prefix(missing, end, reader.take(_CHECKSUM_BYTES, "checksum of a prefix")))
    if reader.remaining:
        raise CorruptFile(f"{reader.remaining} bytes follow the last prefix, expected none: the file is damaged")
    return found


def check_prefixes(packed: bytes, payload: bytes) -> None:
    """Hold what a whole file says of its beginnings against its network.

    Args:
        packed: payload of the chunk of prefixes.
        payload: payload of the network, whole.

    Raises:
        CorruptFile: if a beginning is not what it is said to be.
    """
    if not all(prefix.begins(payload) for prefix in unpack_prefixes(packed)):
        raise CorruptFile("a prefix is not the beginning of the network of its file: the file is damaged")
