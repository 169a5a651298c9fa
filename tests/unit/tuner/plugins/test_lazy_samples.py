"""Any part of the samples is that part of the whole, and nothing is decoded before it is asked for."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.tuner.plugins.files import ARRAY, COLOUR, FILES, SOUND, VOLUME, name_of, stored
from tuner.codec.decode import decode
from tuner.codec.limits import DecodeLimits
from tuner.plugins import lazy_samples
from tuner.plugins.lazy_samples import LazySamples
from tuner.representation import Representation

WHOLE = {path: stored(path) for path in (ARRAY, COLOUR, SOUND, VOLUME)}


def assert_same(found: NDArray[Any], expected: NDArray[Any], path: Path) -> None:
    """Up to the last digits of float32: products of other shapes add in another order, whose sum may round away."""
    whole = WHOLE[path]
    least = 1.0 if whole.dtype.kind in "iu" else 1e-6 * float(np.ptp(whole))
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.abs(found.astype(np.float64) - expected).max(initial=0.0) <= least


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_whole_is_what_the_file_decodes_to(path: Path) -> None:
    samples, expected = LazySamples(path), stored(path)
    assert (samples.shape, samples.dtype) == (expected.shape, expected.dtype)
    assert (samples.ndim, samples.size, len(samples)) == (expected.ndim, expected.size, len(expected))
    np.testing.assert_array_equal(np.asarray(samples), expected)


@given(data=st.data(), path=st.sampled_from(list(WHOLE)))
@settings(max_examples=25, deadline=None)
def test_a_part_is_that_of_the_whole(data: st.DataObject, path: Path) -> None:
    whole = WHOLE[path]
    key = tuple(
        data.draw(st.one_of(st.integers(-length, length - 1), st.slices(length)), label=f"axis {axis}")
        for axis, length in enumerate(whole.shape[: data.draw(st.integers(0, whole.ndim))])
    )
    part = LazySamples(path)[key]
    assert_same(part, whole[key], path)


def test_arrays_of_indices_are_taken_along_their_own_axes() -> None:
    rows, columns = [5, 2, 2, 9], np.array([1, 0])
    part = LazySamples(VOLUME)[rows, :, columns]
    assert_same(part, WHOLE[VOLUME][rows][:, :, columns], VOLUME)
    assert_same(LazySamples(VOLUME)[..., 3], WHOLE[VOLUME][..., 3], VOLUME)


@pytest.mark.parametrize("key", [12, (0, 0, 0, 0), None, (..., ...), np.zeros((2, 2), dtype=int), "x"])
def test_other_indices_are_refused(key: object) -> None:
    with pytest.raises(IndexError):
        LazySamples(VOLUME)[key]


def test_it_is_decoded_once_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counted(content: bytes, limits: DecodeLimits) -> Representation:
        decoded.append(content)
        return decode(content, limits)

    monkeypatch.setattr(lazy_samples, "decode", counted)
    samples = LazySamples(VOLUME)
    assert not samples[0:0].size
    assert not decoded
    _ = samples[0], samples[1]
    assert len(decoded) == 1


def test_other_processes_open_the_file_themselves() -> None:
    copy = pickle.loads(pickle.dumps(LazySamples(VOLUME)))
    assert_same(copy[3], WHOLE[VOLUME][3], VOLUME)
    with VOLUME.open("rb") as file:
        samples = LazySamples(file)
        assert_same(samples[3], WHOLE[VOLUME][3], VOLUME)
        with pytest.raises(TypeError, match="open it by its path"):
            pickle.dumps(samples)
