"""Integers to bits and back: integer probability tables and a range coder.

Order: first in, first out. Domain: a table covers the integers low .. low + (n << shift) - 1. An integer v is split
into a symbol (v - low) >> shift, coded by the table, and `shift` low bits, coded as equally likely. Words: 32 bits,
little-endian, under a state of 64 bits.

Decoding must never depend on floating point: two machines that round a probability differently read different weights.
The file therefore stores frequencies f_s, integers that sum to 2^12, and symbol s owns the interval [L_s, L_s+1) of
[0, 2^24) with

    L_s = (F_s (2^24 - n) >> 12) + s        F_s = f_0 + ... + f_s-1,   n symbols

so that even f_s = 0 leaves an interval of at least 1. The coder is constriction 0.5 (RangeEncoder, RangeDecoder), whose
Categorical model takes floats: it computes floor(F_s * ((2^24 - n) / 2^12)) + s in float64. All of these are integers
below 2^53 or dyadic fractions with few bits, hence exact in any order of summation and on any machine that has IEEE
doubles. FORMAT.md gives the decoder in integers alone, and tests hold a decoder written from that page to
this one, table by table and file by file. The streams of constriction may change with its minor version, so it is
pinned to 0.5 and the header names the coder.
"""

from dataclasses import dataclass

import constriction
import numpy as np

from tuner.codec.file.primitives import ByteReader, pack_signed, pack_varint
from tuner.errors import CorruptFile
from tuner.shapes import IntArray

TABLE_BITS = 12
INTERVAL_BITS = 24

_TABLE_SUM = 1 << TABLE_BITS
_MOST_SYMBOLS = 1 << TABLE_BITS
_WIDEST = 1 << 24


@dataclass(frozen=True, slots=True)
class IntegerTable:
    """How likely each integer of a range is.

    Attributes:
        low: smallest integer of the range.
        shift: number of low bits that are coded as equally likely.
        frequencies: probabilities f_s of the symbols, in units of 2^-12, which sum to 2^12.
    """

    low: int
    shift: int
    frequencies: tuple[int, ...]

    @classmethod
    def fitted(cls, values: IntArray) -> "IntegerTable":
        """The table, among all shifts, with which `values` and the table itself take the fewest bits.

        Args:
            values: what the table is to code: int32, any shape, at least one, within +-(2^23 - 1).
        """
        low = int(values.min())
        offsets = values.reshape(-1).astype(np.int64) - low
        smallest_shift = max(0, int(offsets.max()).bit_length() - TABLE_BITS)
        best = cls(low, smallest_shift, _frequencies(np.bincount(offsets >> smallest_shift)))
        # A coarser table is shorter and tells less: once the sum of both rises it goes on rising.
        for shift in range(smallest_shift + 1, TABLE_BITS + 1):
            table = cls(low, shift, _frequencies(np.bincount(offsets >> shift)))
            if table.cost_bits(values) >= best.cost_bits(values):
                break
            best = table
        return best

    def cost_bits(self, values: IntArray) -> float:
        """Bits that the values take when coded with this table, and the table itself."""
        counts = np.bincount((values.reshape(-1).astype(np.int64) - self.low) >> self.shift)
        widths = np.diff(interval_bounds(self.frequencies))[: len(counts)]
        symbol_bits = float(counts @ (INTERVAL_BITS - np.log2(widths)))
        longer_than_a_byte = sum(frequency > 0x7F for frequency in self.frequencies[:-1])
        table_bytes = len(self._pack_start()) + len(self.frequencies) - 1 + longer_than_a_byte
        return symbol_bits + values.size * self.shift + 8.0 * table_bytes

    def pack(self) -> bytes:
        """As in the file."""
        return self._pack_start() + b"".join(pack_varint(frequency) for frequency in self.frequencies[:-1])

    def _pack_start(self) -> bytes:
        return pack_signed(self.low) + bytes([self.shift]) + pack_varint(len(self.frequencies))

    @classmethod
    def unpack(cls, reader: ByteReader, what: str) -> "IntegerTable":
        """Read a table and check that it can be one.

        Raises:
            CorruptFile: if it is truncated, out of range, or does not sum to 2^12.
        """
        low, shift, count = reader.signed(what), reader.byte(what), reader.varint(what)
        if shift > TABLE_BITS or not 1 <= count <= _MOST_SYMBOLS:
            raise CorruptFile(
                f"{what} has {count} symbols and {shift} low bits, expected 1 to {_MOST_SYMBOLS} symbols and at most "
                f"{TABLE_BITS} bits: the file is damaged"
            )
        high = low + (count << shift) - 1
        if low < -_WIDEST or high > _WIDEST:
            raise CorruptFile(f"{what} covers {low} to {high}, expected integers within 2^24: the file is damaged")
        listed = [reader.varint(what) for _ in range(count - 1)]
        if sum(listed) > _TABLE_SUM:
            raise CorruptFile(f"{what} sums to {sum(listed)}, expected at most {_TABLE_SUM}: the file is damaged")
        return cls(low, shift, (*listed, _TABLE_SUM - sum(listed)))


