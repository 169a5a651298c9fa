"""Pillow opens what is a picture, names what is none, and raises its own errors."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import tuner.plugins.pillow as plugin
from tests.networks import random_representation
from tests.unit.tuner.plugins.files import COLOUR, FILES, PROFILE, UNEVEN, name_of, stored
from tuner.codec.decode import load
from tuner.codec.encode import encode
from tuner.codec.file.header import pack_header, unpack_header
from tuner.codec.file.metadata import Metadata
from tuner.codec.file.primitives import ByteReader
from tuner.plugins import lazy_samples
from tuner.plugins.glance import Glance
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat

PICTURES = [path for path in FILES if load(path).kind is SignalKind.IMAGE and len(load(path).grid_shape) == 2]
OTHERS = [path for path in FILES if path not in PICTURES and load(path).kind is not SignalKind.VIDEO]


@pytest.mark.parametrize("path", PICTURES, ids=name_of)
def test_a_picture_has_the_pixels_of_the_file(path: Path) -> None:
    expected = stored(path)
    with Image.open(path) as image:
        assert image.format == "TNR"
        assert image.get_format_mimetype() == "application/vnd.tuner.representation"
        assert image.size == expected.shape[1::-1]
        assert image.info.get("icc_profile") == load(path).icc_profile
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_nothing_is_decoded_before_pixels_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> object:
        raise AssertionError

    monkeypatch.setattr(lazy_samples, "decode", never)
    with Image.open(PROFILE) as image:
        assert (image.size, image.mode) == ((32, 48), "RGB")
        assert image.draft("L", (8, 8)) is None
        assert image.info["icc_profile"]
        with pytest.raises(AssertionError):
            image.load()


def test_frames_of_a_video_are_those_of_an_animation() -> None:
    expected = stored(UNEVEN)
    with Image.open(UNEVEN) as image:
        assert (image.n_frames, image.is_animated) == (6, True)  # type: ignore[attr-defined]
        for frame in (0, 5, 2):
            image.seek(frame)
            assert image.tell() == frame
            np.testing.assert_array_equal(np.asarray(image), expected[frame])
        with pytest.raises(EOFError):
            image.seek(6)


@pytest.mark.parametrize("path", OTHERS, ids=name_of)
def test_what_is_no_picture_is_refused_by_name(path: Path) -> None:
    with pytest.raises(UnidentifiedImageError, match=f"kind {load(path).kind}"):
        Image.open(path)


@pytest.mark.parametrize("sample_format", SampleFormat)
def test_a_plane_of_every_sample_format_has_a_mode_or_is_refused(sample_format: SampleFormat) -> None:
    facts = Glance(
        kind=SignalKind.ARRAY,
        grid_shape=(3, 4),
        channels=1,
        sample_format=sample_format,
        icc_profile=None,
        metadata=Metadata(),
    )
    if (sample_format.bits > 32 and sample_format.is_integer) or sample_format is SampleFormat.U32:
        with pytest.raises(UnidentifiedImageError, match=sample_format):
            plugin._mode(facts)
        return
    samples = np.array([[0, 1, 2, 3]] * 3).astype(sample_format.dtype)
    image = plugin._picture(samples, plugin._mode(facts))
    assert image.mode == plugin._mode(facts)
    np.testing.assert_array_equal(np.asarray(image), samples)


def test_colours_of_16_bits_are_given_with_8() -> None:
    representation = random_representation((6, 5))
    deep = encode(replace(representation, sample_format=SampleFormat.U16))
    with Image.open(BytesIO(deep)) as image:
        assert image.mode == "RGB"
        signal = lazy_samples.LazySamples(deep)[()]
        np.testing.assert_array_equal(np.asarray(image), np.rint(signal / 257.0))


@pytest.mark.parametrize("position", [5, 60, -20])
def test_damage_is_an_error_of_pillow(position: int) -> None:
    content = bytearray(COLOUR.read_bytes())
    content[position] ^= 0xFF
    for step in ("load", "verify"):
        # The place decides whether opening raises it or the step.
        with pytest.raises(OSError, match=r"\.tnr"), Image.open(BytesIO(bytes(content))) as image:
            getattr(image, step)()


def test_a_header_that_asks_for_too_much_is_a_bomb() -> None:
    header = unpack_header(ByteReader(COLOUR.read_bytes()))
    with pytest.raises(Image.DecompressionBombError, match="limit"):
        Image.open(BytesIO(pack_header(replace(header, shape=(1 << 15, 1 << 15)))))


def test_a_whole_file_verifies() -> None:
    with Image.open(COLOUR) as image:
        image.verify()


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("I;16", 1)])
def test_a_picture_is_saved_by_a_fit(tmp_path: Path, mode: str, channels: int) -> None:
    ramp = np.linspace(0, 255, 16 * 12).reshape(16, 12)
    pixels = (ramp * 257).astype(np.uint16) if mode == "I;16" else ramp.astype(np.uint8)
    image = Image.fromarray(np.stack([pixels] * 3, axis=-1) if channels == 3 else pixels)
    image.save(tmp_path / "saved.tnr", psnr_db=12, effort="fast", max_steps=2)
    with Image.open(tmp_path / "saved.tnr") as back:
        assert (back.mode, back.size) == (mode, (12, 16))


@pytest.mark.parametrize(("mode", "opened"), [("CMYK", "RGB"), ("P", "RGB"), ("1", "L"), ("I", "I"), ("F", "F")])
def test_modes_are_saved_as_what_they_mean(tmp_path: Path, mode: str, opened: str) -> None:
    ramp = np.linspace(0, 255, 16 * 12).reshape(16, 12).astype(np.uint8)
    if mode in {"I", "F"}:  # numbers of their own range
        image = Image.fromarray(ramp.astype(np.int32) * 500 - 900 if mode == "I" else ramp.astype(np.float32) / 7)
    else:
        image = Image.fromarray(np.stack([ramp] * 3, axis=-1)).convert(mode)
    image.save(tmp_path / "saved.tnr", psnr_db=25, effort="fast")
    with Image.open(tmp_path / "saved.tnr") as back:
        assert back.mode == opened
        shown = np.asarray(image if mode in {"I", "F"} else image.convert(opened)).astype(float)
        off = np.abs(np.asarray(back).astype(float) - shown)
    assert off.mean() <= 0.1 * (shown.max() - shown.min())


def test_a_picture_is_saved_upright_with_the_profile_that_is_asked_for(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 5), (255, 0, 0))
    image.getexif()[274] = 6
    image.save(tmp_path / "saved.tnr", psnr_db=12, effort="fast", max_steps=1, icc_profile=b"a profile")
    with Image.open(tmp_path / "saved.tnr") as back:
        assert (back.size, back.info["icc_profile"]) == ((5, 8), b"a profile")


def test_what_cannot_be_saved_leaves_no_file(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8))
    with pytest.raises(OSError, match="target"):
        picture.save(tmp_path / "two.tnr", psnr_db=30, bytes=100)
    with pytest.raises(OSError, match="of mode LAB, expected grey, RGB, palette or CMYK"):
        Image.new("LAB", (8, 8)).save(tmp_path / "lab.tnr")
    assert not list(tmp_path.iterdir())
