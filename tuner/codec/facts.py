"""What a .tnr file holds, in numbers that a person asks for."""

from dataclasses import asdict, dataclass
from math import prod

from tuner.codec.decode import decode
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.chunk import PackedTiles
from tuner.codec.tiles.index import pack_index
from tuner.network.parameters import Parameters
from tuner.network.tiles.parameters import TiledParameters
from tuner.signal.details import details_to_map
from tuner.signal.signal import SampleFormat, SignalKind


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFacts:
    """Facts of a file.

    Attributes:
        kind: what the signal is.
        grid_shape: number of samples along each axis.
        channels: number of values per sample.
        sample_format: how a sample is written back.
        network: kind of the network, "sines" or "wavelets".
        period: length of the network's period, in units of the coordinates.
        frequencies: number of input frequencies.
        hidden: number of neurons of each hidden layer.
        weights: number of scalars that the fit has chosen, latents among them.
        latents: number of latents, the integer coefficients of wavelets; 0 in a network of sines.
        tiles: how the signal is cut into tiles: number of tiles (`count`), and along each axis (`counts`), samples from
            one to the next (`strides`) and shared by neighbours (`overlaps`), size of the index in bytes
            (`index_bytes`) and of the largest tile (`most_bytes`); empty if it is not cut.
        bytes: size of the file in bytes.
        bits_per_sample: bits of the whole file for each sample, all its channels together.
        bits_per_weight: bits of the whole file for each scalar that the fit has chosen.
        icc_profile_bytes: size of the colour profile in bytes, 0 if there is none.
        details: what else the kind of signal keeps, such as the sample rate of a sound.
        report: what the writer noted about the fit.
    """

    kind: SignalKind
    grid_shape: tuple[int, ...]
    channels: int
    sample_format: SampleFormat
    network: str
    period: float
    frequencies: int
    hidden: tuple[int, ...]
    weights: int
    latents: int
    tiles: dict[str, int | tuple[int, ...]]
    bytes: int
    bits_per_sample: float
    bits_per_weight: float
    icc_profile_bytes: int
    details: dict[str, object]
    report: dict[str, str | int | float]

    def to_json(self) -> dict[str, object]:
        """The facts as JSON types."""
        return asdict(self)


def inspect_file(data: bytes, limits: DecodeLimits = DecodeLimits()) -> FileFacts:  # noqa: B008  frozen
    """Decode a file completely and say what it holds; errors are those of `tuner.codec.decode.decode`."""
    representation = decode(data, limits)
    parameters, bits = representation.parameters, 8 * len(data)
    return FileFacts(
        kind=representation.kind,
        grid_shape=representation.grid_shape,
        channels=representation.channels,
        sample_format=representation.sample_format,
        network=parameters.kind,
        period=parameters.period,
        frequencies=len(parameters.frequencies),
        hidden=tuple(len(layer.bias) for layer in parameters.hidden),
        weights=parameters.weight_count,
        latents=parameters.latent_count,
        tiles=_of_tiles(parameters),
        bytes=len(data),
        bits_per_sample=bits / prod(representation.grid_shape),
        bits_per_weight=bits / parameters.weight_count,
        icc_profile_bytes=len(representation.icc_profile or b""),
        details={} if representation.details is None else details_to_map(representation.details),
        report=dict(representation.report),
    )


def _of_tiles(parameters: Parameters) -> dict[str, int | tuple[int, ...]]:
    if not isinstance(parameters, TiledParameters) or not isinstance(parameters.tiles, PackedTiles):
        return {}
    grid, packed = parameters.grid, [parameters.tiles.packed(number) for number in range(parameters.grid.tiles)]
    return {
        "count": grid.tiles,
        "counts": grid.counts,
        "strides": grid.strides,
        "overlaps": grid.overlaps,
        "index_bytes": len(pack_index(grid, packed)),
        "most_bytes": max(map(len, packed)),
    }
