"""One file of each kind that public collections and bug reports hold: the right samples, or the refusal it must get.

Everything is generated here. What is read is also written as the kind of file it came from, and read again: a fit that
succeeds can be written back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.signals import npy, octahedron, octahedron_obj
from tests.unit.tuner.signal.test_meshes import sheet
from tests.unit.tuner.signal.test_nifti import empty_sform, image, mgz, without_offset
from tests.unit.tuner.signal.test_sounds import flac, id3, of_unknown_length, ogg, wav, with_sizes
from tests.unit.tuner.signal.test_tiff import nodata, preview_first, pyramid, tiff
from tests.unit.tuner.signal.test_turned_video import FRAMES, clip
from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.signal.array import array_signal
from tuner.signal.details import VolumeDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.scattered import scattered_signal
from tuner.signal.signal import Signal, SignalKind

RANDOM = np.random.default_rng(21)
GREY = RANDOM.integers(0, 256, (4, 20, 30), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (4, 20, 30, 3), dtype=np.uint8)
INKS = RANDOM.integers(0, 256, (4, 20, 30, 4), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
SERIES = RANDOM.integers(0, 65536, (3, 4, 20, 30), dtype=np.uint16)
HEIGHTS = RANDOM.normal(0, 9, (20, 30)).astype(np.float32)
LABELS = RANDOM.integers(-99, 2999, (20, 30), dtype=np.int16)
VOXELS = RANDOM.integers(0, 900, (12, 10, 8), dtype=np.int16)
SOUND = (16384 * np.sin(np.arange(4000) / 9)).astype("<i2")[:, None]
PALETTE = RANDOM.integers(0, 65536, (3, 256), dtype=np.uint16)


def shown(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.fromarray(page, "CMYK").convert("RGB")) for page in inks])


def imagej() -> bytes:
    file = BytesIO()
    options = {"axes": "ZYX", "spacing": 3.5, "unit": "um"}
    tifffile.imwrite(file, GREY, imagej=True, resolution=(2.0, 2.0), metadata=options)
    return file.getvalue()


def flac_samples(data: bytes) -> NDArray[Any]:
    samples, _ = soundfile.read(BytesIO(data), dtype="int16", always_2d=True)
    return np.asarray(samples)


@dataclass(frozen=True)
class Read:
    """A file that is read: its kind, its samples (None where another test holds them), what to write, its details."""

    data: bytes
    kind: SignalKind
    samples: NDArray[Any] | None
    suffix: str
    details: Callable[[Any], bool] = lambda _: True


@dataclass(frozen=True)
class Refused:
    """A file that is refused, why, and words of the refusal."""

    data: bytes
    error: type[SignalError]
    words: str


def spaced(details: VolumeDetails) -> bool:
    steps = np.diag(np.reshape(details.affine or (), (4, 4)))
    return bool(np.allclose(steps, [3.5, 0.5, 0.5, 1])) and details.space_unit == "micron"


PLANES = np.moveaxis(DEEP, -1, 0).copy()
TABLE: dict[str, Read | Refused] = {
    "planar 16-bit colours": Read(
        tiff(PLANES, photometric="rgb", planarconfig="separate", compression="zlib"), SignalKind.IMAGE, DEEP, "png"
    ),
    "a stack from white to black": Read(
        tiff(GREY, photometric="miniswhite"), SignalKind.VOLUME, 255 - GREY[..., None], "tif"
    ),
    "a stack of inks": Read(tiff(INKS, photometric="separated"), SignalKind.VOLUME, shown(INKS), "tif"),
    "a stack with a palette": Read(
        tiff(GREY, photometric="palette", colormap=PALETTE),
        SignalKind.VOLUME,
        np.moveaxis(PALETTE[:, GREY] >> 8, 0, -1),
        "tif",
    ),
    "colours and near infrared": Read(
        tiff(INKS[0], photometric="rgb", extrasamples=["unspecified"]), SignalKind.ARRAY, INKS[0], "tif"
    ),
    "a picture in BigTIFF": Read(tiff(COLOUR[0], photometric="rgb", bigtiff=True), SignalKind.IMAGE, COLOUR[0], "png"),
    "a picture with smaller copies": Read(pyramid(), SignalKind.IMAGE, None, "png"),
    "a picture behind its preview": Read(preview_first(), SignalKind.IMAGE, None, "png"),
    "a page of floats": Read(tiff(HEIGHTS), SignalKind.ARRAY, HEIGHTS[..., None], "tif"),
    "a page of integers": Read(tiff(LABELS), SignalKind.ARRAY, LABELS[..., None], "tif"),
    "a page of floats with gaps": Refused(nodata(), UnsupportedFormat, "no data"),
    "a stack of truth values": Read(
        tiff(GREY > 99, photometric="minisblack"), SignalKind.VOLUME, 255 * (GREY > 99)[..., None], "tif"
    ),
    "spacing of ImageJ": Read(imagej(), SignalKind.VOLUME, GREY[..., None], "tif", spaced),
    "OME of four axes": Read(
        tiff(SERIES, ome=True, metadata={"axes": "TZYX"}, photometric="minisblack"),
        SignalKind.VOLUME,
        np.moveaxis(SERIES, 0, -1)[..., None],
        "tif",
    ),
    "two geometries": Read(
        image(VOXELS, qform=1, sform=4).to_bytes(),
        SignalKind.VOLUME,
        VOXELS[..., None],
        "nii",
        lambda details: details.codes == (1, 4),
    ),
    "a code without a matrix": Read(empty_sform(1), SignalKind.VOLUME, None, "nii", lambda d: d.codes == (1, 0)),
    "64-bit voxels": Read(
        image(VOXELS.astype(np.int64)).to_bytes(), SignalKind.VOLUME, VOXELS[..., None], "nii", lambda _: True
    ),
    "voxels without a place": Read(without_offset(VOXELS, 4), SignalKind.VOLUME, VOXELS[..., None], "nii"),
    "the header of a pair": Refused(image(VOXELS).to_bytes()[:344] + b"ni1\0", UnsupportedFormat, r"\.hdr and \.img"),
    "the voxels of a pair": Refused(VOXELS.tobytes(), UnsupportedFormat, "pair"),
    "an mgz": Refused(mgz(), UnsupportedFormat, "mgz"),
    "a last axis of one": Read(
        image(VOXELS[..., None]).to_bytes(), SignalKind.VOLUME, VOXELS[..., None], "nii", lambda d: d.unit_axes == 1
    ),
    "what else a header says": Read(
        image(
            VOXELS, fields={"cal_max": 900, "intent_code": 1002, "intent_name": b"labels", "toffset": 1.5}
        ).to_bytes(),
        SignalKind.VOLUME,
        VOXELS[..., None],
        "nii.gz",
        lambda d: (d.calibration, d.intent[0], d.intent_name, d.time_offset) == ((0, 900), 1002, "labels", 1.5),
    ),
    "a video on its side": Read(clip(FRAMES, (0, 1, -1, 0)), SignalKind.VIDEO, np.rot90(FRAMES, -1, (1, 2)), "mkv"),
    "a video mirrored": Read(clip(FRAMES, (-1, 0, 0, 1)), SignalKind.VIDEO, FRAMES[:, :, ::-1], "mkv"),
    "a flac of unknown length": Read(of_unknown_length(flac(SOUND)), SignalKind.AUDIO, SOUND, "flac"),
    "a flac behind ID3": Read(id3(99) + flac(SOUND), SignalKind.AUDIO, SOUND, "flac"),
    "a wav of sox's pipe": Read(with_sizes(wav(SOUND), 0x7FFFF000, 0x7FFFF024), SignalKind.AUDIO, SOUND, "wav"),
    "a wav of arecord's pipe": Read(with_sizes(wav(SOUND), 0x80000000, 0x80000024), SignalKind.AUDIO, SOUND, "wav"),
    "a wav of a crash": Read(with_sizes(wav(SOUND), 0, 0), SignalKind.AUDIO, SOUND, "wav"),
    "a wav that was cut": Refused(wav(SOUND)[:-100], DamagedSignal, "100 bytes"),
    "an ogg of two sounds": Read(ogg(SOUND / 32768) + ogg(SOUND / 32768), SignalKind.AUDIO, None, "wav"),
    "coordinates of a map": Read(
        b"\n".join(b"v %.6f %.6f %.6f" % tuple(v + np.array([5e5, 4.6e6, 0])) for v in octahedron().vertices)
        + b"\n"
        + b"\n".join(b"f %d %d %d" % tuple(f + 1) for f in octahedron().faces),
        SignalKind.DISTANCE,
        None,
        "obj",
    ),
    "faces from 0": Refused(
        octahedron_obj().replace(b"f 1 ", b"f 0 "), DamagedSignal, "vertex 0, expected 1 for the first"
    ),
    "a byte order mark": Read(b"\xef\xbb\xbf" + octahedron_obj(), SignalKind.DISTANCE, None, "ply"),
    "a flat mesh": Refused(sheet(), InvalidSignal, "flat"),
    "an stl that was cut": Refused(
        encode_signal(read_signal(octahedron_obj(), resolution=12), "x.stl")[:-30], DamagedSignal, "truncated"
    ),
    "an array": Read(npy(HEIGHTS), SignalKind.ARRAY, HEIGHTS[..., None], "npy"),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_file_is_read_right_and_written_back_or_refused_by_name(name: str) -> None:
    case = TABLE[name]
    if isinstance(case, Refused):
        with pytest.raises(case.error, match=case.words) as caught:
            read_signal(case.data, resolution=12)
        assert type(caught.value) is case.error
        return
    signal = read_signal(case.data, resolution=12)
    assert signal.kind is case.kind
    assert case.details(signal.details)
    samples = signal.storage.to_samples(signal.values)
    if case.samples is not None:
        np.testing.assert_allclose(samples.astype(float), case.samples.astype(float), rtol=1e-5, atol=1e-5)
    again = read_signal(encode_signal(signal, f"x.{case.suffix}"), resolution=12)
    assert again.kind is signal.kind
    if signal.kind is not SignalKind.DISTANCE:
        np.testing.assert_allclose(again.storage.to_samples(again.values), samples, rtol=1e-5, atol=1e-5)
        assert again.details == signal.details


MASKED = np.ma.masked_less(HEIGHTS, 0.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: array_signal(MASKED),
        lambda: Signal(values=MASKED[..., None], kind=SignalKind.ARRAY),
        lambda: scattered_signal(RANDOM.uniform(-1, 1, (600, 2)), MASKED.reshape(-1)),
        lambda: scattered_signal(np.ma.masked_less(RANDOM.uniform(-1, 1, (600, 2)), 0), HEIGHTS.reshape(-1)),
    ],
    ids=["array", "signal", "scattered values", "scattered coordinates"],
)
def test_masked_samples_are_not_fitted(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidSignal, match="masked"):
        make()


def test_a_mask_that_masks_nothing_is_welcome() -> None:
    np.testing.assert_array_equal(array_signal(np.ma.masked_array(HEIGHTS)).values, array_signal(HEIGHTS).values)


def test_flac_samples_are_those_of_the_library() -> None:
    np.testing.assert_array_equal(flac_samples(flac(SOUND)), SOUND)
