"""What pages of docs/signals/ say of pictures, meshes, volumes and arrays beside their samples."""

import struct
from io import BytesIO
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.signals import npy, octahedron
from tests.unit.tuner.signal.test_image import DEEP, RGB, RGBA, chunk, deep_png, encoded
from tests.unit.tuner.signal.test_nifti import image
from tests.unit.tuner.signal.test_tiff import BASE, tiff
from tuner.errors import InvalidSignal, UnsupportedFormat
from tuner.signal.details import VolumeDetails
from tuner.signal.formats import encode_signal, read_signal, read_surface
from tuner.signal.image import read_image
from tuner.signal.limits import SignalLimits
from tuner.signal.signal import SignalKind

RANDOM = np.random.default_rng(43)
HEIGHTS = RANDOM.normal(0, 9, (8, 9)).astype(np.float32)
GEO: list[Any] = [
    (33550, "d", 3, (30.0, 30.0, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4.6e6, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 32633), True),
    (42112, "s", 0, '<GDALMetadata><Item name="SCALE" sample="0">2</Item></GDALMetadata>', True),
]


def tags(data: bytes) -> set[int]:
    with tifffile.TiffFile(BytesIO(data)) as file:
        return {int(tag.code) for tag in file.pages.first.tags}


def stored(data: bytes) -> NDArray[Any]:
    signal = read_signal(data)
    samples: NDArray[Any] = signal.storage.to_samples(signal.values)
    return samples


def test_place_projection_and_scale_of_a_geotiff_are_not_kept() -> None:
    data = tiff(HEIGHTS, photometric="minisblack", extratags=GEO)
    assert {33550, 33922, 34735, 42112} <= tags(data)
    signal = read_signal(data)
    assert signal.kind is SignalKind.ARRAY
    np.testing.assert_allclose(stored(data)[..., 0], HEIGHTS, atol=1e-5)
    assert not tags(encode_signal(signal, "x.tif")) & {33550, 33922, 34735, 42112}


def test_integers_up_to_2_to_the_53_are_kept() -> None:
    for top in (2**53, 255 - 2**53):
        samples = top - RANDOM.integers(0, 256, (6, 7))
        np.testing.assert_array_equal(np.load(BytesIO(encode_signal(read_signal(npy(samples)), "x.npy"))), samples)
    with pytest.raises(InvalidSignal, match=r"2\^53"):
        read_signal(npy(np.array([2**53 + 2, 2**53])))


@pytest.mark.parametrize("suffix", ["npy", "nii"])
@pytest.mark.parametrize("dtype", ["i4", "i8", "f8"])
def test_numbers_are_kept_in_single_precision_of_their_range(dtype: str, suffix: str) -> None:
    samples = RANDOM.integers(-(2**30), 2**30, (4, 5, 6)).astype(dtype)
    data = npy(samples) if suffix == "npy" else image(samples).to_bytes()
    back = stored(encode_signal(read_signal(data), f"x.{suffix}"))[..., 0]
    assert back.dtype == np.dtype(dtype)
    assert 0 < np.abs(back.astype(float) - samples).max() <= 2**31 * 2**-23


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("write", [npy, tiff])
def test_samples_that_are_no_numbers_are_refused(write: Any, value: float) -> None:
    holed = HEIGHTS.copy()
    holed[2, 3] = value
    with pytest.raises(InvalidSignal, match="NaN"):
        read_signal(write(holed))


PROFILE = b"a profile" * 9


@pytest.mark.parametrize(
    "data",
    [
        *(encoded(Image.fromarray(RGB), name, icc_profile=PROFILE) for name in ("PNG", "JPEG", "WEBP", "TIFF")),
        deep_png(DEEP, 6, extra=encoded(Image.fromarray(RGB), icc_profile=PROFILE)[33:].partition(b"IDAT")[0][:-4]),
        tiff(DEEP[..., :3].copy(), photometric="rgb", iccprofile=PROFILE),
    ],
    ids=["png", "jpeg", "webp", "tiff", "16-bit png", "16-bit tiff"],
)
def test_the_colour_profile_of_every_format_is_written_again(data: bytes) -> None:
    back = encode_signal(read_signal(data), "x.png")
    assert Image.open(BytesIO(back)).info["icc_profile"] == PROFILE


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_the_profile_of_inks_goes_with_them(name: str) -> None:
    data = encoded(Image.fromarray(RGBA, "CMYK"), name, icc_profile=PROFILE)
    assert "icc_profile" not in Image.open(BytesIO(encode_signal(read_signal(data), "x.png"))).info


def test_gamma_resolution_and_where_a_picture_was_taken_are_not_kept() -> None:
    exif = Image.Exif()
    exif[271] = "a camera"
    exif.get_ifd(34853)[1] = "N"
    extra = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"cHRM", struct.pack(">8I", *range(30_000, 30_008)))
    extra += chunk(b"pHYs", struct.pack(">IIB", 3000, 3000, 1)) + chunk(b"eXIf", exif.tobytes()[6:])
    files = {
        "png": (deep_png(DEEP[..., :3], 2, extra=extra), DEEP[..., :3]),
        "tiff": (tiff(BASE, photometric="rgb", resolution=(300, 300), extratags=GEO), BASE),
        "webp": (encoded(Image.fromarray(RGB), "WEBP", lossless=True, exif=exif), RGB),
    }
    for data, samples in files.values():
        np.testing.assert_array_equal(stored(data), samples)
        back = encode_signal(read_signal(data), "x.png")
        assert not any(name in back for name in (b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"a camera"))


