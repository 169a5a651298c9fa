"""A chunk comes back in exactly its shape and type, or is refused by name before it is fitted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.unit.tuner.plugins.files import VOLUME
from tuner.errors import ConfigError, CorruptFile, FitError, InvalidSignal, LimitExceeded
from tuner.plugins.chunks import ChunkConfig, check_chunks, decode_chunk, encode_chunk, grid_of

QUICK = ChunkConfig(psnr_db=3, effort="fast", max_steps=1)
DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">i2", ">f2", ">f4"]
SELDOM = set(DTYPES) - {"u1", "i8", "f2", ">f4"}


@pytest.mark.parametrize(
    "dtype", [pytest.param(dtype, marks=pytest.mark.long) if dtype in SELDOM else dtype for dtype in DTYPES]
)
def test_shape_and_type_come_back(dtype: str) -> None:
    chunk = (10 * np.arange(12).reshape(1, 3, 1, 4)).astype(dtype)
    back = decode_chunk(encode_chunk(chunk, QUICK), chunk.shape, chunk.dtype)
    assert (back.shape, back.dtype) == (chunk.shape, chunk.dtype)
    assert abs(back.astype(float) - chunk.astype(float)).max() <= 110


@given(dtype=arrays.array_dtypes() | arrays.scalar_dtypes())
@settings(max_examples=40, deadline=None)
def test_every_type_is_known_or_refused_by_name(dtype: np.dtype[np.generic]) -> None:
    if dtype.kind in "iuf" and dtype.itemsize <= 8:
        check_chunks((4, 4), dtype)
    else:
        with pytest.raises(InvalidSignal, match="expected integers or floats"):
            check_chunks((4, 4), dtype)


@given(shape=st.lists(st.integers(0, 3), max_size=7).map(tuple))
def test_every_shape_of_at_most_four_axes_that_count_is_taken(shape: tuple[int, ...]) -> None:
    if 0 in shape or sum(length > 1 for length in shape) > 4:
        with pytest.raises(ConfigError, match="axes longer than one"):
            check_chunks(shape, np.dtype("u1"))
    else:
        check_chunks(shape, np.dtype("u1"))
        assert np.prod(grid_of(shape)) == np.prod(shape)


@given(value=st.integers(-128, 127))
@settings(max_examples=3, deadline=None)
def test_a_constant_is_exact_without_axes(value: int) -> None:
    chunk = np.array(value, dtype=np.int8)
    assert decode_chunk(encode_chunk(chunk, ChunkConfig(psnr_db=60)), (), chunk.dtype) == value


def test_a_target_that_was_missed_is_an_error() -> None:
    noise = np.random.default_rng(0).normal(size=(6, 6))
    with pytest.raises(FitError, match="missed"):
        encode_chunk(noise, ChunkConfig(psnr_db=170, effort="fast", max_steps=1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(InvalidSignal, match="NaN or infinite"):
        encode_chunk(np.array([[0.0, bad]]), QUICK)


def test_a_file_of_another_chunk_is_refused() -> None:
    content = VOLUME.read_bytes()
    decode_chunk(content, (12, 1, 10, 8), np.dtype("i2"))
    with pytest.raises(LimitExceeded):
        decode_chunk(content, (2, 10, 8), np.dtype("i2"))
    for shape, dtype in (((10, 12, 8), "i2"), ((12, 10, 8), "i4"), ((12, 10, 9), "i2")):
        with pytest.raises(CorruptFile, match="another array"):
            decode_chunk(content, shape, np.dtype(dtype))


@pytest.mark.parametrize(
    "entries", [{}, {"psnr_db": 30, "max_error": 0.1}, {"psnr_db": 30, "speed": 1}, {"effort": "fast"}]
)
def test_a_configuration_has_one_target_and_known_entries(entries: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ChunkConfig.from_json(entries)


def test_a_configuration_is_written_down_without_its_defaults() -> None:
    assert ChunkConfig(max_error=0.01).to_json() == {"max_error": 0.01}
    entries = {"psnr_db": 40.0, "effort": "best", "network": "wavelets", "max_steps": 9, "seed": 2}
    assert ChunkConfig.from_json(entries).to_json() == entries
