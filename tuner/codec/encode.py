"""A representation to bytes: quantise, code, wrap. The bytes depend on nothing but the arguments."""

from pathlib import Path

import numpy as np

from tuner.codec.file.container import Chunk, ChunkType, write_container
from tuner.codec.file.header import Header
from tuner.codec.file.metadata import Metadata, pack_metadata
from tuner.codec.sines.chunk import pack_network
from tuner.codec.sines.quantise import fine_steps, quantise
from tuner.codec.sines.scaled_chunk import pack_scaled_network
from tuner.codec.sines.windows import pack_windows
from tuner.codec.tiles.chunk import pack_tiles
from tuner.codec.wavelets.chunk import fine_wavelet_steps, pack_wavelets, quantise_wavelets
from tuner.codec.wavelets.prefixes import pack_prefixes
from tuner.errors import ConfigError
from tuner.files import write_whole
from tuner.network.parameters import Parameters, Steps
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import WindowedParameters
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation

MEDIA_TYPE = "application/vnd.tuner.representation"
EXTENSION = ".tnr"


def encode(representation: Representation, steps: Steps | None = None) -> bytes:
    """Write a .tnr file.

    Args:
        representation: the signal as a network, with what it keeps beside its samples.
        steps: one quantisation step per tensor, in the order of `tuner.codec.sines.quantise.tensors` or
            `WaveletParameters.tensors`; for a network of sines also one per row (`row_steps`); for tiles, those of
            one tile after the other. None for those of the file it came from, or fine ones if it came from none.

    Returns:
        The file. Frequencies in lexicographic order take the least space.

    Raises:
        ConfigError: if a step is missing, not positive, or too fine for its tensor.
    """
    parameters = representation.parameters
    chunks = _network_chunks(parameters, steps or representation.steps)
    if representation.icc_profile is not None:
        chunks.append(Chunk(ChunkType.ICC_PROFILE, representation.icc_profile))
    metadata = pack_metadata(
        Metadata(scaling=representation.scaling, details=representation.details, report=representation.report)
    )
    if metadata is not None:
        chunks.append(Chunk(ChunkType.METADATA, metadata))
    header = Header(
        kind=representation.kind,
        sample_format=representation.sample_format,
        chunks=len(chunks),
        shape=representation.grid_shape,
        channels=representation.channels,
        period=float(np.float32(parameters.period)),
        frequencies=len(parameters.frequencies),
        widths=tuple(len(layer.bias) for layer in parameters.hidden),
    )
    return write_container(header, chunks)


def save(representation: Representation, path: Path | str) -> None:
    """Write a .tnr file to disk, whole or not at all.

    Weights that came from a file are written exactly; others keep 16 bits.

    Args:
        representation: what to write.
        path: location of the file; an existing one is replaced.
    """
    write_whole(Path(path), encode(representation))


def _network_chunks(parameters: Parameters, steps: Steps | None) -> list[Chunk]:
    if isinstance(parameters, TiledParameters):
        return [Chunk(ChunkType.TILES, pack_tiles(parameters, steps))]
    if not isinstance(parameters, WaveletParameters):
        return [_sine_chunk(parameters, steps)]
    whole = None if steps is None else tuple(step for step in steps if not isinstance(step, tuple))
    payload, ends = pack_wavelets(quantise_wavelets(parameters, whole or fine_wavelet_steps(parameters)))
    prefixes = pack_prefixes(payload, ends)
    places = [] if prefixes is None else [Chunk(ChunkType.PREFIXES, prefixes)]
    return [*places, Chunk(ChunkType.WAVELETS, payload)]


def _sine_chunk(parameters: Parameters, steps: Steps | None) -> Chunk:
    if isinstance(parameters, WindowedParameters):
        inner = _sine_chunk(parameters.network, steps)
        return Chunk(ChunkType.WINDOWED, pack_windows(parameters.windows, parameters.window, inner.type, inner.payload))
    if not isinstance(parameters, SineParameters):
        raise ConfigError(f"the parameters are {type(parameters).__name__}, which no chunk of the format holds")
    network = quantise(parameters, steps or fine_steps(parameters))
    if any(isinstance(step, tuple) for step in network.steps):
        return Chunk(ChunkType.SCALED_NETWORK, pack_scaled_network(network))
    return Chunk(ChunkType.NETWORK, pack_network(network))
