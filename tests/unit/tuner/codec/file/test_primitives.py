"""Numbers as bytes."""

import pytest

from tuner.codec.file.primitives import ByteReader, pack_float, pack_signed, pack_varint
from tuner.errors import CorruptFile


@pytest.mark.parametrize(
    ("value", "packed"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (16383, "ff7f"), (2**32 - 1, "ffffffff0f")],
)
def test_varints(value: int, packed: str) -> None:
    assert pack_varint(value).hex() == packed
    assert ByteReader(bytes.fromhex(packed)).varint("it") == value


@pytest.mark.parametrize("value", [0, -1, 1, -2, 63, -64, 64, 2**31 - 1, -(2**31)])
def test_signed_integers_come_back(value: int) -> None:
    assert ByteReader(pack_signed(value)).signed("it") == value


def test_signed_integers_fold_around_zero() -> None:
    assert [pack_signed(value)[0] for value in (0, -1, 1, -2, 2)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("value", [-1, 2**32])
def test_too_large_for_a_varint(value: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        pack_varint(value)


@pytest.mark.parametrize("packed", ["8000", "ffffffff1f", "ffffffffff00", "808080808001"])
def test_only_the_shortest_form_below_2_to_32_is_a_varint(packed: str) -> None:
    with pytest.raises(CorruptFile, match="not the shortest varint"):
        ByteReader(bytes.fromhex(packed)).varint("it")


def test_floats_are_little_endian() -> None:
    assert pack_float(2.5).hex() == "00002040"
    assert ByteReader(bytes.fromhex("00002040")).float("it") == 2.5


def test_the_end_is_reported_with_name_and_place() -> None:
    reader = ByteReader(b"\x01\x02\x80")
    assert reader.take(2, "start") == b"\x01\x02"
    with pytest.raises(CorruptFile, match="the period needs 4 bytes at offset 2, but 1 are left"):
        reader.float("the period")
    with pytest.raises(CorruptFile, match="a length needs 1 bytes at offset 3, but 0 are left"):
        reader.varint("a length")
