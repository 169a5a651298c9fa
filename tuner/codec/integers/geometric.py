"""Probability tables in three numbers: how likely 0 is, how fast larger integers become unlikely, the largest.

A small file cannot afford a full table for each of some dozens of contexts. Magnitude m > 0 has weight w_m, w_1 = 2^16,
w_m+1 = floor(w_m d / 256); both signs are equally likely. Everything is integer arithmetic, so that all machines build
the same `IntegerTable`.
"""

from dataclasses import dataclass

import numpy as np

from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.codec.integers.entropy import TABLE_BITS, IntegerTable, interval_bounds
from tuner.errors import CorruptFile

LARGEST_MAGNITUDE = (1 << TABLE_BITS - 1) - 1
_SUM = 1 << TABLE_BITS
_FIRST_WEIGHT = 1 << 16


@dataclass(frozen=True, slots=True)
class GeometricTable:
    """How likely each integer in [-largest, largest] is.

    Attributes:
        zero: probability of 0, in units of 2^-12, 1 to 2^12.
        largest: largest magnitude that has a probability, 0 to 2^11 - 1.
        decay: d, ratio of one probability to the one before, in units of 2^-8, 0 to 255.
    """

    zero: int
    largest: int
    decay: int

    @classmethod
    def fitted(cls, values: np.ndarray) -> "GeometricTable":
        """The table with which some integers, at least one, take about the fewest bits."""
        magnitudes = np.abs(values.reshape(-1).astype(np.int64))
        largest = int(magnitudes.max())
        others = magnitudes[magnitudes > 0]
        if not len(others):
            return cls(zero=_SUM, largest=0, decay=0)
        zeros = len(magnitudes) - len(others)
        excess = float(np.mean(others - 1))
        return cls(
            zero=min(max(1, round(_SUM * zeros / len(magnitudes))), _SUM - 1),
            largest=largest,
            decay=min(255, round(256.0 * excess / (1.0 + excess))),
        )

    def table(self) -> IntegerTable:
        """The probabilities, as the range coder takes them."""
        weights = [_FIRST_WEIGHT] if self.largest else []
        while len(weights) < self.largest:
            weights.append(weights[-1] * self.decay >> 8)
        total = 2 * sum(weights)
        frequencies = [(_SUM - self.zero) * weight // total for weight in weights]
        rest = _SUM - 2 * sum(frequencies)
        return IntegerTable(-self.largest, 0, (*reversed(frequencies), rest, *frequencies))

    def cost_bits(self, values: np.ndarray) -> float:
        """Bits that the values take when coded with this table, which must cover them."""
        table = self.table()
        counts = np.bincount(values.reshape(-1).astype(np.int64) + self.largest, minlength=len(table.frequencies))
        return float(counts @ (24.0 - np.log2(np.diff(interval_bounds(table.frequencies)))))

    def pack(self) -> bytes:
        """As in the file."""
        return pack_varint(self.zero) + pack_varint(self.largest) + bytes([self.decay])

    @classmethod
    def unpack(cls, reader: ByteReader, what: str) -> "GeometricTable":
        """Read a table and check that it can be one.

        Raises:
            CorruptFile: if it is truncated or out of range.
        """
        zero, largest, decay = reader.varint(what), reader.varint(what), reader.byte(what)
        if not (1 <= zero <= _SUM and largest <= LARGEST_MAGNITUDE):
            raise CorruptFile(
                f"{what} gives 0 the probability {zero} / {_SUM} and goes up to {largest}, expected 1 to {_SUM} and at "
                f"most {LARGEST_MAGNITUDE}: the file is damaged"
            )
        return cls(zero, largest, decay)
