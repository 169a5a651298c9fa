"""Files whose samples stay as they are stored, so that signals of very many points can be cut into tiles."""

import gzip
import json
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.signals import npy
from tests.unit.tuner.signal.test_formats import nifti
from tuner.errors import InvalidSignal, SignalTooLarge
from tuner.signal.formats import read_large, read_signal, read_stored
from tuner.signal.handover import signal_of, signal_pieces
from tuner.signal.inspect import run
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal
from tuner.signal.limits import STORED_LIMITS, SignalLimits
from tuner.signal.signal import Signal

ALL = dict.fromkeys(SignalKind, 0)
NONE = dict.fromkeys(SignalKind, 1 << 40)
BEYOND = SignalLimits().points + 1
RNG = np.random.default_rng(5)
BYTES = RNG.integers(3, 250, (5, 6, 7), dtype=np.uint8)
SHORTS = RNG.integers(-30_000, 30_000, (300, 2), dtype=np.int16)


def sound(samples: np.ndarray, subtype: str, container: str = "WAV") -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, 8000, subtype, format=container)
    return file.getvalue()


# A file, the type in which its samples stay, and what these are; None where the codec loses something.
FILES: dict[str, tuple[bytes, str, np.ndarray | None]] = {
    "npy": (npy(BYTES), "u1", BYTES),
    "npy, columns first": (npy(np.asfortranarray(BYTES)), "u1", BYTES),
    "npy, big-endian": (npy(SHORTS.astype(">i2")), ">i2", SHORTS),
    "npy of doubles": (npy(SHORTS / 7.0), "f8", SHORTS / 7.0),
    "nii": (nifti(BYTES), "u1", BYTES),
    "nii.gz": (gzip.compress(nifti(BYTES)), "u1", BYTES),
    "wav of 8 bits": (sound(SHORTS, "PCM_U8"), "i1", SHORTS >> 8),
    "wav of 16 bits": (sound(SHORTS, "PCM_16"), "i2", SHORTS),
    "wav of 24 bits": (sound(SHORTS, "PCM_24"), "i4", SHORTS.astype(np.int32) << 8),
    "wav of 32 bits": (sound(SHORTS, "PCM_32"), "i4", SHORTS.astype(np.int32) << 16),
    "wav of floats": (sound(SHORTS / 2.0**15, "FLOAT"), "f4", SHORTS / np.float32(2.0**15)),
    "wav of doubles": (sound(SHORTS / 2.0**15, "DOUBLE"), "f4", SHORTS / np.float32(2.0**15)),
    "flac": (sound(SHORTS, "PCM_16", "FLAC"), "i2", SHORTS),
    "flac of 24 bits": (sound(SHORTS, "PCM_24", "FLAC"), "i4", SHORTS.astype(np.int32) << 8),
    "ogg": (sound(SHORTS, "VORBIS", "OGG"), "f4", None),
}


@pytest.mark.parametrize("name", FILES)
def test_samples_stay_as_they_are_stored(name: str) -> None:
    data, dtype, samples = FILES[name]
    large = read_stored(data)
    assert large is not None
    stored = np.asarray(large.samples)
    assert stored.dtype == np.dtype(dtype)
    if samples is not None:
        np.testing.assert_array_equal(stored.reshape(samples.shape), samples)


@pytest.mark.parametrize("name", FILES)
def test_regions_and_what_belongs_to_them_come_out_of_another_process(name: str) -> None:
    data = FILES[name][0]
    whole, read = read_signal(data), read_large(data, ALL)
    assert isinstance(read, LargeSignal)
    large = signal_of(memoryview(b"".join(bytes(piece) for piece in signal_pieces(read))))
    assert isinstance(large, LargeSignal)
    region = tuple((1, side) for side in whole.grid_shape)
    expected = whole.values[tuple(slice(1, side) for side in whole.grid_shape)]
    np.testing.assert_array_equal(large.values(region), expected)
    for field in ("kind", "sample_format", "scaling", "details", "grid_shape", "channels"):
        assert getattr(large, field) == getattr(whole, field)


def test_the_voxels_of_a_volume_are_not_turned_round_for_it() -> None:
    read = read_large(nifti(BYTES), ALL)
    assert isinstance(read, LargeSignal)
    *_, samples = signal_pieces(read)
    assert np.shares_memory(np.frombuffer(samples, np.uint8), np.asarray(read.samples))


def test_few_values_are_held(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy(BYTES))
    for source in (npy(BYTES), path, str(path)):
        read = read_large(source, NONE)
        assert isinstance(read, Signal)
        np.testing.assert_array_equal(read.values, read_signal(path).values)


@pytest.mark.parametrize("name", ["npy", "nii"])
def test_files_on_disk_are_mapped(name: str, tmp_path: Path) -> None:
    path = tmp_path / "signal"
    path.write_bytes(FILES[name][0])
    large = read_large(path, ALL)
    assert isinstance(large, LargeSignal)
    assert not np.asarray(large.samples).flags.owndata
    assert not np.asarray(large.samples).flags.writeable
    with path.open("r+b") as file:  # a map sees what is written to the file afterwards
        file.seek(-1, 2)
        file.write(b"\xfb")
    assert np.asarray(large.samples)[-1, -1, -1, 0] == 0xFB


def test_four_axes_are_held_since_they_are_not_cut() -> None:
    assert not isinstance(read_large(npy(np.arange(16.0).reshape(2, 2, 2, 2)), ALL), LargeSignal)


def inspected(data: bytes, **request: int) -> dict[str, object]:
    (answer,) = run(data, request)
    said: dict[str, object] = json.loads(answer)
    return said


def wav_of_silence(frames: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    return (
        b"RIFF" + struct.pack("<I", 36 + frames) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data"
        + struct.pack("<I", frames) + b"\x80" * frames
    )  # fmt: skip


LARGE = {
    "npy": lambda: npy(np.zeros(BEYOND, np.uint8)),
    "nii.gz": lambda: gzip.compress(nifti(np.zeros((2**11, 2**14, 2), np.uint8)), 1),
    "wav": lambda: wav_of_silence(BEYOND),
    "flac": lambda: sound(np.zeros(BEYOND, np.int16), "PCM_16", "FLAC"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_never_held_may_have_more_points(name: str) -> None:
    data = LARGE[name]()
    assert inspected(data, max_points=STORED_LIMITS.points)["ok"]
    assert inspected(data)["code"] == SignalTooLarge.code
    with pytest.raises(SignalTooLarge):
        read_signal(data)


def test_what_is_held_may_not() -> None:
    four = npy(np.zeros((2, 2, 2, 2**22 + 1), np.uint8))
    assert inspected(four, max_points=STORED_LIMITS.points)["code"] == SignalTooLarge.code
    with pytest.raises(SignalTooLarge):
        read_large(four, ALL)


def test_limits_of_what_is_unpacked_come_before_memory() -> None:
    header = bytearray(nifti(np.zeros((2, 2, 2), np.float64)))
    header[40:48] = struct.pack("<4h", 3, 1024, 1024, 256)  # 2^28 voxels of eight bytes, of which none is there
    with pytest.raises(SignalTooLarge, match="stored bytes"):
        read_stored(gzip.compress(bytes(header)), SignalLimits(points=2**28, stored_bytes=2**30))


@pytest.mark.parametrize("place", [0, 4_500_000])
def test_a_value_that_is_none_is_found_wherever_it_is(place: int) -> None:
    values = np.zeros(5_000_000, np.float32)
    values[[place, place + 1]] = np.nan, np.inf
    with pytest.raises(InvalidSignal, match="2 of 5000000"):
        read_stored(npy(values))
