"""Arrays of every dtype, byte order, order of axes and version of .npy are what numpy reads."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from numpy.lib import format as npy

from tests.unit.tuner.signal.examples import tried
from tuner.errors import UnsupportedFormat
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.signal import SignalKind

RANDOM = np.random.default_rng(8)
DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


@tried(60)
@given(
    st.sampled_from(DTYPES),
    st.sampled_from("<>"),
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    array_shapes(max_dims=4, max_side=6),
)
def test_an_array_is_what_numpy_reads(
    dtype: str, order: str, columns_first: bool, version: tuple[int, int], shape: tuple[int, ...]
) -> None:
    kind = np.dtype(order + dtype)
    elements: Any = RANDOM.normal(0, 99, shape) if kind.kind == "f" else RANDOM.integers(0, 100, shape)
    file = BytesIO()
    npy.write_array(file, np.array(elements.astype(kind), order="F" if columns_first else "C"), version=version)
    expected = np.load(BytesIO(file.getvalue()), allow_pickle=False)
    signal = read_signal(file.getvalue())
    assert (signal.kind, signal.grid_shape) == (SignalKind.ARRAY, expected.shape)
    back = np.load(BytesIO(encode_signal(signal, "x.npy")), allow_pickle=False)
    assert back.dtype == np.dtype(dtype)
    if kind.kind == "f":  # kept in single precision of the range: of a half float near 0 that is not every bit
        span = float(np.ptp(expected.astype(np.float64)))
        exact = expected.astype(np.float64)
        rounding = np.finfo(kind).eps * np.abs(exact) if dtype == "f2" else 0.0
        assert (np.abs(back - exact) <= span * 2.0**-23 + rounding + 2.0**-23 * np.abs(exact)).all()
    else:
        np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize("dtype", ["?", "c8", "c16", "M8[s]", "m8[s]", "S3", "U3", "f2,i4", "V4"])
def test_what_is_no_number_is_refused(dtype: str) -> None:
    file = BytesIO()
    np.save(file, np.zeros((3, 4), dtype), allow_pickle=False)
    with pytest.raises(UnsupportedFormat, match="expected integers or floats"):
        read_signal(file.getvalue())
