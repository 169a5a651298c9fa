"""What a .tnr file holds, in numbers that a person asks for. Used by `tuner info`."""

from dataclasses import asdict, dataclass
from math import prod

from tuner.codec.decode import decode
from tuner.codec.limits import DecodeLimits
from tuner.signal.details import details_to_map
from tuner.signal.signal import SampleFormat, SignalKind


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFacts:
    """Facts of a file.

    Attributes:
        kind: what the signal is.
        grid_shape: samples along each axis.
        channels: values per sample.
        sample_format: how a sample is written back.
        period: of the network, in units of the coordinates.
        frequencies: number of input frequencies.
        hidden: neurons of each hidden layer.
        weights: numbers that the fit has chosen.
        bytes: size of the file.
        bits_per_sample: of the file, per point of the grid; for an image, bits per pixel.
        bits_per_weight: of the file, everything included.
        icc_profile_bytes: size of the colour profile, 0 if there is none.
        details: what else the kind of signal keeps, such as the sample rate of a sound.
        report: what the writer noted about the fit.
    """

    kind: SignalKind
    grid_shape: tuple[int, ...]
    channels: int
    sample_format: SampleFormat
    period: float
    frequencies: int
    hidden: tuple[int, ...]
    weights: int
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
        period=parameters.period,
        frequencies=len(parameters.frequencies),
        hidden=tuple(len(layer.bias) for layer in parameters.hidden),
        weights=parameters.weight_count,
        bytes=len(data),
        bits_per_sample=bits / prod(representation.grid_shape),
        bits_per_weight=bits / parameters.weight_count,
        icc_profile_bytes=len(representation.icc_profile or b""),
        details={} if representation.details is None else details_to_map(representation.details),
        report=dict(representation.report),
    )
