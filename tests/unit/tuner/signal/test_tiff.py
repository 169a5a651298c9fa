"""What the tags of a TIFF say of its samples is what comes out: pages, stacks and arrays, held against libtiff."""

import subprocess
import sys
from io import BytesIO
from typing import Any, Final

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.shapes import SampleArray
from tuner.signal.details import VolumeDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.tiff import TiffContent, content_of

quick: Final = settings(derandomize=True, max_examples=40, deadline=None, database=None)
RANDOM = np.random.default_rng(11)


def tiff(samples: NDArray[Any], **options: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, samples, **{"metadata": None, **options})
    return file.getvalue()


def stored(signal: Signal) -> SampleArray:
    return signal.storage.to_samples(signal.values)


def turned(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """By the definition of the tag: where row 0 and column 0 of (…, height, width, channels) are seen."""
    moved = np.moveaxis(samples, (-3, -2), (0, 1))
    moved = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }[orientation](moved)
    return np.moveaxis(moved, (0, 1), (-3, -2))


def seen(samples: SampleArray, photometric: str, colours: SampleArray | None) -> SampleArray:
    """Samples (…, 1, 3 or 4) as a viewer shows them, worked out here a second time."""
    if photometric == "miniswhite":
        return np.iinfo(samples.dtype).max - samples
    if photometric == "palette" and colours is not None:
        return (colours[:, samples[..., 0]] // 256).astype(np.uint8).transpose(*range(1, samples.ndim), 0)
    if photometric == "separated":
        pages = samples.reshape(-1, *samples.shape[-3:])
        shown = [np.asarray(Image.fromarray(page, "CMYK").convert("RGB")) for page in pages]
        return np.stack(shown).reshape(*samples.shape[:-1], 3)
    return samples


LAYOUTS = st.fixed_dictionaries(
    {
        "byteorder": st.sampled_from("<>"),
        "bigtiff": st.booleans(),
        "compression": st.sampled_from([None, "zlib", "lzw", "packbits"]),
    },
    optional={"tile": st.sampled_from([(16, 16), (16, 32)]), "rowsperstrip": st.sampled_from([1, 5])},
)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[SampleArray, dict[str, Any], SampleArray | None, int]:
    photometric = draw(st.sampled_from(["minisblack", "miniswhite", "rgb", "rgb", "rgba", "palette", "separated"]))
    deep = photometric not in {"palette", "separated"} and draw(st.booleans())
    pages = draw(st.sampled_from([1, 3]))
    shape = (pages, draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    channels = {"rgb": 3, "rgba": 4, "separated": 4}.get(photometric, 1)
    samples: SampleArray = RANDOM.integers(0, 65536 if deep else 256, (*shape, channels)).astype("u2" if deep else "u1")
    options = draw(LAYOUTS)
    colours = None
    if photometric == "palette":
        colours = options["colormap"] = RANDOM.integers(0, 65536, (3, 256), dtype=np.uint16)
    if photometric == "rgba":
        options["extrasamples"] = ["unassalpha"]
    options["photometric"] = photometric.removesuffix("a")
    if channels > 1:
        options["planarconfig"] = draw(st.sampled_from(["contig", "separate"]))
    if options["compression"] in {"zlib", "lzw"} and photometric != "palette":
        options["predictor"] = draw(st.booleans())
    orientation = draw(st.integers(1, 8))
    options["extratags"] = [(274, "H", 1, orientation, True)]
    return samples, options, colours, orientation


def written(samples: SampleArray, options: dict[str, Any]) -> bytes:
    planar = options.get("planarconfig") == "separate"
    file = BytesIO()
    with tifffile.TiffWriter(file, bigtiff=options["bigtiff"], byteorder=options["byteorder"]) as writer:
        for page in samples:
            one = np.moveaxis(page, -1, 0).copy() if planar else page if page.shape[-1] > 1 else page[..., 0]
            rest = {name: value for name, value in options.items() if name not in {"bigtiff", "byteorder"}}
            writer.write(one, metadata=None, contiguous=False, **rest)
    return file.getvalue()


@quick
@given(pictures())
def test_pages_and_stacks_are_what_their_tags_say(case: tuple[Any, ...]) -> None:
    samples, options, colours, orientation = case
    data = written(samples, options)
    signal = read_signal(data)
    expected = turned(seen(samples, options["photometric"], colours), orientation)
    if len(samples) == 1:
        assert signal.kind is SignalKind.IMAGE
        np.testing.assert_array_equal(stored(signal), expected[0])
        again = read_signal(encode_signal(signal, "x.png"))
    else:
        assert signal.kind is SignalKind.VOLUME
        np.testing.assert_array_equal(stored(signal), expected)
        again = read_signal(encode_signal(signal, "x.tif"))
    np.testing.assert_array_equal(stored(again), stored(signal))
    # libtiff has the same numbers before they are turned, whatever wrote them.
    if options["photometric"] in {"minisblack", "rgb"} and options.get("planarconfig") != "separate":
        raw = imagecodecs.tiff_decode(data, index=0).reshape(samples[0].shape)
        np.testing.assert_array_equal(turned(raw, orientation), np.asarray(stored(signal)).reshape(expected.shape)[0])


@st.composite
def numbers(draw: st.DrawFn) -> tuple[NDArray[Any], bytes, int]:
    dtype = np.dtype(draw(st.sampled_from(["i1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "u1", "u2"])))
    bands = draw(st.sampled_from([1, 2, 5])) if dtype.kind != "u" or dtype.itemsize > 2 else 5
    shape = (draw(st.integers(2, 30)), draw(st.integers(2, 30)), bands)
    samples = (RANDOM.normal(0, 100, shape) if dtype.kind == "f" else RANDOM.integers(0, 100, shape)).astype(dtype)
    options = draw(LAYOUTS) | {"photometric": "minisblack"}
    options["compression"] = draw(st.sampled_from([None, "zlib"]))
    if options["compression"] is not None:  # that of floats for floats
        options["predictor"] = draw(st.booleans())
    if bands > 1:
        options |= {"planarconfig": draw(st.sampled_from(["contig", "separate"]))}
        options |= {"extrasamples": ["unspecified"] * (bands - 1)}
    orientation = draw(st.integers(1, 8))
    planes = options.get("planarconfig") == "separate"
    given_samples = np.moveaxis(samples, -1, 0).copy() if planes else samples if bands > 1 else samples[..., 0]
    return samples, tiff(given_samples, extratags=[(274, "H", 1, orientation, True)], **options), orientation


@quick
@given(numbers())
def test_a_page_of_numbers_is_an_array_of_its_bands(case: tuple[NDArray[Any], bytes, int]) -> None:
    samples, data, orientation = case
    signal = read_signal(data)
    assert signal.kind is SignalKind.ARRAY
    expected = turned(samples, orientation)
    tolerance = 0 if samples.dtype.kind != "f" else 1e-4
    np.testing.assert_allclose(stored(signal).astype(np.float64), expected.astype(np.float64), atol=tolerance)
    again = read_signal(encode_signal(signal, "x.tif"))
    assert again.kind is SignalKind.ARRAY or samples.dtype == np.uint8
    np.testing.assert_allclose(stored(again).astype(np.float64), stored(signal).astype(np.float64), atol=tolerance)
    np.load(BytesIO(encode_signal(signal, "x.npy")), allow_pickle=False)


@quick
@given(
    st.sampled_from(["i1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "u1", "u2"]),
    st.sampled_from([1, 2, 5]),
    LAYOUTS,
    st.booleans(),
    st.integers(1, 8),
    st.sampled_from(["contig", "separate"]),
)
def test_a_stack_of_numbers_is_what_tifffile_reads(
    dtype: str, bands: int, options: dict[str, Any], predicted: bool, orientation: int, planes: str
) -> None:
    shape = (3, 20, 24, bands)
    kind = np.dtype(dtype).kind
    samples = (RANDOM.normal(0, 100, shape) if kind == "f" else RANDOM.integers(0, 100, shape)).astype(dtype)
    compression = "zlib" if options["compression"] in {"lzw", "packbits"} else options["compression"]
    more: dict[str, Any] = {"photometric": "minisblack", "planarconfig": planes if bands > 1 else None}
    more |= {"predictor": predicted and compression is not None, "compression": compression}
    more |= {"extrasamples": ["unspecified"] * (bands - 1), "extratags": [(274, "H", 1, orientation, False)]}
    data = written(samples, options | more)
    with tifffile.TiffFile(BytesIO(data)) as opened:
        pages = np.stack([page.asarray() for page in opened.pages])
    pages = pages.reshape(3, 20, 24, bands) if bands == 1 or planes == "contig" else np.moveaxis(pages, 1, -1)
    signal = read_signal(data)
    assert signal.kind is SignalKind.VOLUME
    tolerance = 1e-4 if kind == "f" else 0
    found = stored(signal).astype(np.float64)
    np.testing.assert_allclose(found, turned(pages, orientation).astype(np.float64), atol=tolerance)
    again = read_signal(encode_signal(signal, "x.tif"))
    assert again.sample_format is signal.sample_format
    np.testing.assert_allclose(stored(again).astype(np.float64), found, atol=tolerance)


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_truth_values_are_black_and_white(photometric: str, pages: int) -> None:
    samples = RANDOM.integers(0, 2, (pages, 9, 11)).astype(bool)
    shown = np.where(samples ^ (photometric == "miniswhite"), 255, 0)
    signal = read_signal(tiff(samples if pages > 1 else samples[0], photometric=photometric))
    np.testing.assert_array_equal(stored(signal)[..., 0], shown if pages > 1 else shown[0])


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_mean_the_same_in_a_page_and_in_a_stack(bits: int) -> None:
    samples = RANDOM.integers(0, 1 << bits, (3, 8, 16), dtype=np.uint8)
    pages = [tiff(page, bitspersample=bits, photometric="minisblack") for page in samples]
    stack = tiff(samples, bitspersample=bits, photometric="minisblack")
    np.testing.assert_array_equal(stored(read_signal(stack)), np.stack([stored(read_signal(page)) for page in pages]))
    assert stored(read_signal(stack)).max() == 255


_STAND_IN: Final = 265  # a tag that nobody reads, in the place of FillOrder, which tifffile does not write


def lowest_bit_first(data: bytes) -> bytes:
    """The same TIFF with every byte of its samples the other way round, as FillOrder 2 has them."""
    turned_round = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    content = bytearray(data)
    with tifffile.TiffFile(BytesIO(data)) as file:
        for page in file.pages:
            assert isinstance(page, tifffile.TiffPage)
            place = page.tags[_STAND_IN].offset
            content[place : place + 2] = (266).to_bytes(2, "little")
            for place, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                content[place : place + count] = content[place : place + count].translate(turned_round)
    return bytes(content)


DEPTHS: Final = {"minisblack": (1, 4, 8, 16), "miniswhite": (1, 8), "palette": (8,), "rgb": (8, 16)}
ORDERS: Final = [
    pytest.param(photometric, bits, planar, compression, id=f"{photometric}-{bits}-{planar or 'chunky'}-{compression}")
    for photometric, depths in DEPTHS.items()
    for bits in depths
    for planar in (("contig", "separate") if photometric == "rgb" else (None,))
    for compression in (None, "packbits", "lzw", "zlib")
    if bits >= 8 or compression is None
]


@pytest.mark.parametrize(("photometric", "bits", "planar", "compression"), ORDERS)
def test_bits_may_lie_in_either_order(photometric: str, bits: int, planar: str | None, compression: str | None) -> None:
    shape = (3, 9, 13) if planar == "separate" else (9, 13, 3) if planar else (9, 13)
    samples = RANDOM.integers(0, 1 << bits, shape).astype("u2" if bits > 8 else "u1" if bits > 1 else "?")
    options: dict[str, Any] = {"photometric": photometric, "compression": compression, "planarconfig": planar}
    if photometric == "palette":
        options["colormap"] = RANDOM.integers(0, 65536, (3, 1 << bits), dtype=np.uint16)
    if bits < 8:
        options["bitspersample"] = bits
    plain = tiff(samples, extratags=[(_STAND_IN, "H", 1, 2, True)], **options)
    turned_round = read_signal(lowest_bit_first(plain))
    assert turned_round.kind is SignalKind.IMAGE
    np.testing.assert_array_equal(stored(turned_round), stored(read_signal(plain)))


@pytest.mark.parametrize("bands", [2, 3])
def test_bands_of_one_bit_are_numbers(bands: int) -> None:
    samples = RANDOM.integers(0, 2, (bands, 9, 16)).astype(bool)
    data = tiff(samples, photometric="minisblack", planarconfig="separate", extrasamples=["unspecified"] * (bands - 1))
    signal = read_signal(data)
    assert (signal.kind, signal.sample_format) == (SignalKind.ARRAY, SampleFormat.U8)
    np.testing.assert_array_equal(stored(signal), np.moveaxis(samples, 0, -1))
    np.testing.assert_array_equal(stored(read_signal(encode_signal(signal, "x.tif"))), stored(signal))


def pyramid(mask: bool = False, **options: Any) -> bytes:
    file = BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for step in (1, 2, 4):
            samples = BASE[::step, ::step]
            writer.write(samples, photometric="rgb", tile=(16, 16), subfiletype=0 if step == 1 else 1, metadata=None)
        if mask:
            writer.write(BASE[..., 0] > 9, photometric="mask", subfiletype=4, metadata=None)
    return file.getvalue()


BASE = RANDOM.integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize("big", [False, True])
def test_smaller_copies_of_a_picture_are_passed_over(big: bool) -> None:
    signal = read_signal(pyramid(bigtiff=big))
    assert signal.kind is SignalKind.IMAGE
    np.testing.assert_array_equal(stored(signal), BASE)


def preview_first() -> bytes:
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(BASE[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(BASE, photometric="rgb", subfiletype=0, metadata=None)
    return file.getvalue()


def test_a_preview_before_the_picture_is_passed_over() -> None:
    np.testing.assert_array_equal(stored(read_signal(preview_first())), BASE)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_spacing_goes_from_imagej_and_ome_to_ome(dtype: str) -> None:
    samples = RANDOM.integers(0, 99, (4, 20, 30)).astype(dtype)
    file = BytesIO()
    tifffile.imwrite(
        file, samples, imagej=True, resolution=(2.0, 4.0), metadata={"axes": "ZYX", "spacing": 3.5, "unit": "um"}
    )
    signal = read_signal(file.getvalue())
    assert isinstance(signal.details, VolumeDetails)
    np.testing.assert_allclose(np.diag(np.reshape(signal.details.affine or (), (4, 4))), [3.5, 0.25, 0.5, 1])
    assert signal.details.space_unit == "micron"
    again = read_signal(encode_signal(signal, "x.tif"))
    assert again.details == signal.details
    np.testing.assert_allclose(stored(again), samples[..., None], rtol=1e-6)
    assert read_signal(encode_signal(signal, "x.nii")).details is not None


@pytest.mark.parametrize(
    ("kind", "axes"),
    [
        *(("ome", axes) for axes in ("TZYX", "ZTYX", "TCYX", "TYX", "CYX")),
        *(("imagej", axes) for axes in ("TZYX", "TCYX", "TYX", "CYX")),
    ],
)
def test_stacks_of_more_axes_keep_every_sample_and_are_written_again(kind: str, axes: str) -> None:
    samples = RANDOM.integers(0, 65536, (3, 4, 10, 12)[-len(axes) :], dtype=np.uint16)
    signal = read_signal(tiff(samples, metadata={"axes": axes}, photometric="minisblack", **{kind: True}))
    expected = samples[..., None]
    if "C" in axes:
        expected = np.moveaxis(samples, axes.index("C"), -1)
    if axes == "CYX":
        expected = expected[None]
    elif expected.ndim == 5:
        expected = np.moveaxis(expected, axes.index("T"), 3)
    np.testing.assert_array_equal(stored(signal), expected)
    again = read_signal(encode_signal(signal, "x.tif"))
    np.testing.assert_array_equal(stored(again), expected)


def nodata() -> bytes:
    samples = RANDOM.normal(0, 9, (8, 9)).astype(np.float32)
    samples[2:4, 3] = -9999
    return tiff(samples, extratags=[(42113, "s", 0, "-9999", True)])


def sparse() -> bytes:
    """A tile without any bytes, as GDAL writes where nothing was measured."""
    data = bytearray(tiff(RANDOM.random((32, 32)).astype("f4"), tile=(16, 16)))
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        place = file.pages.first.tags["TileByteCounts"].valueoffset
    data[place : place + 4] = bytes(4)
    return bytes(data)


def patched(data: bytes, tag: int, value: int) -> bytes:
    with tifffile.TiffFile(BytesIO(data)) as file:
        place = file.pages.first.tags[tag].offset + 8
    return data[:place] + value.to_bytes(2, "little") + data[place + 2 :]


def ycbcr(tag: int, rationals: tuple[int, ...], order: str = "<", pages: int = 1) -> bytes:
    """Colours of JPEG, and a tag of rationals if there are any: two numbers for each."""
    file = BytesIO()
    tags = [(tag, "2I", len(rationals) // 2, rationals, False)] if rationals else []
    with tifffile.TiffWriter(file, byteorder=order) as writer:  # type: ignore[arg-type]
        for _ in range(pages):
            writer.write(
                np.full((16, 16, 3), 99, np.uint8),
                photometric="ycbcr",
                compression="jpeg",
                subsampling=(1, 1),
                extratags=tags,
                metadata=None,
                contiguous=False,
            )
    return file.getvalue()


@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_matrix_and_range_of_jpeg_may_be_said(order: str, pages: int) -> None:
    for tag, rationals in (
        (529, (299, 1000, 587, 1000, 114, 1000)),
        (532, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1)),
    ):
        said, unsaid = read_signal(ycbcr(tag, rationals, order, pages)), read_signal(ycbcr(tag, (), order, pages))
        np.testing.assert_array_equal(stored(said), stored(unsaid))
    with pytest.raises(UnsupportedFormat, match="another matrix"):
        read_signal(ycbcr(529, (2126, 10000, 7152, 10000, 722, 10000), order, pages))


GREY = RANDOM.integers(0, 256, (8, 9), dtype=np.uint8)
REFUSED: dict[str, tuple[bytes, type[SignalError], str]] = {
    "a transparency mask": (pyramid(mask=True), UnsupportedFormat, "mask"),
    "Lab": (tiff(BASE, photometric="cielab"), UnsupportedFormat, "CIELab"),
    "a camera's filter array": (tiff(GREY, photometric="cfa"), UnsupportedFormat, "camera"),
    "inks other than CMYK": (
        tiff(BASE[..., :3].repeat(2, -1)[..., :4].copy(), photometric="separated", extratags=[(332, "H", 1, 2, True)]),
        UnsupportedFormat,
        "inks",
    ),
    "16 bits of ink": (tiff(np.zeros((4, 5, 4), np.uint16), photometric="separated"), UnsupportedFormat, "inks"),
    "floats from white to black": (tiff(GREY.astype("f4"), photometric="miniswhite"), UnsupportedFormat, "white"),
    "premultiplied colours of 16 bits": (
        tiff(np.zeros((4, 5, 4), np.uint16), photometric="rgb", extrasamples=["assocalpha"]),
        UnsupportedFormat,
        "premultiplied",
    ),
    "YCbCr with the matrix of high definition": (
        ycbcr(529, (2126, 10000, 7152, 10000, 722, 10000)),
        UnsupportedFormat,
        "another matrix or range",
    ),
    "YCbCr of a video's range": (
        ycbcr(532, (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1)),
        UnsupportedFormat,
        "another matrix or range",
    ),
    "complex numbers": (tiff(GREY.astype("c8")), UnsupportedFormat, "format"),
    "no photometric interpretation": (patched(tiff(GREY), 262, 77), UnsupportedFormat, "photometric"),
    "samples that mean no data": (nodata(), UnsupportedFormat, "no data"),
    "a sparse file": (sparse(), DamagedSignal, "sparse"),
    "an unknown codec": (patched(tiff(GREY), 259, 34677), UnsupportedFormat, "codec|compressed"),
    "a codec nobody knows": (patched(tiff(GREY.astype("f4")), 259, 60123), UnsupportedFormat, "codec|compressed"),
    "five axes": (
        tiff(np.zeros((2, 2, 2, 4, 5), np.uint8), photometric="minisblack", metadata={"axes": "QTZYX"}),
        UnsupportedFormat,
        "axes",
    ),
    "a page of NaN": (tiff(np.full((4, 4), np.nan, np.float32)), InvalidSignal, "NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(name: str) -> None:
    data, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        read_signal(data)
    assert type(caught.value) is error


def test_pages_of_different_kinds_are_refused() -> None:
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY, photometric="minisblack", metadata=None)
        writer.write(GREY, photometric="miniswhite", metadata=None)
    with pytest.raises(UnsupportedFormat, match="differ"):
        read_signal(file.getvalue())


def test_a_fourth_band_without_a_meaning_is_kept() -> None:
    bands = RANDOM.integers(0, 256, (8, 9, 4), dtype=np.uint8)
    signal = read_signal(tiff(bands, photometric="rgb", extrasamples=["unspecified"]))
    assert (signal.kind, signal.channels, signal.sample_format) == (SignalKind.ARRAY, 4, SampleFormat.U8)
    np.testing.assert_array_equal(stored(signal), bands)


def test_directories_that_go_round_in_circles_end() -> None:
    data = bytearray(tiff(GREY))
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        page = file.pages.first
        following = page.offset + 2 + 12 * len(page.tags)
        data[following : following + 4] = page.offset.to_bytes(4, "little")
    assert content_of(bytes(data)) is TiffContent.PICTURE


def test_libtiff_prints_nothing() -> None:
    file = BytesIO()
    Image.fromarray(BASE).save(file, "TIFF", compression="tiff_adobe_deflate")
    damaged = bytearray(file.getvalue())
    damaged[200:300] = bytes(100)
    code = (
        "import sys\nfrom tuner.errors import DamagedSignal\nfrom tuner.signal.formats import read_signal\n"
        "try: read_signal(sys.stdin.buffer.read())\nexcept DamagedSignal: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], input=bytes(damaged), capture_output=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (b"refused", b"")
