"""The part of CBOR (RFC 8949) that metadata needs: integers, floats, text, bytes, truth values, null, lists, maps.

Always the deterministic encoding of section 4.2: shortest lengths, shortest floats, sorted keys, no indefinite lengths.
So equal metadata are equal bytes, and a float such as 0, 1 or 3.5 takes three bytes. Decoding takes nothing else, which
leaves no two ways to say one thing, and is bounded in depth.
"""

import struct
from typing import Any, Final

from tuner.codec.file.primitives import ByteReader
from tuner.errors import CorruptFile

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _OTHER = (0, 1, 2, 3, 4, 5, 7)
_SIMPLE: Final = {20: False, 21: True, 22: None}
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_DEPTH: Final = 8


def pack_cbor(value: Any) -> bytes:
    """Encode numbers, text, bytes, None, and lists and maps (with text keys) of these.

    Example:
        >>> pack_cbor({"rate": 44100, "gain": 1.5}).hex()
        'a2646761696ef93e00647261746519ac44'
    """
    if value is None or isinstance(value, bool):
        return bytes([_OTHER << 5 | {False: 20, True: 21, None: 22}[value]])
    if isinstance(value, int):
        return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, float):
        return _pack_float(value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(_TEXT, len(text)) + text
    if isinstance(value, list | tuple):
        return _head(_LIST, len(value)) + b"".join(map(pack_cbor, value))
    entries = sorted((pack_cbor(str(key)), pack_cbor(entry)) for key, entry in value.items())
    return _head(_MAP, len(entries)) + b"".join(key + entry for key, entry in entries)


def unpack_cbor(data: bytes) -> Any:
    """Decode one value that fills `data`.

    Raises:
        CorruptFile: if it is no deterministic CBOR of the kinds above, or bytes are left over.
    """
    reader = ByteReader(data)
    value = _unpack(reader, _DEPTH)
    if reader.remaining:
        raise CorruptFile(f"{reader.remaining} bytes follow the metadata, expected none: the file is damaged")
    return value


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in _SIZES.items():
        if argument < 1 << (8 * size):
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise OverflowError(f"{argument} needs more than 64 bits")


def _pack_float(value: float) -> bytes:
    for code, layout in _FLOATS.items():
        try:
            packed = struct.pack(layout, value)
        except OverflowError:
            continue
        if struct.unpack(layout, packed)[0] == value or code == 27:
            return bytes([_OTHER << 5 | code]) + packed
    raise AssertionError("a double holds every float")


def _unpack(reader: ByteReader, depth: int) -> Any:
    if not depth:
        raise CorruptFile(f"the metadata are nested more than {_DEPTH} deep: the file is damaged")
    first = reader.byte("metadata")
    major, low = first >> 5, first & 31
    if major == _OTHER:
        return _unpack_other(reader, low)
    argument = _argument(reader, low)
    if major == _UNSIGNED:
        return argument
    if major == _NEGATIVE:
        return -1 - argument
    if major == _BYTES:
        return reader.take(argument, "metadata")
    if major == _TEXT:
        try:
            return reader.take(argument, "metadata").decode()
        except UnicodeDecodeError as error:
            raise CorruptFile("a word of the metadata is no UTF-8: the file is damaged") from error
    # An entry takes at least a byte, so that a false length cannot ask for memory.
    if major not in {_LIST, _MAP} or argument > reader.remaining:
        raise CorruptFile(f"the metadata have an item of type {major} with {argument} entries: the file is damaged")
    if major == _LIST:
        return [_unpack(reader, depth - 1) for _ in range(argument)]
    entries: dict[str, Any] = {}
    last = b""
    for _ in range(argument):
        start = reader.position
        key = _unpack(reader, depth - 1)
        written = reader.since(start)
        if not isinstance(key, str) or written <= last:
            raise CorruptFile(f"the metadata have the key {key!r} out of order: the file is damaged")
        entries[key], last = _unpack(reader, depth - 1), written
    return entries


def _argument(reader: ByteReader, low: int) -> int:
    if low < 24:
        return low
    if low not in _SIZES:
        raise CorruptFile("the metadata have an item of unknown length: the file is damaged")
    size = _SIZES[low]
    argument = int.from_bytes(reader.take(size, "metadata"), "big")
    if argument < (24 if size == 1 else 1 << (4 * size)):
        raise CorruptFile("the metadata have a number that is not in its shortest form: the file is damaged")
    return argument


def _unpack_other(reader: ByteReader, low: int) -> Any:
    if low in _SIMPLE:
        return _SIMPLE[low]
    if low not in _FLOATS:
        raise CorruptFile(f"the metadata have a value of unknown type {low}: the file is damaged")
    layout = _FLOATS[low]
    value = float(struct.unpack(layout, reader.take(struct.calcsize(layout), "metadata"))[0])
    if value - value != 0.0 or _pack_float(value)[0] & 31 != low:
        raise CorruptFile(f"the metadata have the number {value}, expected a finite one in its shortest form")
    return value