def interval_bounds(frequencies: tuple[int, ...]) -> np.ndarray:
    """L_0 .. L_n, int64 (n + 1,): symbol s owns [L_s, L_s+1) of [0, 2^24)."""
    count = len(frequencies)
    cumulative = np.concatenate([[0], np.cumsum(frequencies, dtype=np.int64)])
    return (cumulative * ((1 << INTERVAL_BITS) - count) >> TABLE_BITS) + np.arange(count + 1)


class IntegerEncoder:
    """Writes runs of integers, each run with one table."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def put(self, values: IntArray, table: IntegerTable) -> None:
        """Append `values`, in row-major order: all symbols, then all low bits."""
        offsets = values.reshape(-1).astype(np.int64) - table.low
        if len(table.frequencies) > 1:
            self._coder.encode((offsets >> table.shift).astype(np.int32), _model(table.frequencies))
        if table.shift:
            low_bits = offsets & ((1 << table.shift) - 1)
            self._coder.encode(low_bits.astype(np.int32), _model(_flat(table.shift)))

    def words(self) -> bytes:
        """Everything written so far."""
        words: np.ndarray = self._coder.get_compressed()
        return words.astype("<u4").tobytes()


class IntegerDecoder:
    """Reads runs of integers, in the order in which they were written.

    Args:
        words: the coded integers, from `IntegerEncoder.words`.

    Raises:
        CorruptFile: if they are not whole words.
    """

    def __init__(self, words: bytes) -> None:
        if len(words) % 4:
            raise CorruptFile(f"the coded integers take {len(words)} bytes, expected a multiple of 4")
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(words, dtype="<u4").astype(np.uint32))

    def take(self, count: int, table: IntegerTable) -> IntArray:
        """The next `count` integers, int32 (count,); `CorruptFile` if the words are not a code for this table."""
        symbols = self._symbols(count, table.frequencies)
        low_bits = self._symbols(count, _flat(table.shift))
        return table.low + (symbols << table.shift) + low_bits

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            CorruptFile: if words were not read.
        """
        if not self._coder.maybe_exhausted():
            raise CorruptFile("coded integers are left over after the last one: the file is damaged")

    def _symbols(self, count: int, frequencies: tuple[int, ...]) -> IntArray:
        if len(frequencies) == 1:
            return np.zeros(count, dtype=np.int32)
        try:
            symbols: IntArray = self._coder.decode(_model(frequencies), count)
        except AssertionError as error:  # how constriction reports words that no encoder writes
            raise CorruptFile("the coded integers do not fit their tables: the file is damaged") from error
        return symbols


def _model(frequencies: tuple[int, ...]) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(np.array(frequencies, dtype=np.float64), perfect=False)


def _flat(bits: int) -> tuple[int, ...]:
    return (_TABLE_SUM >> bits,) * (1 << bits)


def _frequencies(counts: np.ndarray) -> tuple[int, ...]:
    """Counts scaled to sum to 2^12, by integers alone; what occurs keeps at least 1 where there is room."""
    total = int(counts.sum())
    scaled = np.where(counts > 0, np.maximum(1, counts * _TABLE_SUM // total), 0)
    surplus = int(scaled.sum()) - _TABLE_SUM
    # Takes from the most likely symbols first, where a unit costs least; gives to them what rounding left over.
    order = np.argsort(-counts, kind="stable")
    if surplus <= 0:
        scaled[order[0]] -= surplus
    while surplus > 0:
        for symbol in order:
            taken = min(surplus, max(1, int(scaled[symbol]) // 16), int(scaled[symbol]) - 1)
            if taken > 0:
                scaled[symbol] -= taken
                surplus -= taken
            if surplus == 0:
                break
    return tuple(scaled.tolist())
