"""What a file says of itself before its network is decoded: header, colour profile and metadata.

Programs that list a folder or show a size must not pay for decoding. The network is passed over without being read;
whether it is whole shows when it is decoded.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from tuner.codec.file.container import ChunkType
from tuner.codec.file.header import checksum, unpack_header
from tuner.codec.file.metadata import Metadata, unpack_metadata
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.errors import CorruptFile
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat

# No header is longer: 255 axes and 255 layers, five bytes each, and some thirty more.
_LONGEST_HEADER = 1 << 12
_LONGEST_LENGTH = 6  # a type and a varint
_CHECKSUM = 4


@runtime_checkable
class Readable(Protocol):
    """What is asked of an open file."""

    def read(self, size: int, /) -> bytes:
        """At most this many bytes from where the file stands."""
        ...

    def seek(self, position: int, /) -> int:
        """Go to a byte, counted from the beginning."""
        ...

    def tell(self) -> int:
        """Where the file stands."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Glance:
    """Facts that cost no decoding.

    Attributes:
        kind: what the signal is.
        grid_shape: number of samples along each axis.
        channels: number of values per sample.
        sample_format: type of number that a sample is stored as.
        icc_profile: colour profile of the source, or None.
        metadata: scaling, details of the kind of signal, and the report of the fit.
    """

    kind: SignalKind
    grid_shape: tuple[int, ...]
    channels: int
    sample_format: SampleFormat
    icc_profile: bytes | None
    metadata: Metadata

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the samples as an array."""
        return self.sample_format.dtype


def glance(file: Readable, limits: DecodeLimits) -> Glance:
    """Read the small parts of a file.

    Args:
        file: a file that can be sought, standing at the first byte of the representation.
        limits: what the reader is ready to spend, held against the header.

    Returns:
        What the file says.

    Raises:
        FormatError: as `tuner.codec.decode.decode` raises it, but for damage of the network.
    """
    start = file.tell()
    reader = ByteReader(file.read(_LONGEST_HEADER))
    header = unpack_header(reader)
    header.check_limits(limits)
    file.seek(start + reader.position)
    found: dict[int, bytes] = {}
    for number in range(1, header.chunks + 1):
        what = f"chunk {number} of {header.chunks}"
        position = file.tell()
        head = ByteReader(file.read(_LONGEST_LENGTH))
        kind, length = head.byte(what), head.varint(what)
        limits.check("chunk_bytes", length)
        if kind not in {ChunkType.ICC_PROFILE, ChunkType.METADATA}:
            file.seek(position + head.position + length + _CHECKSUM)
            continue
        file.seek(position + head.position)
        body = ByteReader(file.read(length + _CHECKSUM))
        found[kind] = body.take(length, what)
        if checksum(head.since(0) + found[kind]) != body.take(_CHECKSUM, what):
            raise CorruptFile(f"the checksum of {what} differs: the file is damaged, fetch it again")
    return Glance(
        kind=header.kind,
        grid_shape=header.shape,
        channels=header.channels,
        sample_format=header.sample_format,
        icc_profile=found.get(ChunkType.ICC_PROFILE),
        metadata=unpack_metadata(found.get(ChunkType.METADATA), header.kind),
    )
