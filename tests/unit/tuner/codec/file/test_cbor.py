"""The deterministic part of CBOR: the examples of the standard, any value and back, and no second way to write one."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.codec.file.cbor import pack_cbor, unpack_cbor
from tuner.errors import CorruptFile, FormatError

# RFC 8949, appendix A.
EXAMPLES = {
    "00": 0,
    "1864": 100,
    "1b000000e8d4a51000": 1000000000000,
    "3903e7": -1000,
    "f90000": 0.0,
    "fb3ff199999999999a": 1.1,
    "f97bff": 65504.0,
    "fa47c35000": 100000.0,
    "fb7e37e43c8800759c": 1.0e300,
    "f4": False,
    "f6": None,
    "4401020304": b"\1\2\3\4",
    "62c3bc": "ü",
    "8301820203820405": [1, [2, 3], [4, 5]],
    "a26161016162820203": {"a": 1, "b": [2, 3]},
}


@pytest.mark.parametrize("written", EXAMPLES)
def test_the_examples_of_the_standard(written: str) -> None:
    assert pack_cbor(EXAMPLES[written]).hex() == written
    assert unpack_cbor(bytes.fromhex(written)) == EXAMPLES[written]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_any_value_comes_back(value: object) -> None:
    packed = pack_cbor(value)
    try:
        assert unpack_cbor(packed) == value
    except CorruptFile as error:
        assert "nested" in str(error)  # noqa: PT017


@given(st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_what_can_be_read_is_written_the_same_way(data: bytes) -> None:
    try:
        value = unpack_cbor(data)
    except CorruptFile:
        return
    assert pack_cbor(value) == data


LIES = {
    "an infinite float": "f97c00",
    "not a number": "f97e00",
    "a number that could be shorter": "1817",
    "a float that could be shorter": "fa3f800000",
    "keys out of order": "a2616201616101",
    "a key twice": "a2616101616102",
    "a key that is no text": "a10101",
    "an indefinite list": "9f01ff",
    "a tag": "c001",
    "a list of a billion": "9a3b9aca00",
    "text that is no text": "61ff",
    "nothing": "",
    "more than one value": "0000",
    "a well": "81" * 40 + "00",
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(name: str) -> None:
    with pytest.raises(FormatError):
        unpack_cbor(bytes.fromhex(LIES[name]))


def test_half_floats_of_an_affine_are_short() -> None:
    assert len(pack_cbor([0.0] * 16)) == 1 + 16 * 3
    assert struct.unpack(">e", pack_cbor(3.5)[1:])[0] == np.float16(3.5)
