"""Bytes to a representation, with numpy, constriction and google_crc32c; limits come before memory.

The integers are the same on every machine; so are the float32 weights, each the nearest to integer x step. Only the
values computed from them may differ in their last bits.
"""

from pathlib import Path

from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.file.header import Header
from tuner.codec.file.metadata import check_axes, unpack_metadata
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.chunk import unpack_network
from tuner.codec.sines.quantise import QuantisedNetwork, dequantise
from tuner.codec.sines.scaled_chunk import unpack_scaled_network
from tuner.codec.sines.windows import QuantisedWindows, unpack_windows
from tuner.codec.tiles.chunk import QuantisedTiles, unpack_tiles
from tuner.codec.wavelets.chunk import QuantisedWavelets, unpack_wavelets
from tuner.codec.wavelets.prefixes import check_prefixes
from tuner.representation import Representation


def decode(data: bytes, limits: DecodeLimits = DecodeLimits()) -> Representation:  # noqa: B008  frozen
    """Read a .tnr file.

    Args:
        data: all bytes of the file.
        limits: what the reader is ready to spend.

    Returns:
        The representation; its `steps` and `byte_count` are those of the file. Tiles of a signal that is larger than
        `limits` allow one network are unpacked when they are asked for, and what is wrong inside one is told then.

    Raises:
        NotARepresentation: if this is another kind of file.
        UnsupportedVersion: if it was written by a newer version that this one cannot follow.
        LimitExceeded: if it asks for more than `limits`.
        CorruptFile: if it is truncated, damaged or contradicts itself.
    """
    header, payloads = read_container(data, limits)
    return representation_of(header, payloads, _network(header, payloads, limits), len(data))


def representation_of(
    header: Header,
    payloads: dict[ChunkType, bytes],
    network: QuantisedNetwork | QuantisedWavelets | QuantisedWindows | QuantisedTiles,
    byte_count: int,
) -> Representation:
    """The representation that the parts of a file make up; raises `CorruptFile` if its metadata are damaged.

    Args:
        header: header of the file.
        payloads: payload of every known chunk beside the network.
        network: integers of the network.
        byte_count: size in bytes of what was read.
    """
    steps = network.network.steps if isinstance(network, QuantisedWindows) else network.steps
    metadata = unpack_metadata(payloads.get(ChunkType.METADATA), header.kind)
    check_axes(metadata.details, len(header.shape))
    return Representation(
        parameters=dequantise(network) if isinstance(network, QuantisedNetwork) else network.parameters(),
        kind=header.kind,
        grid_shape=header.shape,
        sample_format=header.sample_format,
        icc_profile=payloads.get(ChunkType.ICC_PROFILE),
        scaling=metadata.scaling,
        details=metadata.details,
        report=metadata.report,
        steps=steps,
        byte_count=byte_count,
    )


def decode_integers(
    data: bytes,
    limits: DecodeLimits = DecodeLimits(),  # noqa: B008
) -> QuantisedNetwork | QuantisedWavelets | QuantisedTiles:
    """The integers of a .tnr file as they stand in it; arguments and errors are those of `decode`."""
    network = _network(*read_container(data, limits), limits)
    return network.network if isinstance(network, QuantisedWindows) else network


def load(path: Path | str, limits: DecodeLimits = DecodeLimits()) -> Representation:  # noqa: B008  frozen
    """Read a .tnr file from disk; its size is checked before it is read.

    Args:
        path: location of the file.
        limits: what the reader is ready to spend.

    Returns:
        The representation; its `steps` and `byte_count` are those of the file.

    Raises:
        FormatError: if the file cannot be read; see `decode`.
    """
    limits.check("file_bytes", Path(path).stat().st_size)
    return decode(Path(path).read_bytes(), limits)


def _network(
    header: Header, payloads: dict[ChunkType, bytes], limits: DecodeLimits
) -> QuantisedNetwork | QuantisedWavelets | QuantisedWindows | QuantisedTiles:
    if ChunkType.TILES in payloads:
        return unpack_tiles(payloads[ChunkType.TILES], header, limits)
    if ChunkType.WAVELETS in payloads:
        payload = payloads[ChunkType.WAVELETS]
        if ChunkType.PREFIXES in payloads:
            check_prefixes(payloads[ChunkType.PREFIXES], payload)
        return unpack_wavelets(payload, header, limits)
    if ChunkType.SCALED_NETWORK in payloads:
        return unpack_scaled_network(payloads[ChunkType.SCALED_NETWORK], header)
    if ChunkType.WINDOWED in payloads:
        return unpack_windows(payloads[ChunkType.WINDOWED], header, limits)
    return unpack_network(payloads[ChunkType.NETWORK], header)
