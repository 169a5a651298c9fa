"""PNG, JPEG, WebP and TIFF by their rules, held against imagecodecs (libpng, libjpeg-turbo, libwebp) and tifffile."""

import struct
import zlib
from io import BytesIO
from typing import Any, Final

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.unit.tuner.signal.examples import tried
from tests.unit.tuner.signal.test_tiff import turned
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.signal import Signal, SignalKind

Numbers = NDArray[Any]
RANDOM = np.random.default_rng(31)
# Of Adam7: where each pass begins, (x, y), and its steps.
PASSES: Final = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS: Final = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
BITS: Final = {GREY: [1, 2, 4, 8, 16], RGB: [8, 16], PALETTE: [1, 2, 4, 8], GREY_ALPHA: [8, 16], RGBA: [8, 16]}


def stored(signal: Signal) -> Numbers:
    samples: Numbers = signal.storage.to_samples(signal.values)
    return samples


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def rows(samples: Numbers, bits: int) -> bytes:
    """Each with the filter 0, samples of less than 8 bits packed."""
    lines = []
    for row in samples.reshape(len(samples), -1):
        if bits == 16:
            line = row.astype(">u2").tobytes()
        else:
            line = np.packbits(np.unpackbits(row.astype("u1")[:, None], axis=1)[:, 8 - bits :]).tobytes()
        lines.append(b"\0" + line)
    return b"".join(lines)


def png(samples: Numbers, colour_type: int, bits: int, *, interlaced: bool, extra: bytes) -> bytes:
    height, width, _ = samples.shape
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES] if interlaced else [samples]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    body = b"".join(rows(part, bits) for part in passes if part.size)
    end = chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + end


@tried(60)
@given(st.data())
def test_a_png_is_what_its_chunks_say(data: st.DataObject) -> None:
    colour_type = data.draw(st.sampled_from([GREY, GREY, RGB, PALETTE, GREY_ALPHA, RGBA]))
    bits = data.draw(st.sampled_from(BITS[colour_type]))
    interlaced = data.draw(st.booleans())
    transparent = colour_type in {GREY, RGB, PALETTE} and data.draw(st.booleans())
    orientation = data.draw(st.integers(1, 8))
    shape = (data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)), CHANNELS[colour_type])
    samples = RANDOM.integers(0, 1 << bits, shape)
    clear, extra = samples[0, 0], b""
    colours = RANDOM.integers(0, 256, (1 << bits, 3), dtype=np.uint8) if colour_type == PALETTE else None
    alphas = RANDOM.integers(0, 256, max(1, (1 << bits) // 2), dtype=np.uint8)
    if colours is not None:
        extra = chunk(b"PLTE", colours.tobytes())
    if transparent:
        extra += chunk(b"tRNS", alphas.tobytes() if colours is not None else clear.astype(">u2").tobytes())
    if orientation > 1:
        exif = Image.Exif()
        exif[274] = orientation
        extra += chunk(b"eXIf", exif.tobytes()[6:])
    file = png(samples, colour_type, bits, interlaced=interlaced, extra=extra)

    top = 65535 if bits == 16 else 255
    if colours is not None:
        seen = colours[samples[..., 0]].astype(int)
        alpha = np.concatenate([alphas, np.full((1 << bits) - len(alphas), 255)])[samples]
    else:
        seen = samples * (top // ((1 << bits) - 1))
        alpha = np.where((samples == clear).all(-1, keepdims=True), 0, top)
    if transparent:
        seen = np.concatenate([seen, alpha], -1)
    signal = read_signal(file)
    np.testing.assert_array_equal(stored(signal), turned(seen, orientation))
    np.testing.assert_array_equal(stored(read_signal(encode_signal(signal, "x.png"))), stored(signal))
    if not interlaced and not transparent:
        other = imagecodecs.png_decode(file)
        np.testing.assert_array_equal(turned(other.reshape(*shape[:2], -1), orientation), stored(signal))


def smooth(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin(x / (5 + n) + y / (9 - n) + n) for n in range(channels)]
    return np.stack(waves, -1).astype(np.uint8)


@tried(25)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["L", "RGB", "CMYK"]),
    st.integers(30, 100),
    st.booleans(),
    st.sampled_from([0, 1, 2]),
    st.integers(1, 8),
)
def test_a_jpeg_is_what_another_decoder_sees(
    height: int, width: int, mode: str, quality: int, progressive: bool, subsampling: int, orientation: int
) -> None:
    channels = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    samples = smooth(height, width, channels)
    exif = Image.Exif()
    exif[274] = orientation
    file = BytesIO()
    Image.fromarray(samples[..., 0] if mode == "L" else samples, mode).save(
        file, "JPEG", quality=quality, progressive=progressive, subsampling=subsampling, exif=exif
    )
    other = imagecodecs.jpeg_decode(file.getvalue()).reshape(height, width, -1)
    if mode == "CMYK":  # Adobe's are stored from white to black, and nobody agrees on whether to say so
        other = np.asarray(Image.open(BytesIO(file.getvalue())).convert("RGB"))
    difference = stored(read_signal(file.getvalue())).astype(int) - turned(other, orientation).astype(int)
    assert np.abs(difference).max() <= 2


@tried(25)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]), st.booleans(), st.integers(1, 8))
def test_a_webp_is_what_another_decoder_sees(
    height: int, width: int, channels: int, lossless: bool, orientation: int
) -> None:
    samples = smooth(height, width, channels)
    exif = Image.Exif()
    exif[274] = orientation
    file = BytesIO()
    Image.fromarray(samples).save(file, "WEBP", lossless=lossless, exact=True, exif=exif)
    other = imagecodecs.webp_decode(file.getvalue())
    np.testing.assert_array_equal(stored(read_signal(file.getvalue())), turned(other, orientation))


