"""The beginning of a file as a coarser signal: what has arrived so far, or all that a thumbnail needs.

A file of wavelets names places at which a reader may stop, each with a checksum of all that comes before it
(`tuner.codec.wavelets.prefixes`). Up to there a file is a representation like any other, with less detail. A file in
tiles has none: its beginning is some tiles whole and others not at all, which `tuner.codec.region` reads.
"""

from dataclasses import dataclass
from pathlib import Path

from tuner.codec.decode import decode, representation_of
from tuner.codec.file.container import ChunkType, read_beginning
from tuner.codec.limits import DecodeLimits
from tuner.codec.wavelets.chunk import unpack_wavelets
from tuner.codec.wavelets.prefixes import unpack_prefixes
from tuner.errors import CorruptFile
from tuner.network.synthesis import values_between
from tuner.representation import Representation
from tuner.shapes import FloatArray
from tuner.signal.samples import Storage


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """A signal as far as the beginning of its file tells.

    Attributes:
        representation: the coarser signal, which is asked for values as any other; samples are as many as in the file.
        missing_levels: number of finest levels of detail that it lacks, each of which halves the resolution of what it
            shows; 0 if the file is whole.
    """

    representation: Representation
    missing_levels: int

    def coarse(self) -> FloatArray:
        """What there is to see so far, in a third of the time that all samples take.

        Returns:
            Values of one sample in 2^missing_levels along each axis, the one after their middle, float32
            (*coarse_shape, C), limited to what the sample format holds.
        """
        shown = self.representation
        values = values_between(shown.parameters, shown.grid_shape, 2**self.missing_levels)
        return Storage(shown.sample_format, shown.scaling).limited(values)


def decode_beginning(data: bytes, limits: DecodeLimits = DecodeLimits()) -> Beginning:  # noqa: B008  frozen
    """Read the beginning of a .tnr file, as far as it is whole.

    A colour profile comes last in a file, and may be missing from what is returned.

    Args:
        data: bytes from the first one of the file on, as many as there are.
        limits: what the reader is ready to spend.

    Returns:
        The finest signal that the bytes hold: all of it, as `decode` reads it, if the file is whole.

    Raises:
        CorruptFile: if the bytes are damaged, or too few, of which the message says how many are needed; or a part of
            a signal in tiles.
        NotARepresentation: if this is another kind of file.
        UnsupportedVersion: if it was written by a newer version that this one cannot follow.
        LimitExceeded: if it asks for more than `limits`.
    """
    limits.check("file_bytes", len(data))
    header, payloads, is_cut = read_beginning(data, limits)
    if not is_cut:
        return Beginning(decode(data, limits), 0)
    if ChunkType.TILES in payloads:
        raise CorruptFile(
            f"{len(data)} bytes are a part of a signal in tiles, which has no coarser beginning: fetch the whole file, "
            "or read a region of it with load_region"
        )
    payload = payloads.get(ChunkType.WAVELETS, b"")
    if ChunkType.PREFIXES not in payloads:
        raise CorruptFile(
            f"{len(data)} bytes name no place at which a reader may stop: fetch the whole file, or at least 1024 bytes"
        )
    prefixes = unpack_prefixes(payloads[ChunkType.PREFIXES])
    for prefix in reversed(prefixes):
        if prefix.begins(payload):
            network = unpack_wavelets(payload[: prefix.byte_count], header, limits, prefix.missing_levels)
            return Beginning(representation_of(header, payloads, network, len(data)), prefix.missing_levels)
    first = prefixes[0].byte_count
    if len(payload) >= first:
        raise CorruptFile(f"the checksum of the first {first} bytes of the network differs: the file is damaged")
    raise CorruptFile(
        f"{len(data)} bytes hold no whole level of detail: fetch at least {len(data) - len(payload) + first}"
    )


def load_beginning(path: Path | str, limits: DecodeLimits = DecodeLimits()) -> Beginning:  # noqa: B008  frozen
    """Read the beginning of a .tnr file from disk, as far as it has arrived.

    Args:
        path: location of the file, whose end may be missing.
        limits: what the reader is ready to spend.

    Returns:
        The finest signal that the bytes hold.

    Raises:
        FormatError: if the file cannot be read; see `decode_beginning`.
    """
    limits.check("file_bytes", Path(path).stat().st_size)
    return decode_beginning(Path(path).read_bytes(), limits)
