"""Chunk 04: a network whose outputs are windows of a line; how many and how long, then the network as in its own."""

from dataclasses import dataclass, replace

from tuner.codec.file.container import ChunkType
from tuner.codec.file.header import Header
from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.chunk import unpack_network
from tuner.codec.sines.quantise import QuantisedNetwork, dequantise
from tuner.codec.sines.scaled_chunk import unpack_scaled_network
from tuner.errors import CorruptFile
from tuner.network.sines.windows import WindowedParameters


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedWindows:
    """A line of windows in integers.

    Attributes:
        network: the network of all windows, with K C channels.
        samples: N, number of samples of the line.
        windows: K, number of windows.
        window: S, number of samples of a window.
    """

    network: QuantisedNetwork
    samples: int
    windows: int
    window: int

    def parameters(self) -> WindowedParameters:
        """The network that the integers stand for."""
        return WindowedParameters(
            network=dequantise(self.network), samples=self.samples, windows=self.windows, window=self.window
        )


def pack_windows(windows: int, window: int, chunk: int, payload: bytes) -> bytes:
    """The windows, and the chunk that holds their network."""
    return pack_varint(windows) + pack_varint(window) + bytes([chunk]) + payload


def unpack_windows(payload: bytes, header: Header, limits: DecodeLimits) -> QuantisedWindows:
    """Read the chunk.

    Args:
        payload: payload of the chunk.
        header: header of the file, already checked against the limits, which know nothing of windows.
        limits: what the reader is ready to spend.

    Returns:
        The integers, exactly as they were packed.

    Raises:
        LimitExceeded: if all windows together ask for too many weights.
        CorruptFile: if the windows do not cover the line, or the network is not what an encoder writes.
    """
    reader = ByteReader(payload)
    windows, window = reader.varint("number of windows"), reader.varint("samples of a window")
    samples = header.samples
    if len(header.shape) != 1 or not (2 <= windows <= samples <= windows * window) or window > samples:
        raise CorruptFile(
            f"the file has {windows} windows of {window} samples for a grid of {header.shape}, expected windows that "
            "cover one axis: the file is damaged"
        )
    folded = replace(header, channels=windows * header.channels)
    limits.check("weights", folded.weights)
    chunk = reader.byte("kind of network")
    inner = reader.take(reader.remaining, "network")
    match chunk:
        case ChunkType.NETWORK:
            network = unpack_network(inner, folded)
        case ChunkType.SCALED_NETWORK:
            network = unpack_scaled_network(inner, folded)
        case _:
            raise CorruptFile(f"the windows are of a network of kind {chunk}, expected 1 or 3: the file is damaged")
    return QuantisedWindows(network, samples, windows, window)
