"""A reader of whole .tnr files by tuner/codec/FORMAT.md: slow, without numpy, and strict.

It imports nothing of `tuner`. Whatever a page forbids fails an assertion; sizes are nobody's limit here.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

from tests.reference import tnr_decoder, tnr_tiles, tnr_wavelets
from tests.reference.tnr_decoder import FIELDS, Bytes, check

KINDS = ["image", "audio", "volume", "video", "sdf", "array"]
FORMATS = ["u8", "u16", "s8", "s16", "s24", "u32", "s32", "u64", "s64", "f32", "f64", "f16"]
NETWORKS = {0x01, 0x03, 0x04, 0x07, 0x08}
REQUIRED = {"audio": ["sample_rate"], "video": ["rate"], "sdf": ["origin", "spacing"]}

Network = tnr_decoder.Decoded | tnr_wavelets.Decoded | tnr_tiles.Decoded


@dataclass
class File:
    """What a file holds; chunks are the types of those that are known, in their order."""

    header: dict[str, Any]
    chunks: list[int]
    metadata: dict[str, Any]
    profile: bytes | None
    network: Network

    def written(self, position: list[int]) -> list[float]:
        """One sample of the grid as it is written back."""
        stored = self.header["sample_format"]
        bits = int(stored[1:])
        least, largest = (0, 2**bits - 1) if stored[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        least, largest = max(least, -(2**53)), min(largest, 2**53)  # FORMAT.md: 64-bit integers
        scale = 1.0 if stored[0] == "f" else float(largest if least == 0 else -least)
        scale, offset = self.metadata.get("scale", scale), self.metadata.get("offset", 0.0)
        values = self.network.value(position)
        if stored[0] == "f":
            return [value * scale + offset for value in values]
        if "scale" in self.metadata:
            values = [min(max(value, 0.0), 1.0) for value in values]
        return [min(max(round(value * scale + offset), least), largest) for value in values]


def decode(data: bytes) -> File:
    source = Bytes(data)
    assert source.take(5) == b"\xf5TNR\x01"
    source.byte()  # any minor version
    fields: dict[str, list[float]] = {}
    for name, kind, repeat in FIELDS:
        fields[name] = [getattr(source, kind)() for _ in range(int(fields[repeat][0]) if repeat else 1)]
    check(source, 0)
    assert 1 <= fields["kind"][0] <= len(KINDS)
    assert 1 <= fields["sample_format"][0] <= len(FORMATS)
    assert fields["coder"] == [1]
    for name in ("dimensions", "shape", "channels", "frequencies", "layers", "widths"):
        assert min(fields[name], default=0) >= 1, name
    assert 2 < fields["period"][0] < math.inf
    chunks: dict[int, bytes] = {}
    for _ in range(int(fields["chunks"][0])):
        start, kind_of_chunk = source.at, source.byte()
        payload = source.take(source.varint())
        check(source, start)
        if kind_of_chunk in NETWORKS | {0x81, 0x82, 0x83}:
            assert kind_of_chunk not in chunks
            chunks[kind_of_chunk] = payload
        else:
            assert kind_of_chunk & 0x80, "a chunk that may not be skipped"
    assert source.at == len(data)
    assert len(chunks.keys() & NETWORKS) == 1
    header: dict[str, Any] = {
        "kind": KINDS[int(fields["kind"][0]) - 1],
        "sample_format": FORMATS[int(fields["sample_format"][0]) - 1],
        "shape": fields["shape"],
        "channels": fields["channels"][0],
        "period": fields["period"][0],
        "frequencies": fields["frequencies"][0],
        "widths": fields["widths"],
    }
    metadata = metadata_of(chunks.get(0x82), header["kind"])
    return File(header, list(chunks), metadata, chunks.get(0x81), network_of(chunks, fields))


def network_of(chunks: dict[int, bytes], fields: dict[str, list[float]]) -> Network:
    of_wavelets = tnr_wavelets.Header(
        [int(samples) for samples in fields["shape"]],
        int(fields["channels"][0]),
        fields["period"][0],
        int(fields["frequencies"][0]),
        [int(width) for width in fields["widths"]],
    )
    if 0x08 in chunks:
        return tnr_tiles.of_chunk(chunks[0x08], of_wavelets)
    if 0x07 in chunks:
        return tnr_wavelets.network(chunks[0x07], of_wavelets, chunks.get(0x83))
    return tnr_decoder.of_chunks(dict(chunks), fields)


def metadata_of(payload: bytes | None, kind: str) -> dict[str, Any]:
    if payload is None:
        return {}
    source = Bytes(payload)
    entries = item(source, 0)
    assert source.at == len(payload)
    assert isinstance(entries, dict)
    if "scale" in entries or "offset" in entries:
        scale, offset = entries.get("scale"), entries.get("offset", 0.0)
        assert isinstance(scale, int | float)
        assert isinstance(offset, int | float)
        assert 0 < scale < math.inf
        assert math.isfinite(offset)
    assert isinstance(entries.get("report", {}), dict)
    details = entries.get("details")
    assert details is None or isinstance(details, dict)
    if details is not None:
        assert all(name in details for name in REQUIRED.get(kind, []))
    return entries


def item(source: Bytes, depth: int) -> Any:
    """CBOR (RFC 8949) in its deterministic encoding."""
    assert depth <= 8
    first = source.byte()
    major, low = first >> 5, first & 31
    if major == 7:
        return simple(source, low)
    argument = low
    if low >= 24:
        assert low <= 27, "unknown length"
        argument = int.from_bytes(source.take(2 ** (low - 24)), "big")
        assert argument >= (24, 2**8, 2**16, 2**32)[low - 24], "not the shortest form"
    match major:
        case 0:
            return argument
        case 1:
            return -1 - argument
        case 2:
            return source.take(argument)
        case 3:
            text = source.take(argument)
            assert text.decode("utf-8", "replace").encode() == text
            return text.decode()
        case 4:
            return [item(source, depth + 1) for _ in range(argument)]
    assert major == 5
    found: dict[str, Any] = {}
    before = b""
    for _ in range(argument):
        start = source.at
        key = item(source, depth + 1)
        assert isinstance(key, str)
        assert source.data[start : source.at] > before
        before = source.data[start : source.at]
        found[key] = item(source, depth + 1)
    return found


def simple(source: Bytes, low: int) -> Any:
    if low in (20, 21, 22):
        return {20: False, 21: True, 22: None}[low]
    assert 25 <= low <= 27
    value = struct.unpack((">e", ">f", ">d")[low - 25], source.take(2 << (low - 25)))[0]
    assert math.isfinite(value)
    for shorter in (">e", ">f")[: low - 25]:
        try:
            assert struct.unpack(shorter, struct.pack(shorter, value))[0] != value, "not the shortest form"
        except OverflowError:
            continue
    return value
