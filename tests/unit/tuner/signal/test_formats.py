"""Files of every kind become signals and files again, without losing what they held; bad ones are refused by name."""

import gzip
import json
import subprocess
import sys
import wave
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import nibabel
import numpy as np
import pytest
import soundfile
import tifffile
import trimesh

from tests.networks import random_representation
from tests.signals import AFFINE, SIGNALS, blob, chirp, clip, npy, octahedron_obj
from tuner.errors import (
    ConfigError,
    DamagedSignal,
    InvalidSignal,
    SignalError,
    SignalTooLarge,
    UnsupportedFormat,
)
from tuner.signal.details import AudioDetails, VideoDetails, VolumeDetails
from tuner.signal.formats import encode_signal, inspect_signal, read_signal, suffixes, write_signal
from tuner.signal.limits import SignalLimits
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind

INTEGERS = np.random.default_rng(3).integers(-900, 3000, (5, 4, 3), dtype=np.int16)


def sound(samples: np.ndarray, subtype: str = "PCM_16", container: str = "WAV", rate: int = 22050) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate, subtype, format=container)
    return file.getvalue()


def nifti(samples: np.ndarray, **settings: Any) -> bytes:
    image = nibabel.Nifti1Image(samples, np.array(AFFINE).reshape(4, 4))
    image.header.set_xyzt_units("mm", "sec")
    for name, value in settings.items():
        getattr(image.header, name)(*value)
    return bytes(image.to_bytes())


