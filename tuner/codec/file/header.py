"""The core header: what the file holds and how large it is, in about thirty bytes.

`HEADER_FIELDS` is the single declaration. The writer and the reader walk it in order, and a test compares it with the
table in FORMAT.md. A reader learns from the header alone what decoding will cost, and checks that against its limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, prod
from typing import TypeVar

import google_crc32c

from tuner.codec.file.primitives import ByteReader, pack_float, pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.errors import CorruptFile, NotARepresentation, UnsupportedVersion
from tuner.signal.signal import SampleFormat, SignalKind

# 0xF5 occurs in no UTF-8 text.
MAGIC = b"\xf5TNR"
MAJOR, MINOR = 1, 0

KIND_CODES = {
    SignalKind.IMAGE: 1,
    SignalKind.AUDIO: 2,
    SignalKind.VOLUME: 3,
    SignalKind.VIDEO: 4,
    SignalKind.DISTANCE: 5,
    SignalKind.ARRAY: 6,
}
SAMPLE_FORMAT_CODES = {
    SampleFormat.U8: 1,
    SampleFormat.U16: 2,
    SampleFormat.S8: 3,
    SampleFormat.S16: 4,
    SampleFormat.S24: 5,
    SampleFormat.U32: 6,
    SampleFormat.S32: 7,
    SampleFormat.U64: 8,
    SampleFormat.S64: 9,
    SampleFormat.F32: 10,
    SampleFormat.F64: 11,
    SampleFormat.F16: 12,
}
# Integers by the range coder of constriction 0.5, as FORMAT.md describes it.
RANGE_CODER = 1


_Code = TypeVar("_Code", bound=StrEnum)


class FieldType(StrEnum):
    """How a field is written; see `tuner.codec.file.primitives`."""

    BYTE = "byte"
    VARINT = "varint"
    FLOAT = "f32"


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field of the core header.

    Attributes:
        name: what the field is called here and in FORMAT.md.
        type: how a value is written.
        meaning: what the table of FORMAT.md says of the field.
        repeat: name of the earlier field that says how many values there are; None for one.
    """

    name: str
    type: FieldType
    meaning: str
    repeat: str | None = None


