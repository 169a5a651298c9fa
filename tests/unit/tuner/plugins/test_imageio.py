"""imageio reads every file, frame by frame where there are frames, and writes by a fit."""

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

import tuner.plugins.imageio  # noqa: F401  registers the format
from tests.unit.tuner.plugins.files import COLOUR, FILES, PROFILE, SOUND, VIDEO, VOLUME, name_of, stored
from tuner.codec.decode import load

EVERY: Any = ...  # which the types of imageio do not know


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_read_as_it_was_stored(path: Path) -> None:
    expected = stored(path)
    facts = iio.improps(path)
    assert (facts.shape, facts.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(iio.imread(path), expected)
    np.testing.assert_array_equal(iio.imread(path.read_bytes(), extension=".tnr"), expected)


def test_images_of_a_video_are_its_frames() -> None:
    frames = stored(VIDEO)
    np.testing.assert_array_equal(iio.imread(VIDEO, index=3), frames[3])
    np.testing.assert_array_equal(iio.imread(VIDEO, index=EVERY), frames)
    np.testing.assert_array_equal(list(iio.imiter(VIDEO)), frames)
    assert (iio.improps(VIDEO, index=3).shape, iio.improps(VIDEO).n_images) == (frames.shape[1:], len(frames))
    with pytest.raises(ValueError, match="expected 0 to 5"):
        iio.imread(VIDEO, index=6)


def test_any_other_file_is_one_image() -> None:
    volume = stored(VOLUME)
    np.testing.assert_array_equal(iio.imread(VOLUME, index=0), volume)
    np.testing.assert_array_equal(iio.imread(VOLUME, index=EVERY), volume[None])
    assert iio.improps(VOLUME, index=EVERY).shape == (1, *volume.shape)
    with pytest.raises(ValueError, match="expected 0 to 0"):
        iio.imread(VOLUME, index=1)


def test_what_the_file_says_beside_its_samples() -> None:
    assert iio.immeta(SOUND)["sample_rate"] == 8000
    assert iio.immeta(PROFILE)["icc_profile"] == load(PROFILE).icc_profile
    assert iio.immeta(VOLUME, exclude_applied=False)["scaling"] == {"scale": 4095.0, "offset": -1024.0}


def test_damage_is_an_error_of_the_system(tmp_path: Path) -> None:
    content = bytearray(COLOUR.read_bytes())
    content[-20] ^= 0xFF
    (tmp_path / "bad.tnr").write_bytes(content)
    with pytest.raises(OSError, match="checksum"):
        iio.imread(tmp_path / "bad.tnr")
    (tmp_path / "other.tnr").write_bytes(b"nothing of that kind")
    with pytest.raises(OSError, match="can not handle"):
        iio.imread(tmp_path / "other.tnr", plugin="tuner")


def test_an_array_is_written_by_a_fit(tmp_path: Path) -> None:
    pixels = np.linspace(0, 255, 16 * 12 * 3).reshape(16, 12, 3).astype(np.uint8)
    iio.imwrite(tmp_path / "new.tnr", pixels, psnr_db=12, effort="fast", max_steps=2)
    back = iio.imread(tmp_path / "new.tnr")
    assert (back.shape, back.dtype) == (pixels.shape, pixels.dtype)
    content = iio.imwrite("<bytes>", pixels, extension=".tnr", psnr_db=12, effort="fast", max_steps=2)
    np.testing.assert_array_equal(iio.imread(content, extension=".tnr"), back)
    with pytest.raises(TypeError, match="no option psnr"):
        iio.imwrite(tmp_path / "typo.tnr", pixels, psnr=30)
    with pytest.raises(OSError, match="NaN"):
        iio.imwrite(tmp_path / "nan.tnr", np.full((4, 4), np.nan))