@tried(25)
@given(
    st.sampled_from(["assocalpha", "unassalpha"]),
    st.sampled_from(["minisblack", "rgb"]),
    st.sampled_from(["contig", "separate"]),
    st.sampled_from([None, "zlib", "lzw", "packbits", "zstd", "lzma", "png"]),
    st.sampled_from([1, 3]),
    st.sampled_from("<>"),
    st.sampled_from([None, (16, 16)]),
    st.integers(1, 8),
)
def test_alpha_means_the_same_in_every_layout_of_a_tiff(
    alpha: str,
    photometric: str,
    planes: str,
    compression: str | None,
    pages: int,
    order: str,
    tile: tuple[int, int] | None,
    orientation: int,
) -> None:
    """Whatever decodes it: Pillow and tifffile take different layouts. Colours are divided by one formula."""
    shape = (pages, 20, 24, 4 if photometric == "rgb" else 2)
    samples = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    if alpha == "assocalpha":
        samples[..., :-1] = samples[..., :-1].astype(int) * samples[..., -1:] // 255
    options: dict[str, Any] = {"photometric": photometric, "extrasamples": [alpha], "planarconfig": planes}
    options |= {"compression": None if planes == "separate" and compression == "png" else compression}
    options |= {"tile": tile, "extratags": [(274, "H", 1, orientation, True)], "metadata": None}
    file = BytesIO()
    with tifffile.TiffWriter(file, byteorder=order) as writer:  # type: ignore[arg-type]
        for page in samples:
            writer.write(np.moveaxis(page, -1, 0).copy() if planes == "separate" else page, contiguous=False, **options)
    with tifffile.TiffFile(BytesIO(file.getvalue())) as opened:
        raw = np.stack([page.asarray() for page in opened.pages])
    raw = np.moveaxis(raw, 1, -1) if planes == "separate" else raw
    np.testing.assert_array_equal(raw, samples)
    seen = samples.astype(float)
    if alpha == "assocalpha":
        share = np.where(seen[..., -1:] > 0, seen[..., -1:], np.inf) / 255
        seen[..., :-1] = np.clip(np.rint(seen[..., :-1] / share), 0, 255)
    signal = read_signal(file.getvalue())
    assert signal.kind is (SignalKind.IMAGE if pages == 1 else SignalKind.VOLUME)
    expected = turned(seen, orientation)
    assert np.abs(stored(signal).reshape(expected.shape) - expected).max() <= 1  # halves are rounded either way
    again = read_signal(encode_signal(signal, "x.png" if pages == 1 else "x.tif"))
    np.testing.assert_array_equal(stored(again), stored(signal))


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("pages", [1, 2])
def test_jpeg_within_a_tiff_is_what_pillow_sees(subsampling: tuple[int, int], pages: int) -> None:
    samples = np.stack([smooth(32, 48, 3), smooth(48, 32, 3).swapaxes(0, 1)])[:pages]
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in samples:
            writer.write(
                page, photometric="ycbcr", compression="jpeg", subsampling=subsampling, metadata=None, contiguous=False
            )
    seen = []
    with Image.open(file) as opened:
        for number in range(pages):
            opened.seek(number)
            seen.append(np.asarray(opened.convert("RGB")).astype(int))
    assert np.abs(stored(read_signal(file.getvalue())).reshape(pages, 32, 48, 3) - np.stack(seen)).max() <= 2
