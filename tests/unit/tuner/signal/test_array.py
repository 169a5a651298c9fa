"""Headers of .npy files that no array could have: each is refused in words, whatever its numbers are."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import DamagedSignal, InvalidSignal, SignalTooLarge, TunerError
from tuner.signal.array import read_array
from tuner.signal.limits import SignalLimits


def npy(shape: str, elements: bytes = b"\0" * 32, *, columns_first: bool = False) -> bytes:
    """A file of doubles whose header says this shape."""
    header = f"{{'descr': '<f8', 'fortran_order': {columns_first}, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + elements


HUGE = "1" + "0" * 4000  # numpy reads as much; a product of two has more digits than Python writes down


@pytest.mark.parametrize(
    ("shape", "elements", "error"),
    [
        ("(-1,-4)", b"\0" * 32, DamagedSignal),
        ("(-4,)", b"\0" * 32, DamagedSignal),
        ("(0,-3)", b"", DamagedSignal),
        ("(True,4)", b"\0" * 32, DamagedSignal),
        ("(0,)", b"", InvalidSignal),
        ("(0,100000000000000000000)", b"", InvalidSignal),
        ("(4,0,9223372036854775808)", b"", InvalidSignal),
        (f"({HUGE},)", b"", SignalTooLarge),
        (f"({HUGE},{HUGE})", b"", SignalTooLarge),
        ("(9223372036854775807,2)", b"", SignalTooLarge),
    ],
    ids=lambda value: str(value)[:30],
)
def test_axes_that_no_array_has(shape: str, elements: bytes, error: type[TunerError]) -> None:
    with pytest.raises(error) as caught:
        read_array(npy(shape, elements), SignalLimits())
    assert len(str(caught.value)) < 300


lengths = st.integers(-5, 5) | st.integers() | st.booleans() | st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**20])


@given(st.lists(lengths, max_size=6), st.integers(0, 40), st.booleans())
def test_any_shape_is_read_or_refused_in_words(shape: list[int], count: int, columns_first: bool) -> None:
    axes = ", ".join(map(str, shape)) + "," * (len(shape) == 1)
    content = npy(f"({axes})", b"\0" * count, columns_first=columns_first)
    try:
        signal = read_array(content, SignalLimits())
    except TunerError:
        return
    assert signal.grid_shape == tuple(shape)
