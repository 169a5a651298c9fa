"""Files from strangers: each kind gives the documented signal or a clear refusal."""

import json
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, SignalTooLarge, UnsupportedFormat
from tuner.shapes import SampleArray
from tuner.signal import inspect
from tuner.signal.image import ImageLimits, inspect_image, read_image, write_image
from tuner.signal.signal import SampleFormat, Signal

RANDOM = np.random.default_rng(7)
RGB = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
RGBA = RANDOM.integers(0, 256, (5, 7, 4), dtype=np.uint8)
GREY = RGB[..., 0].copy()
DEEP = RANDOM.integers(0, 65536, (5, 7, 4), dtype=np.uint16)


def encoded(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format=file_format, **options)
    return file.getvalue()


def deep_png(samples: SampleArray, colour_type: int, filter_type: int = 1, extra: bytes = b"") -> bytes:
    """A 16-bit PNG by the book (filter None or Sub), independent of the code under test."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    pixel = 2 * channels
    filtered = rows.copy()
    if filter_type == 1:
        filtered[:, pixel:] -= rows[:, :-pixel]
    body = b"".join(bytes([filter_type]) + row.tobytes() for row in filtered)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def tiff(samples: NDArray[np.generic], **options: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def stored(signal: Signal) -> NDArray[np.int64]:
    """The integers that the file held."""
    return np.rint(signal.values.astype(np.float64) * signal.sample_format.levels).astype(np.int64)


def palette_image() -> Image.Image:
    return Image.fromarray(RGB).quantize(colors=8)


def png_with_transparent_colour(array: SampleArray, colour: object) -> bytes:
    return encoded(Image.fromarray(array), transparency=colour)


KEPT = {
    "rgb png": (encoded(Image.fromarray(RGB)), RGB),
    "rgb webp": (encoded(Image.fromarray(RGB), "WEBP", lossless=True), RGB),
    "rgb tiff": (encoded(Image.fromarray(RGB), "TIFF"), RGB),
    "rgb tiff, deflated": (encoded(Image.fromarray(RGB), "TIFF", compression="tiff_adobe_deflate"), RGB),
    "rgb tiff, in planes": (tiff(RGB.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"), RGB),
    "rgba png": (encoded(Image.fromarray(RGBA)), RGBA),
    "grey png": (encoded(Image.fromarray(GREY)), GREY[..., None]),
    "grey-alpha png": (encoded(Image.fromarray(RGB[..., :2], "LA")), RGB[..., :2]),
    "one bit": (encoded(Image.fromarray(GREY > 127)), np.where(GREY > 127, 255, 0)[..., None]),
    "palette": (encoded(palette_image()), np.asarray(palette_image().convert("RGB"))),
    "cmyk tiff": (
        encoded(Image.fromarray(RGBA, "CMYK"), "TIFF"),
        np.asarray(Image.fromarray(RGBA, "CMYK").convert("RGB")),
    ),
    "1 x 1": (encoded(Image.fromarray(RGB[:1, :1])), RGB[:1, :1]),
    "16-bit grey png": (encoded(Image.fromarray(DEEP[..., 0])), DEEP[..., :1]),
    "16-bit grey tiff": (tiff(DEEP[..., 0]), DEEP[..., :1]),
    "16-bit grey tiff, big endian": (tiff(DEEP[..., 0], byteorder=">"), DEEP[..., :1]),
    "16-bit grey-alpha png": (deep_png(DEEP[..., :2], 4), DEEP[..., :2]),
    "16-bit rgb png": (deep_png(DEEP[..., :3], 2), DEEP[..., :3]),
    "16-bit rgb png, unfiltered": (deep_png(DEEP[..., :3], 2, filter_type=0), DEEP[..., :3]),
    "16-bit rgba png": (deep_png(DEEP, 6), DEEP),
    "16-bit rgb tiff": (tiff(DEEP[..., :3].copy(), photometric="rgb"), DEEP[..., :3]),
    "16-bit rgb tiff, big endian": (tiff(DEEP[..., :3].copy(), photometric="rgb", byteorder=">"), DEEP[..., :3]),
    "16-bit rgb tiff, deflated": (tiff(DEEP[..., :3].copy(), photometric="rgb", compression="zlib"), DEEP[..., :3]),
    "16-bit rgb tiff, in planes": (
        tiff(DEEP[..., :3].transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
        DEEP[..., :3],
    ),
    "16-bit grey tiff, from white to black": (tiff(DEEP[..., 0], photometric="miniswhite"), 65535 - DEEP[..., :1]),
    "16-bit rgba tiff, deflated": (
        tiff(DEEP, photometric="rgb", extrasamples=["unassalpha"], compression="zlib"),
        DEEP,
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_every_sample_is_kept_to_the_last_bit(name: str) -> None:
    data, samples = KEPT[name]
    signal = read_image(data)
    assert signal.sample_format is (SampleFormat.U16 if name.startswith("16-bit") else SampleFormat.U8)
    np.testing.assert_array_equal(stored(signal), samples)
    assert signal.values.min() >= 0.0
    assert signal.values.max() <= 1.0


@pytest.mark.parametrize("name", KEPT)
def test_what_is_written_is_read_back_the_same(name: str) -> None:
    signal = read_image(KEPT[name][0])
    again = read_image(write_image(signal))
    assert again.sample_format is signal.sample_format
    np.testing.assert_array_equal(again.values, signal.values)


def test_a_transparent_colour_becomes_an_alpha_channel() -> None:
    palette = palette_image()
    clear = int(np.asarray(palette)[0, 0])
    from_palette = stored(read_image(encoded(palette, transparency=clear)))
    np.testing.assert_array_equal(from_palette[..., 3], np.where(np.asarray(palette) == clear, 0, 255))

    from_rgb = stored(read_image(png_with_transparent_colour(RGB, tuple(int(v) for v in RGB[2, 3]))))
    assert from_rgb.shape == (5, 7, 4)
    assert from_rgb[2, 3, 3] == 0
    assert from_rgb[0, 0, 3] == 255

    from_grey = stored(read_image(png_with_transparent_colour(GREY, int(GREY[2, 3]))))
    assert from_grey.shape == (5, 7, 2)
    assert from_grey[2, 3, 1] == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options: dict[str, object] = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(Image.fromarray(RGB), file_format, exif=exif, **options)
    # Undone by the definition: row 0 of the file is the top, the right side, ... of the picture.
    expected = {
        1: RGB,
        2: np.fliplr(RGB),
        3: np.rot90(RGB, 2),
        4: np.flipud(RGB),
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: np.rot90(RGB, 2).transpose(1, 0, 2),
        8: np.rot90(RGB, 1),
    }[orientation]
    np.testing.assert_array_equal(stored(read_image(data)), expected)
    facts = inspect_image(data)
    assert (facts.height, facts.width) == expected.shape[:2]


def test_orientation_is_applied_to_sixteen_bit_colour() -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = deep_png(DEEP[..., :3], 2, extra=chunk(b"eXIf", exif.tobytes()[6:]))
    np.testing.assert_array_equal(stored(read_image(data)), np.rot90(DEEP[..., :3], -1))
    turned = tiff(DEEP[..., :3].copy(), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(stored(read_image(turned)), np.rot90(DEEP[..., :3], -1))


def test_a_jpeg_is_read_upright_and_close_to_its_source() -> None:
    smooth = np.linspace(0, 255, 24 * 16 * 3, dtype=np.uint8).reshape(24, 16, 3)
    exif = Image.Exif()
    exif[274] = 6
    signal = read_image(encoded(Image.fromarray(smooth), "JPEG", quality=95, exif=exif))
    assert signal.grid_shape == (16, 24)
    assert np.abs(stored(signal) - np.rot90(smooth, -1)).max() < 24


def test_a_jpeg_in_cmyk_becomes_rgb_without_its_profile() -> None:
    signal = read_image(encoded(Image.fromarray(RGBA, "CMYK"), "JPEG", icc_profile=b"inks"))
    assert signal.channels == 3
    assert signal.icc_profile is None


def test_of_a_multi_picture_jpeg_the_first_is_read() -> None:
    first, second = Image.fromarray(np.full((8, 8, 3), 200, np.uint8)), Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    file = BytesIO()
    first.save(file, format="MPO", save_all=True, append_images=[second])
    assert stored(read_image(file.getvalue())).min() > 190
    assert inspect_image(file.getvalue()).format == "jpeg"


@pytest.mark.parametrize("source", [RGB, DEEP[..., :3].copy()], ids=["8 bit", "16 bit"])
def test_the_colour_profile_survives(source: SampleArray) -> None:
    eight = source.dtype == np.uint8
    signal = Signal(
        values=(source / (255 if eight else 65535)).astype(np.float32),
        sample_format=SampleFormat.U8 if eight else SampleFormat.U16,
        icc_profile=b"a profile" * 9,
    )
    assert read_image(write_image(signal)).icc_profile == b"a profile" * 9


def two_frames(file_format: str) -> bytes:
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    return encoded(frames[0], file_format, save_all=True, append_images=frames[1:])


WHOLE_PNG = encoded(Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)))
WHOLE_JPEG = encoded(Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)), "JPEG")
FLIPPED = bytearray(WHOLE_PNG)
FLIPPED[len(FLIPPED) // 2] ^= 0x10
BOMB = WHOLE_PNG[:16] + struct.pack(">II", 60000, 60000) + WHOLE_PNG[24:29]
BOMB += struct.pack(">I", zlib.crc32(BOMB[12:29])) + WHOLE_PNG[33:]

REFUSED: dict[str, tuple[bytes, type[SignalError]]] = {
    "empty": (b"", DamagedSignal),
    "text": (b"This is not a picture.\n", UnsupportedFormat),
    "gif": (encoded(Image.fromarray(GREY), "GIF"), UnsupportedFormat),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedFormat),
    "eps, which would start an interpreter": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UnsupportedFormat),
    "png signature alone": (WHOLE_PNG[:8], DamagedSignal),
    "png cut in its header": (WHOLE_PNG[:20], DamagedSignal),
    "png cut in half": (WHOLE_PNG[: len(WHOLE_PNG) // 2], DamagedSignal),
    "png without its end": (WHOLE_PNG[:-12], DamagedSignal),
    "png with a flipped bit": (bytes(FLIPPED), DamagedSignal),
    "jpeg cut in half": (WHOLE_JPEG[: len(WHOLE_JPEG) // 2], DamagedSignal),
    "webp cut in half": ((w := encoded(Image.fromarray(RGB), "WEBP", lossless=True))[: len(w) // 2], DamagedSignal),
    "tiff cut in half": ((t := encoded(Image.fromarray(RGB), "TIFF"))[: len(t) // 2], DamagedSignal),
    "deflated tiff cut": (
        (z := tiff(DEEP[..., :3].copy(), photometric="rgb", compression="zlib"))[: len(z) - 40],
        DamagedSignal,
    ),
    "zero width": (WHOLE_PNG[:16] + bytes(4) + WHOLE_PNG[20:], DamagedSignal),
    "decompression bomb": (BOMB, SignalTooLarge),
    "animated png": (two_frames("PNG"), UnsupportedFormat),
    "animated webp": (two_frames("WEBP"), UnsupportedFormat),
    "tiff of two pages": (two_frames("TIFF"), UnsupportedFormat),
    "float tiff": (tiff(np.ones((4, 4), np.float32)), UnsupportedFormat),
    "signed tiff": (tiff(np.ones((4, 4), np.int16)), UnsupportedFormat),
    "32-bit tiff": (tiff(np.ones((4, 4), np.uint32)), UnsupportedFormat),
    "tiff of bands without a meaning": (tiff(RGBA, photometric="rgb", extrasamples=["unspecified"]), UnsupportedFormat),
    "16-bit cmyk tiff": (tiff(DEEP, photometric="separated"), UnsupportedFormat),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused(name: str) -> None:
    data, error = REFUSED[name]
    with pytest.raises(error) as caught:
        read_image(data)
    assert type(caught.value) is error
    with pytest.raises(error):
        inspect_image(data)


@pytest.mark.parametrize("limits", [ImageLimits(max_pixels=34), ImageLimits(max_side=6)], ids=["pixels", "side"])
def test_limits_are_held_against_the_header(limits: ImageLimits) -> None:
    with pytest.raises(SignalTooLarge, match="7 x 5"):
        read_image(encoded(Image.fromarray(RGB)), limits)
    # The pixels are never looked at: they are missing here.
    with pytest.raises(SignalTooLarge):
        read_image(encoded(Image.fromarray(RGB))[:45], limits)


def test_any_cut_of_a_file_is_refused_or_read_in_full() -> None:
    whole = encoded(Image.fromarray(RGBA))
    for length in range(len(whole)):
        try:
            signal = read_image(whole[:length])
        except SignalError:
            continue
        # Only the last checksum, that of a chunk without content, may be missing.
        assert length >= len(whole) - 4
        np.testing.assert_array_equal(stored(signal), RGBA)


def test_random_damage_raises_nothing_else() -> None:
    random = np.random.default_rng(3)
    for data in (WHOLE_PNG, WHOLE_JPEG, KEPT["rgb tiff"][0], KEPT["16-bit rgb tiff, deflated"][0], KEPT["rgb webp"][0]):
        for _ in range(60):
            damaged = bytearray(data)
            for position in random.integers(0, len(data), 4):
                damaged[position] = random.integers(0, 256)
            with suppress(SignalError):
                read_image(bytes(damaged), ImageLimits(max_pixels=2**16))


def test_values_out_of_range_are_clipped_when_written() -> None:
    signal = Signal(values=np.array([[[-0.5], [0.5], [1.5]]], np.float32))
    np.testing.assert_array_equal(stored(read_image(write_image(signal)))[0, :, 0], [0, 128, 255])


def test_only_pictures_can_be_written() -> None:
    with pytest.raises(InvalidSignal, match="1 to 4 channels"):
        write_image(Signal(values=np.zeros((4, 4, 5), np.float32)))


def inspected(path: Path, *options: str) -> dict[str, object]:
    command = [sys.executable, "-m", "tuner.signal.inspect", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report: dict[str, object] = json.loads(done.stdout)
    return report


def test_inspection_is_a_program_with_one_json_answer(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(KEPT["16-bit rgb png"][0])
    facts = {"kind": "image", "format": "png", "width": 7, "height": 5, "shape": [5, 7], "channels": 3}
    facts |= {"sample_format": "u16", "has_icc": False}
    report = inspected(path)
    assert isinstance(report["facts"], dict)
    assert len(report["facts"].pop("compaction_db")) > 5
    assert len(report["facts"].pop("decoded_sha256")) == 64
    assert report == {"ok": True, "facts": facts}
    refusal = inspected(path, "--max-pixels", "34")
    assert refusal["ok"] is False
    assert refusal["code"] == "signal_too_large"


def test_inspection_names_the_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "upload"
    for data, error in REFUSED.values():
        path.write_bytes(data)
        inspect.main([str(path), "--kind", "image"])
        report = json.loads(capsys.readouterr().out)
        assert (report["ok"], report["code"]) == (False, error.code)
        assert report["message"]