def twelve_bits() -> tuple[bytes, NDArray[np.uint16]]:
    """Two samples in three bytes, written by the rules of the format."""
    samples = RANDOM.integers(0, 4096, (4, 6), dtype=np.uint16)
    bits = (samples[..., None] >> np.arange(11, -1, -1)) & 1
    body = np.packbits(bits.astype(np.uint8).reshape(4, -1), axis=1).tobytes()
    numbers = {256: 6, 257: 4, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 9 * 12 + 4, 277: 1, 278: 4, 279: len(body)}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(numbers)) + rows + bytes(4) + body, samples


def test_twelve_bits_are_an_array() -> None:
    data, samples = twelve_bits()
    assert read_signal(data).kind is SignalKind.ARRAY
    np.testing.assert_array_equal(stored(data)[..., 0], samples)


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_several_frames_are_refused(name: str) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    with pytest.raises(UnsupportedFormat, match="several frames"):
        read_signal(encoded(frames[0], name, save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize(
    ("marker", "bits"), [(0xC1, 12), (0xC3, 8), (0xF7, 8)], ids=["12 bits", "without loss", "JPEG-LS"]
)
def test_other_kinds_of_jpeg_are_refused_by_name(marker: int, bits: int) -> None:
    data = bytearray(encoded(Image.fromarray(RGB), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, bits
    with pytest.raises(UnsupportedFormat, match="12 bits" if bits == 12 else "without loss"):
        read_signal(bytes(data))


FOREIGN = {
    "a GIF": encoded(Image.fromarray(RGB), "GIF"),
    "a BMP": encoded(Image.fromarray(RGB), "BMP"),
    "a HEIC, AVIF": b"\0\0\0\x18ftypheic" + bytes(40),
    "HEIC, AVIF": b"\0\0\0\x18ftypavif" + bytes(40),
    "a JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "a JPEG XL": b"\xff\x0a" + bytes(40),
    "an OpenEXR": b"\x76\x2f\x31\x01" + bytes(40),
    "a QOI": b"qoif" + bytes(40),
    "a PNM": encoded(Image.fromarray(RGB), "PPM"),
}
MESHES = {
    "a glTF": b"glTF\x02\0\0\0" + bytes(50),
    "an OFF mesh": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
    "an FBX": b"Kaydara FBX Binary  \0" + bytes(50),
    r"a zip archive .*\.3mf": b"PK\x03\x04" + bytes(50),
}


@pytest.mark.parametrize("name", [*FOREIGN, *MESHES])
def test_formats_that_are_not_read_are_refused_with_what_to_convert_to(name: str) -> None:
    advice = "a PNG or a TIFF" if name in FOREIGN else "an OBJ, PLY or STL"
    with pytest.raises(UnsupportedFormat, match=rf"{name}.*convert it to .*{advice}"):
        read_signal((FOREIGN | MESHES)[name])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI" + bytes(40), "CgBI.*a plain PNG"),
        (b"\xf5TNR" + bytes(40), "tuner decode"),
        (b"wvpk" + bytes(40), "a WAV or a FLAC"),
        (b"YUV4MPEG2 W4 H4", "an MP4 or a Matroska file"),
    ],
)
def test_other_formats_are_refused_with_what_to_convert_to(data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedFormat, match=words):
        read_signal(data)


def test_what_lies_on_a_surface_is_not_kept() -> None:
    mesh = octahedron()
    lines = ["mtllib a.mtl", "o a", "g b"]
    lines += [f"v {x} {y} {z} 0.1 0.2 0.3" for x, y, z in mesh.vertices.tolist()]
    lines += ["vt 0 0", "vn 0 0 1", "usemtl c", "s 1"]
    lines += ["f " + " ".join(f"{corner + 1}/1/1" for corner in face) for face in mesh.faces.tolist()]
    data = "\n".join(lines).encode()
    np.testing.assert_array_equal(read_surface(data).triangles, mesh.triangles)
    signal = read_signal(data, resolution=12)
    written = encode_signal(signal, "x.obj").decode().splitlines()
    assert {line.split()[0] for line in written if line.strip() and not line.startswith("#")} == {"v", "f"}
    assert {len(line.split()) for line in written if line.startswith("v ")} == {4}
    head = encode_signal(signal, "x.ply").partition(b"end_header")[0].decode()
    names = [line for line in head.splitlines() if line.startswith("property")]
    assert names[:3] == [f"property double {axis}" for axis in "xyz"]  # and nothing else of a vertex
    assert [line.split()[1] for line in names[3:]] == ["list"]


def test_extensions_beyond_64_kib_are_left_out() -> None:
    made = image(RANDOM.integers(0, 9, (3, 4, 5), dtype=np.int16))
    for content in (b"a word", bytes(70_000)):
        made.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, content))
    details = read_signal(made.to_bytes()).details
    assert isinstance(details, VolumeDetails)
    assert len(details.extensions) == 2  # a code and its bytes


