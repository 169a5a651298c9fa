"""What a file says beside the network: scale and offset of the samples, what its kind needs, and a report of the fit.

A CBOR map in a chunk that may be skipped, absent when there is nothing to say, as for most pictures. FORMAT.md has the
tables of its keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.codec.file.cbor import pack_cbor, unpack_cbor
from tuner.errors import CorruptFile, InvalidSignal
from tuner.signal.details import Details, DistanceDetails, VideoDetails, details_from_map, details_to_map
from tuner.signal.samples import Scaling
from tuner.signal.signal import DETAILS, SignalKind

Report = Mapping[str, str | int | float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What stands in the chunk.

    Attributes:
        scaling: how values become stored samples; None for the natural way.
        details: what the kind of signal keeps beside its samples; None for nothing.
        report: words and numbers about the fit, as whoever wrote the file chose them.
    """

    scaling: Scaling | None = None
    details: Details | None = None
    report: Report = field(default_factory=dict)


def pack_metadata(metadata: Metadata) -> bytes | None:
    """The payload of the chunk, or None if there is nothing to say."""
    entries: dict[str, Any] = {}
    if metadata.scaling is not None:
        entries |= {"scale": metadata.scaling.scale, "offset": metadata.scaling.offset}
    if metadata.details is not None:
        entries["details"] = details_to_map(metadata.details)
    if metadata.report:
        entries["report"] = dict(metadata.report)
    return pack_cbor(entries) if entries else None


def unpack_metadata(payload: bytes | None, kind: SignalKind) -> Metadata:
    """Read the payload of the chunk; keys it does not know are ignored.

    Raises:
        CorruptFile: if it is no such map, or a value is out of its range.
    """
    if payload is None:
        return Metadata()
    entries = unpack_cbor(payload)
    if not isinstance(entries, dict):
        raise CorruptFile(f"the metadata are {type(entries).__name__}, expected a map: the file is damaged")
    details, report = entries.get("details"), entries.get("report", {})
    if not isinstance(details, dict | None) or not isinstance(report, dict):
        raise CorruptFile("details and report are no maps: the file is damaged")
    if not all(isinstance(value, str | int | float) for value in report.values()):
        raise CorruptFile("the report has values that are neither words nor numbers: the file is damaged")
    known = DETAILS.get(kind)
    try:
        return Metadata(
            scaling=_scaling(entries),
            details=None if details is None or known is None else details_from_map(known, details),
            report=report,
        )
    except InvalidSignal as error:
        raise CorruptFile(f"the metadata cannot be those of a signal of kind {kind}: {error}") from error


def _scaling(entries: Mapping[str, Any]) -> Scaling | None:
    if "scale" not in entries and "offset" not in entries:
        return None
    scale, offset = entries.get("scale"), entries.get("offset", 0.0)
    if not (isinstance(scale, int | float) and isinstance(offset, int | float)):
        raise CorruptFile(f"scale is {scale!r} and offset {offset!r}, expected numbers: the file is damaged")
    return Scaling(float(scale), float(offset))


def check_axes(details: Details | None, axes: int) -> None:
    """See whether details belong to a grid of so many axes, as far as they speak of each.

    Raises:
        CorruptFile: if they do not.
    """
    match details:
        case VideoDetails():
            expected = 3
        case DistanceDetails():
            expected = len(details.origin)
        case _:
            return
    if axes != expected:
        raise CorruptFile(f"the grid has {axes} axes, expected {expected} by its details: the file is damaged")
