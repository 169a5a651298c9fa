"""Tables and coder, held against a decoder that has integers only."""

import math
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.reference.tnr_decoder import Bytes as ReferenceBytes
from tests.reference.tnr_decoder import RangeDecoder, Table
from tuner.codec.file.primitives import ByteReader
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder, IntegerTable, interval_bounds
from tuner.errors import CorruptFile
from tuner.shapes import IntArray


def runs() -> Iterator[IntArray]:
    """Integers as weights, biases, frequencies and tests of limits have them."""
    random = np.random.default_rng(5)
    yield np.zeros(10, dtype=np.int32)
    yield np.array([1 - 2**23], dtype=np.int32)
    yield np.array([1 - 2**23, 2**23 - 1, 0], dtype=np.int32)
    yield random.integers(0, 2, 1000).astype(np.int32)
    yield np.full(5000, 7, dtype=np.int32) + (np.arange(5000) == 77)
    for scale in (0.3, 3.0, 40.0, 5000.0):
        yield np.rint(random.standard_normal(3000) * scale).astype(np.int32)
        yield np.rint(random.standard_cauchy(3000).clip(-1000, 1000) * scale).astype(np.int32)
    yield np.arange(4096, dtype=np.int32)
    yield random.permutation(30_000).astype(np.int32)


@pytest.mark.parametrize("values", list(runs()))
def test_integers_come_back(values: IntArray) -> None:
    table = IntegerTable.fitted(values)
    encoder = IntegerEncoder()
    encoder.put(values, table)
    decoder = IntegerDecoder(encoder.words())
    assert np.array_equal(decoder.take(values.size, table), values)
    decoder.finish()


@pytest.mark.parametrize("values", list(runs()))
def test_tables_come_back_and_sum_to_4096(values: IntArray) -> None:
    table = IntegerTable.fitted(values)
    assert sum(table.frequencies) == 4096
    assert IntegerTable.unpack(ByteReader(table.pack()), "it") == table
    symbols = np.unique((values.astype(np.int64) - table.low) >> table.shift)
    assert all(table.frequencies[symbol] > 0 for symbol in symbols), "what occurs must not cost 24 bits"


@pytest.mark.parametrize("values", list(runs()))
def test_the_length_is_what_the_table_promises(values: IntArray) -> None:
    table = IntegerTable.fitted(values)
    encoder = IntegerEncoder()
    encoder.put(values, table)
    bits = 8 * (len(encoder.words()) + len(table.pack()))
    assert table.cost_bits(values) - 1 <= bits <= table.cost_bits(values) + 64


def test_near_the_entropy_of_a_normal_distribution() -> None:
    values = np.rint(np.random.default_rng(1).standard_normal(90_000) * 12).astype(np.int32)
    entropy = 0.5 * np.log2(2 * np.pi * math.e * 144)
    assert IntegerTable.fitted(values).cost_bits(values) / values.size < entropy + 0.02


def test_several_runs_share_one_stream() -> None:
    streams = [(values, IntegerTable.fitted(values)) for values in runs()]
    encoder = IntegerEncoder()
    for values, table in streams:
        encoder.put(values, table)
    decoder = IntegerDecoder(encoder.words())
    for values, table in streams:
        assert np.array_equal(decoder.take(values.size, table), values)
    decoder.finish()


@pytest.mark.parametrize("seed", range(40))
def test_any_table_means_the_same_to_integers_and_to_constriction(seed: int) -> None:
    """Whatever the frequencies, zeros among them: the float64 model of constriction gives the intervals of the page."""
    random = np.random.default_rng(seed)
    count = int(random.choice([2, 3, 7, 64, 1000, 4096]))
    frequencies = np.diff(np.sort(random.integers(0, 4097, count - 1)), prepend=0, append=4096)
    table = IntegerTable(low=-5, shift=int(random.integers(0, 5)), frequencies=tuple(frequencies.tolist()))
    values = random.integers(-5, -5 + (count << table.shift), 50).astype(np.int32)

    encoder = IntegerEncoder()
    encoder.put(values, table)
    words = encoder.words()
    reference = RangeDecoder(list(struct.unpack(f"<{len(words) // 4}I", words)))
    assert Table(ReferenceBytes(table.pack())).run(len(values), reference) == values.tolist()
    reference.finish()


@pytest.mark.parametrize("seed", range(4))
def test_whether_anything_is_left_is_the_same_to_the_page_and_to_constriction(seed: int) -> None:
    random = np.random.default_rng(seed)
    table, ends = IntegerTable(low=0, shift=0, frequencies=(4000, 50, 40, 6)), set()
    for number in range(300):
        # Few symbols, so that some of the words are read to their end; some of them small, as encoders end.
        count, words = int(random.integers(4)) if number % 7 else 0, random.integers(1 << 32, size=random.integers(4))
        words[-1:] >>= int(random.choice([0, 16, 31, 32]))
        words = words[: len(words) if number % 2 else 1]
        data = words.astype("<u4").tobytes()
        decoder, reference = IntegerDecoder(data), RangeDecoder(words.tolist())
        decoder.take(count, table)
        reference.symbols(count, list(table.frequencies))
        assert _ends(decoder.finish, CorruptFile) == _ends(reference.finish, AssertionError)
        ends.add(_ends(reference.finish, AssertionError))
    assert ends == {False, True}


def _ends(finish: Callable[[], None], refusal: type[Exception]) -> bool:
    try:
        finish()
    except refusal:
        return False
    return True


def test_no_float_of_the_model_is_ever_rounded() -> None:
    """The arithmetic that constriction does in float64, redone in integers: equal for every table size and sum."""
    for count in range(2, 4097):
        scale = (2**24 - count) / 2**12
        cumulative = np.arange(0, 4097, dtype=np.float64)
        exact = np.arange(0, 4097, dtype=np.int64) * (2**24 - count)
        assert np.array_equal(cumulative * scale * 2**12, exact.astype(np.float64))
        assert int(exact[-1]) < 2**53


def test_intervals_cover_everything_and_are_never_empty() -> None:
    bounds = interval_bounds((0, 4096, 0, 0))
    assert bounds.tolist() == [0, 1, 2**24 - 2, 2**24 - 1, 2**24]


def test_the_words_of_a_short_message() -> None:
    """Bytes that may never change: they are in files."""
    encoder = IntegerEncoder()
    encoder.put(np.array([3, -2, 0, 0, 1, 3], dtype=np.int32), IntegerTable(-2, 0, (512, 512, 1024, 1024, 512, 512)))
    assert encoder.words().hex() == "0cff6de1"
