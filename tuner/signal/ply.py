"""Vertices and faces of a PLY: text or binary of either byte order, polygons of any and of mixed sizes.

A PLY describes itself: elements, each with properties, of which some are lists. So a face may have three corners and
the next one five, other elements may come before, and a reader has to walk over all of them. What makes a surface are
x, y and z of the vertices and one list of each face; the rest (normals, colours, texture, edges) is passed over.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, UnsupportedFormat
from tuner.shapes import DoubleArray, IndexArray
from tuner.signal.limits import SignalLimits

_TYPES: Final = {
    **dict.fromkeys((b"char", b"int8"), "i1"),
    **dict.fromkeys((b"uchar", b"uint8"), "u1"),
    **dict.fromkeys((b"short", b"int16"), "i2"),
    **dict.fromkeys((b"ushort", b"uint16"), "u2"),
    **dict.fromkeys((b"int", b"int32"), "i4"),
    **dict.fromkeys((b"uint", b"uint32"), "u4"),
    **dict.fromkeys((b"float", b"float32"), "f4"),
    **dict.fromkeys((b"double", b"float64"), "f8"),
}
_STRUCT: Final = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d"}
_ORDERS: Final = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}
_CORNERS: Final = ("vertex_indices", "vertex_index")
_MOST_HEADER: Final = 1 << 16
_MOST_PROPERTIES: Final = 256


@dataclass(frozen=True, slots=True)
class _Property:
    """A number of an element, or a list of them: `count` is the type of its length then."""

    name: str
    type: str
    count: str | None = None


@dataclass(frozen=True, slots=True)
class _Element:
    """So many rows, each of these properties."""

    name: str
    rows: int
    properties: tuple[_Property, ...]


def read_ply(data: bytes, limits: SignalLimits) -> tuple[DoubleArray, IndexArray]:
    """Corners and triangles of the surface, polygons cut into fans.

    Args:
        data: all bytes of the file, without a byte order mark.
        limits: held against the header before a row is read, and against the triangles while they are.

    Returns:
        float64 (V, 3), and int64 (F, 3) from 0; no face where the file has only points.

    Raises:
        DamagedSignal: if the header is none, or the rows end before it says.
        InvalidSignal: if vertices have no coordinates.
        UnsupportedFormat: if the surface is made of strips.
        SignalTooLarge: if there are too many faces or vertices.
    """
    elements, order, start = _header(data, limits)
    vertices, faces = np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    rows: _Text | _Binary = _Binary(data, start, order) if order else _Text(data[start:])
    for element in elements:
        if element.name == "tristrips":
            raise UnsupportedFormat("the surface of the PLY is made of strips, expected faces: export it as triangles")
        names = [one.name for one in element.properties]
        if element.name == "vertex":
            if not {"x", "y", "z"} <= set(names):
                raise InvalidSignal(f"a vertex of the PLY has {', '.join(names) or 'nothing'}, expected x, y and z")
            vertices = rows.numbers(element, [names.index(axis) for axis in "xyz"])
        elif element.name == "face" and element.rows:
            lists = [place for place, one in enumerate(element.properties) if one.count and one.name in _CORNERS]
            if not lists:
                raise DamagedSignal(
                    f"a face of the PLY has {', '.join(names) or 'nothing'}, expected a list vertex_indices"
                )
            faces = _triangles(rows.polygons(element, lists[0]), limits)
        else:
            rows.skip(element)
    return vertices, faces


def _header(data: bytes, limits: SignalLimits) -> tuple[list[_Element], str, int]:
    """Elements, byte order, and where the rows begin."""
    head, separator, rest = data[:_MOST_HEADER].partition(b"end_header")
    if not separator:
        raise DamagedSignal("the header of the PLY file has no end: it is truncated")
    ending = b"\r\n" if head.startswith(b"ply\r\n") else head[3:4]
    if rest[:1] in b" \t" and ending in rest:  # spaces behind the last word
        start = len(head) + len(separator) + rest.index(ending) + len(ending)
    else:
        start = len(head) + len(separator) + len(ending)
    elements: list[_Element] = []
    order = None
    for line in head.splitlines():
        words = line.split()
        if words[:1] == [b"format"]:
            order = _ORDERS.get(words[1]) if len(words) > 1 else None
        elif words[:1] == [b"element"]:
            if len(words) != 3 or not words[2].isdigit():
                raise DamagedSignal(f"the PLY file declares {line!r}, expected an element, its name and a number")
            if words[1] in {b"vertex", b"face"} and words[1].decode() in {one.name for one in elements}:
                raise DamagedSignal(
                    f"the PLY file declares {words[1].decode()} twice, expected one of them: write it again"
                )
            limits.check("faces", int(words[2][:12]) // (1 if words[1] == b"face" else 4))
            elements.append(_Element(words[1].decode("latin-1"), int(words[2]), ()))
        elif words[:1] == [b"property"]:
            if not elements or len(elements[-1].properties) == _MOST_PROPERTIES:
                raise DamagedSignal(f"the PLY file declares {line[:60]!r} where no property is expected")
            last = elements.pop()
            elements.append(_Element(last.name, last.rows, (*last.properties, _property(words))))
    if order is None:
        raise DamagedSignal("the header of the PLY file does not say its format: ascii or binary of which byte order")
    return elements, order, start


def _property(words: list[bytes]) -> _Property:
    kinds = [_TYPES.get(word) for word in (words[2:4] if words[1:2] == [b"list"] else words[1:2])]
    name = words[-1].decode("latin-1")
    if len(words) == 5 and words[1] == b"list" and kinds[0] and kinds[1] and kinds[0][0] != "f":
        return _Property(name, kinds[1], kinds[0])
    if len(words) == 3 and kinds[0]:
        return _Property(name, kinds[0])
    raise DamagedSignal(f"the PLY file declares {b' '.join(words)[:60]!r}, expected a property of a known type")


def _triangles(polygons: Iterator[IndexArray], limits: SignalLimits) -> IndexArray:
    """Fans of polygons that come in groups of one size (count, corners)."""
    groups, found = [np.zeros((0, 3), np.int64)], 0
    for corners in polygons:
        fans = max(0, corners.shape[1] - 2)
        found += len(corners) * fans
        limits.check("faces", found)
        first = np.repeat(corners[:, :1], fans, axis=1)
        groups.append(np.stack([first, corners[:, 1:-1], corners[:, 2:]], -1).reshape(-1, 3) if fans else groups[0])
    return np.concatenate(groups)


def _cut(element: _Element, row: int) -> DamagedSignal:
    return DamagedSignal(f"the PLY ends after {row} of {element.rows} rows of its {element.name}: it is truncated")


@dataclass(slots=True)
class _Binary:
    """Rows one after another, without anything between them."""

    data: bytes
    place: int
    order: str

    def numbers(self, element: _Element, places: list[int]) -> DoubleArray:
        if any(one.count for one in element.properties):
            rows = [[row[place] for place in places] for row in self._walk(element)]
            return np.array(rows, np.float64).reshape(-1, len(places))
        table = self._table(element, [(f"p{place}", self.order + one.type) for place, one in _numbered(element)])
        return np.stack([table[f"p{place}"] for place in places], -1).astype(np.float64)

    def polygons(self, element: _Element, place: int) -> Iterator[IndexArray]:
        table = self._alike(element)
        if table is not None:
            yield table[f"p{place}"].astype(np.int64)
            return
        yield from _grouped(row[place] for row in self._walk(element))

    def skip(self, element: _Element) -> None:
        if any(one.count for one in element.properties):
            for _ in self._walk(element):
                pass
        else:
            self.numbers(element, [0] if element.properties else [])

    def _table(self, element: _Element, fields: list[Any]) -> Any:
        kind = np.dtype(fields)
        there = (len(self.data) - self.place) // max(1, kind.itemsize)
        if there < element.rows:
            raise _cut(element, there)
        table = np.frombuffer(self.data, kind, element.rows, self.place)
        self.place += kind.itemsize * element.rows
        return table

    def _alike(self, element: _Element) -> Any:
        """All rows at once, if the lists of each are as long as those of the first; else None."""
        before = self.place
        first = next(self._walk(element))
        self.place = before
        fields: list[Any] = []
        for place, one in _numbered(element):
            if one.count:
                fields.append((f"n{place}", self.order + one.count))
                fields.append((f"p{place}", self.order + one.type, (len(first[place]),)))
            else:
                fields.append((f"p{place}", self.order + one.type))
        if np.dtype(fields).itemsize * element.rows > len(self.data) - before:
            return None
        table = self._table(element, fields)
        if all((table[f"n{place}"] == len(first[place])).all() for place, one in _numbered(element) if one.count):
            return table
        self.place = before
        return None

    def _walk(self, element: _Element) -> Iterator[list[Any]]:
        """Row after row, lists as tuples."""
        data, order = self.data, self.order
        for number in range(element.rows):
            row: list[Any] = []
            try:
                for one in element.properties:
                    if one.count is None:
                        (value,) = struct.unpack_from(order + _STRUCT[one.type], data, self.place)
                        self.place += int(one.type[1])
                    else:
                        (length,) = struct.unpack_from(order + _STRUCT[one.count], data, self.place)
                        self.place += int(one.count[1])
                        if not 0 <= length * int(one.type[1]) <= len(data) - self.place:
                            raise _cut(element, number)
                        value = struct.unpack_from(f"{order}{length}{_STRUCT[one.type]}", data, self.place)
                        self.place += length * int(one.type[1])
                    row.append(value)
            except struct.error as error:
                raise _cut(element, number) from error
            yield row


class _Text:
    """Rows in words, as a rule each on a line of its own."""

    def __init__(self, data: bytes) -> None:
        # Lines one after another: all words at once would take many times the memory of the file.
        self._words = (word for line in BytesIO(data.replace(b"\r", b"\n")) for word in line.split())

    def numbers(self, element: _Element, places: list[int]) -> DoubleArray:
        found = [[row[place] for place in places] for row in self._walk(element)]
        return np.array(found, np.float64).reshape(-1, len(places))

    def polygons(self, element: _Element, place: int) -> Iterator[IndexArray]:
        return _grouped(row[place] for row in self._walk(element))

    def skip(self, element: _Element) -> None:
        for _ in self._walk(element):
            pass

    def _walk(self, element: _Element) -> Iterator[list[Any]]:
        words = self._words
        for number in range(element.rows):
            try:
                yield [
                    float(next(words)) if one.count is None else [float(next(words)) for _ in range(int(next(words)))]
                    for one in element.properties
                ]
            except StopIteration as error:
                raise _cut(element, number) from error
            except ValueError as error:
                raise DamagedSignal(f"row {number} of the {element.name} of the PLY is no number: {error}") from error


def _numbered(element: _Element) -> list[tuple[int, _Property]]:
    return list(enumerate(element.properties))


def _grouped(polygons: Iterator[Any]) -> Iterator[IndexArray]:
    """Neighbours with the same number of corners together."""
    group: list[Any] = []
    for corners in polygons:
        if group and len(corners) != len(group[0]):
            yield np.array(group, np.int64).reshape(len(group), -1)
            group = []
        group.append(corners)
    if group:
        yield np.array(group, np.int64).reshape(len(group), -1)
