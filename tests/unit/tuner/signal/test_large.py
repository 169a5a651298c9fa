"""Signals of which regions are read, from whatever holds their samples."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.signals import SIGNALS
from tuner.errors import InvalidSignal
from tuner.shapes import SampleArray
from tuner.signal.given import signal_of
from tuner.signal.image import read_image
from tuner.signal.large import LargeSignal
from tuner.signal.large_picture import large_picture

REGION = ((3, 9), (2, 12))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3)])
def test_regions_of_stored_samples_are_those_of_the_signal(dtype: type, shape: tuple[int, ...]) -> None:
    samples: SampleArray = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    large, whole = large_picture(samples, 0), signal_of(samples)
    assert large is not None
    assert (large.grid_shape, large.channels) == (whole.grid_shape, whole.channels)
    assert (large.sample_format, large.kind) == (whole.sample_format, whole.kind)
    np.testing.assert_array_equal(large.values(REGION), whole.values[3:9, 2:12])


def test_a_file_in_memory_maps_is_not_read_as_a_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(600, dtype=np.uint16).reshape(20, 30))
    samples = np.load(tmp_path / "a.npy", mmap_mode="r")
    large = large_picture(samples, 0)
    assert large is not None
    assert large.samples is samples


def test_files_of_pictures_are_kept_as_they_are_stored(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, icc_profile=b"profile")
    large = large_picture(path, 20 * 30 * 3 - 1)
    assert large is not None
    assert large.icc_profile == b"profile"
    assert large.samples.dtype == np.uint8
    np.testing.assert_array_equal(large.values(REGION), read_image(path).values[3:9, 2:12])


def test_what_is_small_or_no_picture_is_left_to_others(tmp_path: Path) -> None:
    samples = np.zeros((20, 30), np.uint8)
    assert large_picture(samples, samples.size) is None
    for other in (samples.astype(float), samples.tolist(), np.ma.masked_array(samples), np.zeros((4, 5, 6), np.uint8)):
        assert large_picture(other, 0) is None
    (tmp_path / "a.txt").write_text("no picture")
    assert large_picture(tmp_path / "a.txt", 0) is None
    assert large_picture(tmp_path / "missing.png", 0) is None


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_signals_that_are_held_give_their_own_values(name: str) -> None:
    signal = SIGNALS[name]
    large = LargeSignal.of(signal)
    whole = large.values([(0, n) for n in signal.grid_shape])
    np.testing.assert_array_equal(whole, signal.values)
    assert np.shares_memory(whole, signal.values) == signal.values.flags.c_contiguous


def test_a_source_that_gives_another_region_is_refused() -> None:
    class Wrong:
        shape, dtype = (20, 30), np.dtype(np.uint8)

        def __getitem__(self, region: tuple[slice, ...]) -> np.ndarray:
            return np.zeros((2, 2), np.uint8)

    large = large_picture(Wrong(), 0)
    assert large is not None
    with pytest.raises(InvalidSignal, match=r"\(2, 2\)"):
        large.values(REGION)