def stack(samples: np.ndarray, **options: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def video(container: str = "mkv", **options: int) -> bytes:
    signal = Signal(values=clip(**options), kind=SignalKind.VIDEO, details=VideoDetails(rate=(30000, 1001)))
    return encode_signal(signal, f"x.{container}")


PCM = {
    "PCM_U8": np.arange(-128, 128, 8, dtype=np.int16) << 8,
    "PCM_16": np.array([-32768, -5, 0, 1, 32767], np.int16),
    "PCM_24": np.array([-(2**31), -256, 0, 256, 2**31 - 256], np.int32),
    "PCM_32": np.array([-(2**31), -(2**10), 0, 2**30], np.int32),
}


@pytest.mark.parametrize("subtype", PCM)
def test_integer_sounds_come_back_as_the_same_integers(subtype: str) -> None:
    data = sound(PCM[subtype], subtype)
    signal = read_signal(data)
    assert signal.kind is SignalKind.AUDIO
    assert signal.details == AudioDetails(sample_rate=22050)
    again, rate = soundfile.read(BytesIO(encode_signal(signal, "x.wav")), dtype=PCM[subtype].dtype.name)
    np.testing.assert_array_equal(again, PCM[subtype])
    assert rate == 22050
    assert soundfile.info(BytesIO(encode_signal(signal, "x.wav"))).subtype == subtype


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_floats_stereo_and_surround_are_kept(channels: int) -> None:
    samples = 3 * chirp(100, channels)
    signal = read_signal(sound(samples, "FLOAT"))
    np.testing.assert_array_equal(signal.values, samples)
    again, _ = soundfile.read(BytesIO(encode_signal(signal, "x.wav")), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(again, samples)


def test_flac_is_lossless_and_ogg_is_close() -> None:
    samples = chirp(8000)
    flac = read_signal(sound(samples, "PCM_24", "FLAC"))
    assert (flac.sample_format, flac.grid_shape) == (SampleFormat.S24, (8000,))
    np.testing.assert_array_equal(read_signal(encode_signal(flac, "x.flac")).values, flac.values)
    ogg = read_signal(encode_signal(flac, "x.ogg"))
    assert ogg.grid_shape == (8000,)
    assert np.sqrt(np.mean((ogg.values - samples) ** 2)) < 0.02


def test_a_wav_opens_with_the_standard_library() -> None:
    with wave.open(BytesIO(encode_signal(SIGNALS["sound"], "x.wav"))) as opened:
        assert (opened.getnchannels(), opened.getframerate(), opened.getnframes()) == (2, 8000, 512)


@pytest.mark.parametrize("compressed", [False, True])
def test_volumes_keep_their_numbers_and_their_place(compressed: bool) -> None:
    data = nifti(INTEGERS, set_sform=(np.array(AFFINE).reshape(4, 4), 3))
    signal = read_signal(gzip.compress(data) if compressed else data)
    assert isinstance(signal.details, VolumeDetails)
    assert (signal.details.affine, signal.details.space_unit) == (AFFINE, "mm")
    assert (signal.values.min(), signal.values.max()) == (0.0, 1.0)
    again = nibabel.Nifti1Image.from_bytes(encode_signal(signal, "x.nii"))
    np.testing.assert_array_equal(np.asarray(again.dataobj), INTEGERS)
    np.testing.assert_array_equal(again.affine, np.array(AFFINE).reshape(4, 4))
    assert again.header.get_xyzt_units() == ("mm", "sec")
    assert int(again.header["sform_code"]) == 3
    assert again.get_data_dtype() == np.int16


def test_slope_and_intercept_of_a_volume_are_kept() -> None:
    plain = nifti(INTEGERS)
    scaled = plain[:112] + np.array([0.5, -7.0], "<f4").tobytes() + plain[120:]
    again = nibabel.Nifti1Image.from_bytes(encode_signal(read_signal(scaled), "x.nii"))
    np.testing.assert_array_equal(np.rint((again.get_fdata() + 7.0) / 0.5), INTEGERS)
    np.testing.assert_allclose(again.get_fdata(), INTEGERS * 0.5 - 7.0)


def test_a_series_of_volumes_is_a_grid_of_four_axes() -> None:
    samples = np.random.default_rng(0).random((4, 3, 2, 5), dtype=np.float32)
    signal = read_signal(nifti(samples, set_zooms=((1, 1, 1, 2.5),)))
    assert signal.grid_shape == (4, 3, 2, 5)
    again = nibabel.Nifti1Image.from_bytes(gzip.decompress(encode_signal(signal, "x.nii.gz")))
    np.testing.assert_allclose(again.get_fdata(), samples, atol=1e-6)
    assert again.header.get_zooms()[3] == 2.5


def test_stacks_of_pages_are_volumes() -> None:
    pages = INTEGERS.astype(np.uint16) + 900
    signal = read_signal(stack(pages, photometric="minisblack"))
    assert (signal.kind, signal.grid_shape, signal.sample_format) == (SignalKind.VOLUME, (5, 4, 3), SampleFormat.U16)
    np.testing.assert_array_equal(tifffile.imread(BytesIO(encode_signal(signal, "x.tif"))), pages)
    colours = np.random.default_rng(0).integers(0, 255, (4, 6, 5, 3), dtype=np.uint8)
    signal = read_signal(stack(colours, photometric="rgb"))
    assert (signal.grid_shape, signal.channels) == ((4, 6, 5), 3)
    np.testing.assert_array_equal(tifffile.imread(BytesIO(encode_signal(signal, "x.tif"))), colours)


def test_a_tiff_of_one_page_is_an_image() -> None:
    assert read_signal(stack(INTEGERS[0].astype(np.uint8))).kind is SignalKind.IMAGE


@pytest.mark.parametrize("dtype", ["u1", "i2", "<u4", ">i4", "i8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_arrays_come_back_as_they_were(dtype: str, rank: int) -> None:
    array = (
        np.abs(np.arange(24.0) - 7)
        .reshape((2, 3, 2, 2) if rank == 4 else (24,) if rank == 1 else (4, 6) if rank == 2 else (4, 3, 2))
        .astype(dtype)
    )
    signal = read_signal(npy(np.asfortranarray(array)))
    again = np.load(BytesIO(encode_signal(signal, "x.npy")), allow_pickle=False)
    np.testing.assert_allclose(again, array, atol=1e-6 if np.dtype(dtype).kind == "f" else 0)
    assert again.shape == array.shape


@pytest.mark.parametrize(("height", "width"), [(16, 20), (15, 21)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_matroska_file_is_lossless(height: int, width: int, channels: int) -> None:
    frames = clip(height=height, width=width)[..., :channels]
    signal = Signal(values=frames, kind=SignalKind.VIDEO, details=VideoDetails(rate=(12, 1)))
    again = read_signal(encode_signal(signal, "x.mkv"))
    np.testing.assert_array_equal(again.values, signal.storage.as_written(frames))
    assert again.details == signal.details


@pytest.mark.parametrize(("height", "width"), [(16, 20), (15, 21)])
def test_an_mp4_is_close_and_keeps_its_rate(height: int, width: int) -> None:
    data = video("mp4", height=height, width=width)
    with av.open(BytesIO(data)) as opened:
        assert opened.streams.video[0].frames == 6
    again = read_signal(data)
    assert again.details == VideoDetails(rate=(30000, 1001))
    assert np.sqrt(np.mean((again.values - clip(height=height, width=width)) ** 2)) < 0.05


UNEVEN = VideoDetails(rate=(300, 107), tick=(1, 600), intervals=(20, 250, 300, 1, 499))


def stamps(data: bytes) -> list[Fraction]:
    """Seconds of every frame as another program reads them, from the first one on."""
    with av.open(BytesIO(data), "r") as opened:
        frames = list(opened.decode(video=0))
    times = [Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in frames]
    return [time - times[0] for time in times]


@pytest.mark.parametrize(("container", "within"), [("mp4", Fraction(0)), ("mkv", Fraction(1, 2000))])
def test_frames_at_uneven_times_come_back_at_those_times(container: str, within: Fraction) -> None:
    signal = Signal(values=clip(), kind=SignalKind.VIDEO, details=UNEVEN)
    data = encode_signal(signal, f"x.{container}")
    wanted = [Fraction(time, 600) for time in UNEVEN.times]
    assert all(abs(found - time) <= within for found, time in zip(stamps(data), wanted, strict=True))
    details = read_signal(data).details
    assert isinstance(details, VideoDetails)
    assert [Fraction(*details.tick) * time for time in details.times] == stamps(data)
    again = encode_signal(read_signal(data), f"y.{container}")
    assert stamps(again) == stamps(data)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("rate", [(24, 1), (30000, 1001), (50, 3)])
def test_times_that_a_rate_explains_are_that_rate(container: str, rate: tuple[int, int]) -> None:
    signal = Signal(values=clip(), kind=SignalKind.VIDEO, details=VideoDetails(rate=rate))
    assert read_signal(encode_signal(signal, f"x.{container}")).details == VideoDetails(rate=rate)


def test_times_follow_a_video_to_another_grid() -> None:
    representation = random_representation((6, 4, 5))
    representation = replace(representation, kind=SignalKind.VIDEO, details=UNEVEN)
    same, twice = (representation.render(scale=scale).details for scale in (1.0, 2.0))
    assert same == UNEVEN
    assert isinstance(twice, VideoDetails)
    seconds = np.cumsum([0, *twice.intervals]) * float(Fraction(*twice.tick))
    middle = np.interp(np.arange(0.25, 5, 0.5), np.arange(6), UNEVEN.times) / 600  # all but the first and the last
    np.testing.assert_allclose(np.diff(seconds[1:-1]), np.diff(middle), atol=2e-4)
    late = representation.render(region=[(0.0, 1.0), (-1.0, 1.0), (-1.0, 1.0)]).details
    assert isinstance(late, VideoDetails)
    assert [Fraction(*late.tick) * n for n in late.intervals] == [Fraction(1, 600), Fraction(499, 600)]


def test_times_for_another_number_of_frames_are_refused() -> None:
    signal = Signal(values=clip(frames=5), kind=SignalKind.VIDEO, details=UNEVEN)
    with pytest.raises(InvalidSignal, match="5 frames and times for 6"):
        encode_signal(signal, "x.mkv")


@pytest.mark.parametrize("suffix", ["ply", "obj", "stl"])
def test_a_mesh_comes_back_as_a_mesh(suffix: str) -> None:
    data = encode_signal(read_signal(octahedron_obj(), resolution=32), f"x.{suffix}")
    opened = trimesh.load_mesh(BytesIO(data), file_type=suffix)
    assert opened.is_watertight
    assert opened.volume == pytest.approx(4 / 3 * 1.5**3, rel=0.03)
    np.testing.assert_allclose(opened.bounds, [[8.5] * 3, [11.5] * 3], atol=0.13)  # tips end between two samples
    assert read_signal(data, resolution=6).kind is SignalKind.DISTANCE


@pytest.mark.parametrize("name", SIGNALS)
def test_every_kind_can_be_written_under_its_first_suffix_and_as_an_array(name: str, tmp_path: Path) -> None:
    signal = SIGNALS[name]
    for suffix in (suffixes(signal.kind)[0], ".npy"):
        path = tmp_path / f"file{suffix}"
        write_signal(signal, path)
        assert read_signal(path, resolution=8).kind is (SignalKind.ARRAY if suffix == ".npy" else signal.kind)


def test_a_name_says_nothing_when_reading_and_the_format_when_writing(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encode_signal(SIGNALS["sound"], "x.wav"))
    assert read_signal(path).kind is SignalKind.AUDIO
    with pytest.raises(ConfigError, match=r"ends in \.wav, \.flac, \.ogg, \.npy"):
        write_signal(SIGNALS["sound"], path)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zero_frames() -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        output.add_stream("ffv1", rate=10, width=8, height=8)
        output.start_encoding()
    return file.getvalue()


REFUSED: dict[str, tuple[bytes, type[SignalError]]] = {
    "nothing": (b"", DamagedSignal),
    "text": (b"hello, world", UnsupportedFormat),
    "a wav without samples": (sound(np.zeros((0, 1), np.int16)), InvalidSignal),
    "half a wav": (sound(np.zeros(400, np.int16))[:500], DamagedSignal),
    "half a flac": (half(sound((chirp(9000) * 32767).astype(np.int16), container="FLAC")), DamagedSignal),
    "half an ogg": (half(sound(chirp(20000), "VORBIS", "OGG")), DamagedSignal),
    "a wav with nan": (sound(np.array([0.0, np.nan], np.float32), "FLOAT"), InvalidSignal),
    "a riff of another kind": (b"RIFF\x20\0\0\0RMID" + bytes(32), UnsupportedFormat),
    "half a volume": (nifti(INTEGERS)[:-10], DamagedSignal),
    "half a compressed volume": (gzip.compress(nifti(INTEGERS))[:-40], DamagedSignal),
    "a gzip of something else": (gzip.compress(b"hello" * 200), UnsupportedFormat),
    "a volume with infinity": (nifti(np.full((2, 2, 2), np.inf, np.float32)), InvalidSignal),
    "a volume of five axes": (nifti(np.zeros((2, 2, 2, 2, 2), np.float32)), UnsupportedFormat),
    "a volume of complex numbers": (nifti(np.zeros((2, 2, 2), np.complex64)), UnsupportedFormat),
    "half a stack": (
        stack(np.arange(6000, dtype=np.uint16).reshape(10, 20, 30), photometric="minisblack")[:6000],
        DamagedSignal,
    ),
    "pickles": (
        b"\x93NUMPY\x01\x00"
        + (118).to_bytes(2, "little")
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }".ljust(117)
        + b"\n",
        UnsupportedFormat,
    ),
    "half an array": (npy(INTEGERS)[:-1], DamagedSignal),
    "an array and more": (npy(INTEGERS) + b"\0", DamagedSignal),
    "an array without axes": (npy(np.array(3.0)), UnsupportedFormat),
    "an array of five axes": (npy(np.zeros((1, 1, 1, 1, 1))), UnsupportedFormat),
    "an empty array": (npy(np.zeros((3, 0))), InvalidSignal),
    "an array with nan": (npy(np.array([1.0, np.nan])), InvalidSignal),
    "an array of truths": (npy(np.array([True])), UnsupportedFormat),
    "an array beyond 2^53": (npy(np.array([0, 2**60])), InvalidSignal),
    "an array that spans too much": (npy(np.array([-1.7e308, 1.7e308])), InvalidSignal),
    "half an mp4": (video("mp4")[:800], DamagedSignal),
    "half an mkv": (video("mkv")[:1500], DamagedSignal),
    "a video without frames": (zero_frames(), DamagedSignal),
    "a mesh without faces": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", InvalidSignal),
    "a mesh of one point": (b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", InvalidSignal),
    "a mesh with nan": (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", InvalidSignal),
    "a mesh whose face has no such vertex": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", DamagedSignal),
    "half a ply": (encode_signal(SIGNALS["mesh"], "x.ply")[:400], DamagedSignal),
    "a ply without an end": (b"ply\nformat ascii 1.0\n", DamagedSignal),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused(name: str) -> None:
    data, error = REFUSED[name]
    with pytest.raises(error) as caught:
        read_signal(data)
    assert type(caught.value) is error
    assert len(str(caught.value)) < 400


TOO_LARGE = {
    "samples of a sound": (sound(np.zeros(400, np.int16)), SignalLimits(points=399)),
    "channels": (sound(np.zeros((9, 3), np.int16)), SignalLimits(channels=2)),
    "samples of an ogg": (sound(chirp(2000), "VORBIS", "OGG"), SignalLimits(points=1999)),
    "voxels": (nifti(INTEGERS), SignalLimits(points=59)),
    "side of a volume": (nifti(INTEGERS), SignalLimits(side=4)),
    "pages": (stack(INTEGERS.astype(np.uint8), photometric="minisblack"), SignalLimits(frames=4)),
    "elements": (npy(INTEGERS), SignalLimits(points=59)),
    "frames": (video(), SignalLimits(frames=5)),
    "pixels of all frames": (video("mp4"), SignalLimits(points=6 * 16 * 20 - 1)),
    "side of a frame": (video(), SignalLimits(side=19)),
    "faces": (octahedron_obj(), SignalLimits(faces=7)),
    "bytes": (octahedron_obj(), SignalLimits(bytes=7)),
    "pixels": (encode_signal(SIGNALS["image"], "x.png"), SignalLimits(points=9)),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_limits_are_held(name: str) -> None:
    data, limits = TOO_LARGE[name]
    with pytest.raises(SignalTooLarge):
        read_signal(data, limits)


def test_a_bomb_is_not_inflated() -> None:
    header = bytearray(nifti(np.zeros((2, 2, 2), np.int16)))
    header[40:48] = b"".join(n.to_bytes(2, "little") for n in (3, 30000, 30000, 30000))
    with pytest.raises(SignalTooLarge):
        read_signal(gzip.compress(bytes(header)))


@pytest.mark.parametrize(
    "data",
    [
        sound(chirp(600)),
        gzip.compress(nifti(INTEGERS)),
        stack(INTEGERS, photometric="minisblack"),
        npy(INTEGERS),
        video(),
        octahedron_obj(),
    ],
    ids=["wav", "nii.gz", "tiff", "npy", "mkv", "obj"],
)
def test_random_damage_raises_nothing_else(data: bytes) -> None:
    random = np.random.default_rng(3)
    limits = SignalLimits(points=2**14, faces=100)
    for _ in range(25):
        damaged = bytearray(data)
        for position in random.integers(0, len(data), 4):
            damaged[position] = random.integers(0, 256)
        with suppress(SignalError):
            read_signal(bytes(damaged), limits, resolution=6)


@pytest.mark.parametrize("name", SIGNALS)
def test_inspection_knows_every_kind(name: str) -> None:
    signal = SIGNALS[name]
    facts = json.loads(json.dumps(inspect_signal(encode_signal(signal, f"x{suffixes(signal.kind)[0]}"))))
    assert facts["kind"] == signal.kind
    assert {"format", "sample_format", "compaction_db"} <= set(facts)
    assert facts["channels"] == signal.channels
    # A mesh is read on the grid that it will be fitted on, whatever grid its surface came from.
    assert max(facts["shape"]) == 64 if name == "mesh" else facts["shape"] == list(signal.grid_shape)
    if name == "sound":
        assert (facts["shape"], facts["sample_rate"]) == ([512], 8000)


def test_inspection_can_be_told_which_kinds_are_welcome(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(encode_signal(SIGNALS["sound"], "x.wav"))
    command = [sys.executable, "-m", "tuner.signal.inspect", str(path)]
    for kinds, ok in ([], True), (["--kind", "audio"], True), (["--kind", "image"], False):
        done = subprocess.run([*command, *kinds], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["ok"] is ok


def test_pictures_need_none_of_the_other_libraries() -> None:
    others = ["soundfile", "nibabel", "tifffile", "av", "trimesh", "scipy", "skimage"]
    code = (
        "import sys; from tuner.signal.formats import read_signal; "
        f"read_signal(bytes.fromhex({encode_signal(SIGNALS['image'], 'x.png').hex()!r})); "
        f"sys.exit(any(name in sys.modules for name in {others}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", SIGNALS)
def test_inspection_loads_no_torch(name: str, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(encode_signal(SIGNALS[name], f"x{suffixes(SIGNALS[name].kind)[0]}"))
    code = f"import sys; from tuner.signal.inspect import main; main([{str(path)!r}]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UnsupportedFormat, match=r"pip install 'tuner-neural\[audio\]'"):
        read_signal(encode_signal(SIGNALS["array"], "x.npy")[:0] + b"fLaC")


def test_blob_is_what_the_other_tests_think() -> None:
    assert (blob().min(), blob().max()) == (0.0, 1.0)


def test_half_floats_stay_what_they_are_where_a_file_has_them() -> None:
    """Rounding to them is part of what is lost, and nothing becomes infinite."""
    array = np.array([[[1.0, -9.0], [0.1, 3.0]], [[5.0, 6.0], [7.0, 8.0]]], dtype=np.float16)
    signal = read_signal(npy(array))
    assert signal.sample_format is SampleFormat.F16
    np.testing.assert_array_equal(np.load(BytesIO(encode_signal(signal, "x.npy"))), array)
    beyond = signal.storage.to_samples(signal.values * np.float32(1e5))
    assert beyond.dtype == np.float16
    assert np.isfinite(beyond).all()
    written = signal.storage.as_written(signal.values + np.float32(1e-6))
    np.testing.assert_array_equal(written, signal.storage.to_values(signal.storage.to_samples(written)))
    volume = replace(signal, kind=SignalKind.VOLUME, details=VolumeDetails())
    np.testing.assert_array_equal(read_signal(encode_signal(volume, "x.nii")).values.shape, signal.values.shape)
    sound = Signal(
        values=np.array([[0.25], [-0.5]], dtype=np.float32),
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.F16,
        details=AudioDetails(sample_rate=8000),
    )
    np.testing.assert_array_equal(read_signal(encode_signal(sound, "x.wav")).values, sound.values)
