"""The container: a header, then chunks, each with its length and its checksum.

A chunk whose type has the high bit set may be skipped by a reader that does not know it; any other unknown chunk makes
the file unreadable for that reader. The header counts the chunks, so that a file cut between two of them is noticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from tuner.codec.file.header import Header, checksum, pack_header, unpack_header
from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.errors import CorruptFile, UnsupportedVersion

_SKIPPABLE = 0x80


class ChunkType(IntEnum):
    """The chunks of version 1; a file has one of the networks."""

    NETWORK = 0x01
    SCALED_NETWORK = 0x03
    WINDOWED = 0x04
    WAVELETS = 0x07
    TILES = 0x08
    ICC_PROFILE = 0x81
    METADATA = 0x82
    PREFIXES = 0x83


NETWORKS = (ChunkType.NETWORK, ChunkType.SCALED_NETWORK, ChunkType.WINDOWED, ChunkType.WAVELETS, ChunkType.TILES)
# A reader that has only the beginning of a file needs the metadata and the places where it may stop before the network;
# a colour profile, which may be larger than both, is the last to come.
_FIRST, _LAST = (ChunkType.METADATA, ChunkType.PREFIXES), (ChunkType.ICC_PROFILE,)
_HEAD, _CHECKSUM = 6, 4  # most bytes of a type and a length; bytes of a checksum
_KNOWN = frozenset(int(member) for member in ChunkType)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A type in [0, 255] and its payload."""

    type: int
    payload: bytes


def write_container(header: Header, chunks: Sequence[Chunk]) -> bytes:
    """Header and chunks as bytes, the header's count filled in, chunks in the order in which a reader needs them."""
    ordered = sorted(chunks, key=lambda chunk: (chunk.type not in _FIRST, chunk.type in _LAST, chunk.type))
    return pack_header(replace(header, chunks=len(chunks))) + b"".join(_pack(chunk) for chunk in ordered)


def read_container(data: bytes, limits: DecodeLimits) -> tuple[Header, dict[ChunkType, bytes]]:
    """Read the header, check it against the limits, and check every chunk.

    Args:
        data: all bytes of the file.
        limits: what the reader is ready to spend.

    Returns:
        The header, and the payload of every known chunk.

    Raises:
        NotARepresentation: if this is another kind of file.
        UnsupportedVersion: if it was written by a newer version that this one cannot follow.
        LimitExceeded: if the header or a chunk asks for more than `limits`.
        CorruptFile: if it is truncated, damaged, or has bytes after its last chunk.
    """
    limits.check("file_bytes", len(data))
    reader = ByteReader(data)
    header = unpack_header(reader)
    header.check_limits(limits)
    payloads: dict[ChunkType, bytes] = {}
    for number in range(1, header.chunks + 1):
        read_chunk(payloads, reader, f"chunk {number} of {header.chunks}", limits)
    if reader.remaining:
        raise CorruptFile(f"{reader.remaining} bytes follow the last chunk, expected none: the file is damaged")
    networks = payloads.keys() & NETWORKS
    if len(networks) != 1:
        raise CorruptFile(f"the file has {len(networks) or 'no'} network chunks, expected one: the file is damaged")
    return header, payloads


def read_beginning(data: bytes, limits: DecodeLimits) -> tuple[Header, dict[ChunkType, bytes], bool]:
    """Read what there is of a file whose end may be missing.

    Args:
        data: bytes from the first one of the file on.
        limits: what the reader is ready to spend.

    Returns:
        The header; the payload of every known chunk that is whole, and what there is of the one after them, whose
        checksum is missing; whether anything is missing.

    Raises:
        FormatError: as `read_container`, but not for what is missing behind the header.
    """
    reader = ByteReader(data)
    header = unpack_header(reader)
    header.check_limits(limits)
    payloads: dict[ChunkType, bytes] = {}
    for number in range(1, header.chunks + 1):
        if reader.remaining < _HEAD:
            return header, payloads, True
        start, what = reader.position, f"chunk {number} of {header.chunks}"
        kind, length = read_chunk_head(reader, what, limits)
        if length + _CHECKSUM > reader.remaining:
            _admit(payloads, Chunk(kind, reader.take(min(length, reader.remaining), what)))
            return header, payloads, True
        reader.position = start
        read_chunk(payloads, reader, what, limits)
    return header, payloads, False


def read_chunk(payloads: dict[ChunkType, bytes], reader: ByteReader, what: str, limits: DecodeLimits) -> None:
    """Read the next chunk and add it to those that were read, unless it is one that may be skipped.

    Args:
        payloads: payload of every known chunk so far.
        reader: bytes of the file, at the chunk.
        what: name of the chunk, for messages.
        limits: what the reader is ready to spend.

    Raises:
        FormatError: as `read_container`.
    """
    _admit(payloads, _unpack(reader, what, limits))


def read_chunk_head(reader: ByteReader, what: str, limits: DecodeLimits, *, is_read: bool = True) -> tuple[int, int]:
    """Type of the next chunk, and size of its payload in bytes.

    Args:
        reader: bytes of the file, at the chunk; left at the payload.
        what: name of the chunk, for messages.
        limits: what the reader is ready to spend.
        is_read: whether the payload is to be read as a whole, and so must be within the limits.

    Raises:
        LimitExceeded: if the payload is to be read and is larger than allowed.
        CorruptFile: if the bytes end.
    """
    kind, length = reader.byte(what), reader.varint(what)
    if is_read:
        limits.check("chunk_bytes", length)
    return kind, length


def _pack(chunk: Chunk) -> bytes:
    packed = bytes([chunk.type]) + pack_varint(len(chunk.payload)) + chunk.payload
    return packed + checksum(packed)


def _admit(payloads: dict[ChunkType, bytes], chunk: Chunk) -> None:
    """Add a chunk to those that were read, unless it is one that may be skipped."""
    if chunk.type in _KNOWN:
        if chunk.type in payloads:
            raise CorruptFile(f"chunk type {chunk.type:#04x} occurs twice, expected once: the file is damaged")
        payloads[ChunkType(chunk.type)] = chunk.payload
    elif not chunk.type & _SKIPPABLE:
        raise UnsupportedVersion(f"chunk type {chunk.type:#04x} is unknown and may not be skipped: use a newer tuner")


def _unpack(reader: ByteReader, what: str, limits: DecodeLimits) -> Chunk:
    start = reader.position
    kind, length = read_chunk_head(reader, what, limits)
    payload = reader.take(length, what)
    expected = checksum(reader.since(start))
    if reader.take(len(expected), what) != expected:
        raise CorruptFile(f"the checksum of {what} differs: the file is damaged, fetch it again")
    return Chunk(kind, payload)
