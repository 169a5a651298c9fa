"""The three ways a number is written in the file: a byte, a varint, a float. Everything is little-endian.

A varint holds an unsigned integer below 2^32, seven bits per byte, least significant group first; the high bit of a
byte says that another follows. The shortest form is the only valid one, so that one content has one sequence of bytes.
Signed integers are folded first: 0, -1, 1, -2 become 0, 1, 2, 3.
"""

import struct

from tuner.errors import CorruptFile

_VARINT_LIMIT = 1 << 32


def pack_varint(value: int) -> bytes:
    """Write an integer in [0, 2^32)."""
    if not 0 <= value < _VARINT_LIMIT:
        raise ValueError(f"{value} does not fit a varint, expected an integer in [0, 2^32)")
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def pack_signed(value: int) -> bytes:
    """Write an integer in [-2^31, 2^31), folded into a varint."""
    return pack_varint(2 * value if value >= 0 else -2 * value - 1)


def pack_float(value: float) -> bytes:
    """Write the nearest 32-bit float."""
    return struct.pack("<f", value)


class ByteReader:
    """Reads numbers from bytes and reports where they end too early.

    Attributes:
        position: offset of the next byte to be read.
    """

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self.position = position

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return len(self._data) - self.position

    def since(self, start: int) -> bytes:
        """The bytes already read, from offset `start` on."""
        return self._data[start : self.position]

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes.

        Args:
            count: bytes wanted, >= 0.
            what: the name of what is read, for the message.

        Raises:
            CorruptFile: if fewer bytes are left.
        """
        if count > self.remaining:
            raise CorruptFile(
                f"{what} needs {count} bytes at offset {self.position}, but {self.remaining} are left: "
                "the file is truncated, fetch it again"
            )
        start, self.position = self.position, self.position + count
        return self._data[start : self.position]

    def byte(self, what: str) -> int:
        """An unsigned byte."""
        return self.take(1, what)[0]

    def varint(self, what: str) -> int:
        """An unsigned integer below 2^32.

        Raises:
            CorruptFile: if it is not in its shortest form, or too large.
        """
        value = 0
        for shift in range(0, 35, 7):
            group = self.byte(what)
            value |= (group & 0x7F) << shift
            if group < 0x80:
                if (group == 0 and shift > 0) or value >= _VARINT_LIMIT:
                    break
                return value
        raise CorruptFile(f"{what} is not the shortest varint of an integer below 2^32: the file is damaged")

    def signed(self, what: str) -> int:
        """A folded signed integer."""
        folded = self.varint(what)
        return -(folded + 1 >> 1) if folded & 1 else folded >> 1

    def float(self, what: str) -> float:
        """A 32-bit float."""
        return float(struct.unpack("<f", self.take(4, what))[0])