HEADER_FIELDS = (
    HeaderField("kind", FieldType.BYTE, "what the signal is, by the table of kinds"),
    HeaderField("sample_format", FieldType.BYTE, "how a sample is written back, by the list of sample formats"),
    HeaderField("coder", FieldType.BYTE, "how integers are coded: 1 is the range coder of this page"),
    HeaderField("chunks", FieldType.VARINT, "number of chunks that follow the header"),
    HeaderField("dimensions", FieldType.BYTE, "D, number of axes, at least 1"),
    HeaderField("shape", FieldType.VARINT, "samples along each axis, each at least 1", "dimensions"),
    HeaderField("channels", FieldType.VARINT, "C, values per sample, at least 1"),
    HeaderField("period", FieldType.FLOAT, "p, in units of the coordinates, more than 2"),
    HeaderField("frequencies", FieldType.VARINT, "F, number of input frequencies, at least 1"),
    HeaderField("layers", FieldType.BYTE, "number of hidden layers, at least 1"),
    HeaderField("widths", FieldType.VARINT, "neurons of each hidden layer, each at least 1", "layers"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The core header, decoded; the fields are those of `HEADER_FIELDS`, the counts being lengths of tuples."""

    kind: SignalKind
    sample_format: SampleFormat
    chunks: int
    shape: tuple[int, ...]
    channels: int
    period: float
    frequencies: int
    widths: tuple[int, ...]

    @property
    def samples(self) -> int:
        """Points of the grid."""
        return prod(self.shape)

    @property
    def tensor_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and shape of every weight tensor, in the order of the file."""
        shapes: list[tuple[str, tuple[int, ...]]] = [("phases", (self.frequencies,))]
        inputs = self.frequencies
        for number, width in enumerate(self.widths, start=1):
            shapes += [(f"hidden {number} weight", (width, inputs)), (f"hidden {number} bias", (width,))]
            inputs = width
        return [*shapes, ("readout weight", (self.channels, inputs)), ("readout bias", (self.channels,))]

    @property
    def weights(self) -> int:
        """Numbers in the file: all tensors and the frequencies."""
        return self.frequencies * len(self.shape) + sum(prod(shape) for _, shape in self.tensor_shapes)

    def check_limits(self, limits: DecodeLimits) -> None:
        """Compare what the header asks for with what the reader allows.

        Raises:
            LimitExceeded: naming the first limit that is exceeded.
        """
        limits.check("chunks", self.chunks)
        limits.check("axes", len(self.shape))
        limits.check("channels", self.channels)
        limits.check("samples", self.samples)
        limits.check("values", self.samples * self.channels)
        limits.check("weights", self.weights)
        limits.check("work", self.samples * self.weights)


def pack_header(header: Header) -> bytes:
    """Magic, version, fields and checksum."""
    values: dict[str, tuple[float, ...]] = {
        "kind": (KIND_CODES[header.kind],),
        "sample_format": (SAMPLE_FORMAT_CODES[header.sample_format],),
        "coder": (RANGE_CODER,),
        "chunks": (header.chunks,),
        "dimensions": (len(header.shape),),
        "shape": header.shape,
        "channels": (header.channels,),
        "period": (header.period,),
        "frequencies": (header.frequencies,),
        "layers": (len(header.widths),),
        "widths": header.widths,
    }
    packed = MAGIC + bytes([MAJOR, MINOR])
    packed += b"".join(_pack(field, value) for field in HEADER_FIELDS for value in values[field.name])
    return packed + checksum(packed)


def unpack_header(reader: ByteReader) -> Header:
    """Read the header and everything that can be wrong with it on its own; limits are the caller's.

    Args:
        reader: bytes of the file from the first one on; left at the first chunk.

    Returns:
        A header whose fields are within their ranges.

    Raises:
        NotARepresentation: if the magic is missing.
        UnsupportedVersion: if the major version, the kind, the sample format or the coder is unknown.
        CorruptFile: if the bytes end, a field is out of its range, or the checksum differs.
    """
    start = reader.position
    if reader.remaining < len(MAGIC) or reader.take(len(MAGIC), "magic") != MAGIC:
        raise NotARepresentation(f"the bytes do not begin with {MAGIC!r}: this is not a .tnr file")
    major, _minor = reader.byte("major version"), reader.byte("minor version")
    if major != MAJOR:
        raise UnsupportedVersion(f"the file has format version {major}, this reader knows {MAJOR}: use a newer tuner")
    values: dict[str, tuple[float, ...]] = {}
    for field in HEADER_FIELDS:
        count = 1 if field.repeat is None else int(values[field.repeat][0])
        values[field.name] = tuple(_unpack(field, reader) for _ in range(count))
    expected = checksum(reader.since(start))
    if reader.take(len(expected), "header checksum") != expected:
        raise CorruptFile("the checksum of the header differs: the file is damaged, fetch it again")
    return _header(values)


def checksum(data: bytes) -> bytes:
    """CRC32C (Castagnoli), little-endian."""
    return int(google_crc32c.value(data)).to_bytes(4, "little")


def _header(values: Mapping[str, tuple[float, ...]]) -> Header:
    if values["coder"][0] != RANGE_CODER:
        raise UnsupportedVersion(f"coder is {values['coder'][0]}, this reader knows {RANGE_CODER}: use a newer tuner")
    for name in ("dimensions", "shape", "channels", "frequencies", "layers", "widths"):
        if min(values[name], default=0) < 1:
            raise CorruptFile(f"header field {name} is {_shown(values[name])}, expected at least 1")
    (period,) = values["period"]
    if not (isfinite(period) and period > 2.0):
        raise CorruptFile(f"header field period is {period}, expected a finite number above 2")
    return Header(
        kind=_known("kind", values, KIND_CODES),
        sample_format=_known("sample_format", values, SAMPLE_FORMAT_CODES),
        chunks=int(values["chunks"][0]),
        shape=tuple(int(samples) for samples in values["shape"]),
        channels=int(values["channels"][0]),
        period=period,
        frequencies=int(values["frequencies"][0]),
        widths=tuple(int(width) for width in values["widths"]),
    )


def _known(name: str, values: Mapping[str, tuple[float, ...]], codes: Mapping[_Code, int]) -> _Code:
    code = values[name][0]
    for member, known in codes.items():
        if known == code:
            return member
    raise UnsupportedVersion(f"{name} is {code}, this reader knows {sorted(codes.values())}: use a newer tuner")


def _shown(values: tuple[float, ...]) -> str:
    return ", ".join(str(value) for value in values) or "missing"


def _pack(field: HeaderField, value: float) -> bytes:
    if field.type is FieldType.FLOAT:
        return pack_float(value)
    return bytes([int(value)]) if field.type is FieldType.BYTE else pack_varint(int(value))


def _unpack(field: HeaderField, reader: ByteReader) -> float:
    what = f"header field {field.name}"
    if field.type is FieldType.FLOAT:
        return reader.float(what)
    return reader.byte(what) if field.type is FieldType.BYTE else reader.varint(what)