def test_a_long_axis_is_written_as_nifti_2_and_others_as_nifti_1() -> None:
    for length, size in ((32767, 348), (32768, 540)):
        samples = RANDOM.integers(0, 9, (length, 1, 1), dtype=np.int16)
        data = nibabel.Nifti2Image(samples, np.eye(4)).to_bytes()
        back = encode_signal(read_signal(data, SignalLimits(side=40_000)), "x.nii")
        assert int.from_bytes(back[:4], "little") == size
        again = read_signal(back, SignalLimits(side=40_000))
        np.testing.assert_array_equal(again.storage.to_samples(again.values)[..., 0], samples)


def test_intervals_of_frames_go_from_imagej_and_ome_to_ome() -> None:
    samples = RANDOM.integers(0, 256, (3, 4, 10, 12), dtype=np.uint8)
    imagej, ome = BytesIO(), BytesIO()
    options: Any = {"axes": "TZYX", "spacing": 3.5, "unit": "um", "finterval": 0.25}
    tifffile.imwrite(imagej, samples, imagej=True, resolution=(2.0, 4.0), metadata=options)
    sizes: dict[str, Any] = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 3.5}
    sizes |= {f"PhysicalSize{axis}Unit": "\N{MICRO SIGN}m" for axis in "XYZ"} | {
        "TimeIncrement": 0.25,
        "TimeIncrementUnit": "s",
    }
    tifffile.imwrite(ome, samples, ome=True, metadata={"axes": "TZYX", **sizes}, photometric="minisblack")
    for file in (imagej, ome):
        signal = read_signal(file.getvalue())
        assert isinstance(signal.details, VolumeDetails)
        steps = np.diag(np.reshape(signal.details.affine or (), (4, 4)))
        np.testing.assert_allclose(steps, [3.5, 0.25, 0.5, 1])
        assert (signal.details.space_unit, signal.details.time_step) == ("micron", 0.25)
        back = encode_signal(signal, "x.tif")
        with tifffile.TiffFile(BytesIO(back)) as opened:
            assert opened.is_ome
        assert read_signal(back).details == signal.details


def test_resolution_without_a_unit_names_regions_and_labels_are_not_kept() -> None:
    samples = RANDOM.integers(0, 256, (3, 10, 12), dtype=np.uint8)
    plain = read_signal(tiff(samples, photometric="minisblack", resolution=(300, 300)))
    assert plain.details == VolumeDetails(colours="grey")
    labelled = BytesIO()
    more: Any = {"axes": "ZYX", "Labels": ["one", "two", "three"], "Info": "a note"}
    tifffile.imwrite(labelled, samples, imagej=True, metadata=more)
    named = tiff(
        samples, ome=True, metadata={"axes": "CYX", "Channel": {"Name": ["r", "g", "DAPI"]}}, photometric="minisblack"
    )
    for data in (labelled.getvalue(), named):
        back = encode_signal(read_signal(data), "x.tif")
        np.testing.assert_array_equal(stored(back), stored(data))
        assert not any(word in back for word in (b"a note", b"three", b"DAPI"))


def elsewhere() -> bytes:
    """An OME-TIFF of two planes, and two more that lie in another file."""
    plane = '<TiffData IFD="{}" FirstZ="{}" PlaneCount="1"><UUID FileName="{}.tif">urn:uuid:{}</UUID></TiffData>'
    ids = [f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2)]
    xml = (
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{ids[0]}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="9" SizeY="8" SizeC="1" '
        'SizeZ="4" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        + "".join(plane.format(number % 2, number, "ab"[number // 2], ids[number // 2]) for number in range(4))
        + "</Pixels></Image></OME>"
    )
    return tiff(RANDOM.integers(0, 256, (2, 8, 9), dtype=np.uint8), photometric="minisblack", description=xml)


@pytest.mark.parametrize(
    "data",
    [
        tiff(
            RANDOM.integers(0, 256, (2, 3, 8, 9, 3), dtype=np.uint8),
            ome=True,
            photometric="rgb",
            metadata={"axes": "ZCYXS"},
        ),
        elsewhere(),
        tiff(
            np.stack([HEIGHTS, HEIGHTS]),
            photometric="minisblack",
            description='<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            '<BinaryOnly MetadataFile="a.ome.xml" UUID="urn:uuid:1"/></OME>',
        ),
    ],
    ids=["two axes of channels", "planes in another file", "metadata in another file"],
)
def test_stacks_that_are_not_whole_or_of_two_kinds_of_channels_are_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match=r"one of channels|several files that name each other"):
        read_signal(data)


def test_a_picture_that_is_several_is_no_picture() -> None:
    with pytest.raises(UnsupportedFormat, match="several"):
        read_image(tiff(np.stack([BASE, BASE]), photometric="rgb"))
