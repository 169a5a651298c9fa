"""A signal that was read in the cage is the one that the library reads; what costs too much is refused by name."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from cage.keeper import Keeper
from cage.limits import Limits
from cage.pictures import may_be_picture
from tests.signals import SIGNALS
from tests.unit.tuner.signal.test_formats import REFUSED
from tuner.errors import SignalError, SignalTooLarge
from tuner.signal import inspect
from tuner.signal.formats import WRITERS, encode_signal, read_signal
from tuner.signal.handover import signal_of, signal_pieces
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal, picture_of_samples
from tuner.signal.limits import SignalLimits
from tuner.signal.signal import Signal
from tuner.targets.wavelets.choice import most_values
from worker.reading import SignalTooCostly, held, read_caged
from worker.settings import WorkerSettings

SETTINGS = WorkerSettings(reading_memory_bytes=512 << 20, reading_cpu_seconds=20)
NAMES = [
    (name, suffix)
    for name, signal in SIGNALS.items()
    for suffix in (*WRITERS[signal.kind], ".npy")
    if signal.kind is not SignalKind.ARRAY or suffix == ".npy" or len(signal.grid_shape) == 2  # a page has two axes
]


@pytest.mark.parametrize(("name", "suffix"), NAMES)
def test_a_signal_comes_out_as_it_is(name: str, suffix: str) -> None:
    content = encode_signal(SIGNALS[name], f"x{suffix}")
    expected, found = read_signal(content), read_caged(content, SETTINGS)
    assert isinstance(found, Signal)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.values.flags.writeable
    assert found.values.flags.aligned
    for field in ("kind", "sample_format", "icc_profile", "scaling", "details"):
        assert getattr(found, field) == getattr(expected, field)


def digest_of(content: bytes) -> str | None:
    """What inspection says of a small signal."""
    facts = json.loads(b"".join(inspect.run(content, {})))["facts"]
    digest: str | None = facts.get("decoded_sha256")
    return digest


@pytest.mark.parametrize(("name", "suffix"), NAMES)
def test_a_process_that_reads_several_files_reads_what_inspection_found(
    name: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode_signal(SIGNALS[name], f"x{suffix}")
    digest = digest_of(content)
    if digest is None:
        assert SIGNALS[name].kind is SignalKind.DISTANCE
        assert suffix != ".npy"
        return
    expected = read_caged(content, SETTINGS)
    monkeypatch.delattr("cage.keeper.Keeper.ask_bytes")  # a process for each
    for _ in range(2):
        found = read_caged(content, SETTINGS, tenant="somebody", decoded_sha256=digest)
        assert isinstance(found, Signal)
        np.testing.assert_array_equal(found.values, expected.values)
        assert found.values.flags.writeable
        assert found.values.flags.aligned
        for field in ("kind", "sample_format", "icc_profile", "scaling", "details"):
            assert getattr(found, field) == getattr(expected, field)


@pytest.mark.parametrize(
    ("shape", "dtype", "is_small"),
    [((128, 128, 3), np.uint8, True), ((128, 129, 3), np.uint8, False), ((192, 192), np.float64, False)],
    ids=["most values", "more values", "more bytes"],
)
def test_only_of_small_signals_there_is_a_digest(shape: tuple[int, ...], dtype: type, is_small: bool) -> None:
    file = BytesIO()
    np.save(file, np.arange(np.prod(shape)).reshape(shape).astype(dtype), allow_pickle=False)
    assert (digest_of(file.getvalue()) is not None) is is_small


def square(colour: str) -> bytes:
    picture = BytesIO()
    Image.new("RGB", (4, 4), colour).save(picture, "PNG")
    return picture.getvalue()


def test_a_reader_that_was_taken_over_changes_nothing_of_what_it_reads_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in answers with black from its second file on."""
    monkeypatch.setattr("worker.reading.PICTURE_READER", "tests.unit.worker.black")
    own = Mock(side_effect=Keeper.ask_bytes, autospec=True)
    monkeypatch.setattr(Keeper, "ask_bytes", lambda *words: own(*words))
    for number, colour in enumerate(("red", "green", "blue", "white"), start=1):
        content = square(colour)
        found = read_caged(content, SETTINGS, tenant="somebody", decoded_sha256=digest_of(content))
        np.testing.assert_array_equal(found.values, read_signal(content).values)
        assert own.call_count == number // 2  # each second one was read again, by itself


@pytest.mark.parametrize("of_another", [None, "0" * 64], ids=["without", "with the digest of something else"])
def test_what_another_release_reads_otherwise_counts_as_it_is_read_now(of_another: str | None) -> None:
    content = square("red")
    found = read_caged(content, SETTINGS, tenant="somebody", decoded_sha256=of_another)
    np.testing.assert_array_equal(found.values, read_signal(content).values)


def test_a_colour_profile_comes_out_too() -> None:
    picture = BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG", icc_profile=b"profile" * 99)
    assert read_caged(picture.getvalue(), SETTINGS).icc_profile == b"profile" * 99


def large_png() -> tuple[bytes, np.ndarray]:
    """A picture of more values than one network of wavelets has, and its samples."""
    samples = np.broadcast_to(np.arange(4096, dtype=np.uint16).astype(np.uint8), (3841, 4096))
    assert samples.size > most_values(SignalKind.IMAGE)
    picture = BytesIO()
    Image.fromarray(samples).save(picture, "PNG", compress_level=1)
    return picture.getvalue(), samples


@pytest.mark.parametrize("is_full", [False, True], ids=["mapped", "no room for files"])
def test_a_large_picture_comes_as_it_is_stored(is_full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    content, samples = large_png()
    monkeypatch.setattr("cage.keeper._HELD_BYTES", 3 << 20)
    if is_full:
        written = iter(range(2))

        class Full:
            """A file whose folder has room for a first piece only."""

            def __init__(self, **_: object) -> None:
                self._file = BytesIO()
                self.seek, self.read, self.close = self._file.seek, self._file.read, self._file.close

            def write(self, piece: bytes) -> int:
                if next(written, None) is None:
                    raise OSError(28, "No space left on device")
                return self._file.write(piece[: 1 << 20])

        monkeypatch.setattr("tempfile.TemporaryFile", Full)
    found = read_caged(content, SETTINGS)
    assert isinstance(found, LargeSignal)
    assert (found.grid_shape, found.channels) == (samples.shape, 1)
    assert np.asarray(found.samples).flags.writeable is is_full
    np.testing.assert_array_equal(np.asarray(found.samples)[..., 0], samples)
    whole = held(found)
    assert whole.values.flags.writeable
    np.testing.assert_array_equal(whole.values[:2000], read_signal(content).values[:2000])


def test_values_that_are_mapped_can_be_written_to_where_they_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cage.keeper._HELD_BYTES", 64)
    found = read_caged(encode_signal(SIGNALS["sound"], "x.wav"), SETTINGS)
    assert isinstance(found, Signal)
    assert not found.values.flags.writeable
    assert held(found).values.flags.writeable
    np.testing.assert_array_equal(held(found).values, found.values)


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "JPEG") for mode in ("L", "RGB", "CMYK")),
        *((mode, "WEBP") for mode in ("RGB", "RGBA")),
    ],
)
def test_the_reader_of_pictures_reads_them_as_the_library_does(mode: str, file_format: str) -> None:
    colours = np.arange(9 * 7 * 3, dtype=np.uint8).reshape(9, 7, 3)
    picture, file = Image.fromarray(colours).convert("I" if mode == "I;16" else mode).convert(mode), BytesIO()
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    picture.save(file, file_format, **({} if mode == "I;16" else {"exif": exif}))
    assert may_be_picture(file.getvalue())
    expected, found = read_signal(file.getvalue()), read_caged(file.getvalue(), SETTINGS)
    assert isinstance(found, Signal)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.sample_format is expected.sample_format


@pytest.mark.parametrize("module", ["worker.picture_reader", "tuner.signal.inspect_pictures"])
def test_the_reader_of_pictures_has_loaded_nothing_but_what_reads_pictures(module: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {module} as it; it.prepare(); print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "PIL.PngImagePlugin" in loaded
    assert not {"scipy", "av", "soundfile", "nibabel", "trimesh", "tifffile", "torch"} & set(loaded)


def test_what_begins_like_a_picture_and_is_another_file_is_read_as_that() -> None:
    mesh = next(signal for signal in SIGNALS.values() if signal.kind is SignalKind.DISTANCE)
    solid = b"\x89PNG\r\n\x1a\n".ljust(80, b"\0") + encode_signal(mesh, "x.stl")[80:]
    assert may_be_picture(solid)
    found = read_caged(solid, SETTINGS)
    assert isinstance(found, Signal)
    assert found.kind is SignalKind.DISTANCE


@pytest.mark.parametrize("digest", [None, "0" * 64], ids=["alone", "shared"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_as_by_the_library(name: str, digest: str | None) -> None:
    content, error = REFUSED[name]
    with pytest.raises(error) as caught:
        read_caged(content, SETTINGS, tenant="somebody", decoded_sha256=digest)
    assert type(caught.value) is error


@pytest.mark.parametrize("digest", [None, "0" * 64], ids=["alone", "shared"])
def test_memory_beyond_the_budget_is_refused_by_name(digest: str | None) -> None:
    picture = BytesIO()
    Image.new("RGB", (16_384, 2048)).save(picture, "PNG")
    with pytest.raises(SignalTooCostly, match="smaller"):
        read_caged(picture.getvalue(), WorkerSettings(reading_memory_bytes=128 << 20), decoded_sha256=digest)


def test_time_beyond_the_budget_is_refused_by_name() -> None:
    rng = np.random.default_rng(0)
    corners = "".join(f"v {x} {y} {z}\n" for x, y, z in rng.random((60_000, 3)))
    faces = "".join(f"f {a} {b} {c}\n" for a, b, c in rng.integers(1, 60_001, (120_000, 3)))
    begun = time.monotonic()
    with pytest.raises(SignalTooCostly):
        read_caged((corners + faces).encode(), WorkerSettings(reading_cpu_seconds=1))
    assert time.monotonic() - begun < 60


def test_who_is_told_to_stop_stops() -> None:
    def heed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_caged(b"", SETTINGS, heed)


GOOD = b"".join(bytes(piece) for piece in signal_pieces(SIGNALS["sound"]))


def _lies() -> Iterator[bytes]:
    yield from (b"", GOOD[:7], GOOD[:64], GOOD[:100], GOOD[:-1], GOOD + b"\0\0\0\0", b"\xff" * 200)
    for old, new in (
        (b"[512, 2]", b"[512, 9]"),
        (b"[512, 2]", b"[-1,  2]"),
        (b"[512, 2]", b"[1024]  "),
        (b'"audio"', b'"other"'),
        (b'"s16"', b'"s99"'),
        (b'"sample_rate": 8000', b'"sample_rate": -999'),
    ):
        assert old in GOOD
        yield GOOD.replace(old, new)
    yield GOOD[:-4096] + np.full(1024, np.nan, np.float32).tobytes()


STORED = b"".join(
    bytes(piece)
    for piece in signal_pieces(picture_of_samples(np.arange(24, dtype=np.uint8).reshape(2, 4, 3), b"profile"))
)


def _lies_of_stored() -> Iterator[bytes]:
    yield from (STORED[:100], STORED[:-1], STORED + b"\0")
    for old, new in (
        (b"[2, 4, 3]", b"[4, 2, 9]"),
        (b"[2, 4, 3]", b"[-1,4,3]"),
        (b"[2, 4, 3]", b"[24]     "),
        (b'"u8"', b'"u9"'),
        (b'"u8"', b'"f4"'),
        (b"[2, 4, 3]", b"[1, 1,24]"),
        (b'"stored": "|u1"', b'"stored": [7]  '),
        (b'"stored": "|u1"', b'"stored": "|S1"'),
        (b'"stored": "|u1"', b'"stored": "<u2"'),
        (b'"kind": "image"', b'"kind": "noise"'),
    ):
        assert old in STORED
        yield STORED.replace(old, new)


@pytest.mark.parametrize("lie", list(_lies_of_stored()), ids=lambda lie: str(len(lie)))
def test_nor_one_that_hands_over_stored_samples(lie: bytes) -> None:
    assert isinstance(signal_of(memoryview(STORED)), LargeSignal)
    with pytest.raises(SignalError):
        signal_of(memoryview(bytearray(lie)))


@pytest.mark.parametrize("lie", list(_lies()), ids=lambda lie: str(len(lie)))
def test_a_reader_that_was_taken_over_is_not_believed(lie: bytes) -> None:
    with pytest.raises(SignalError):
        signal_of(memoryview(bytearray(lie)))


def test_nor_is_a_shape_beyond_the_limits() -> None:
    with pytest.raises(SignalTooLarge):
        signal_of(memoryview(bytearray(GOOD)), SignalLimits(points=511))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is less of a cage")
def test_files_of_no_kind_are_answered_within_their_limits() -> None:
    """Damaged files of every kind, by the hundred: each is a signal or a refusal, in 256 MiB and 5 s."""
    limits = Limits(memory_bytes=256 << 20, cpu_seconds=5, wall_seconds=30.0, answer_bytes=1 << 20)
    keeper = Keeper("tuner.signal.inspect", limits)
    rng = np.random.default_rng(5)
    try:
        for name, suffix in NAMES:
            content = encode_signal(SIGNALS[name], f"x{suffix}")
            for _ in range(8):
                damaged = bytearray(content)
                for place in rng.integers(0, len(content), 5):
                    damaged[place] = rng.integers(0, 256)
                answer = bytes(keeper.ask_bytes(bytes(damaged[: rng.integers(1, len(content) + 1)]), {}))
                assert answer.startswith((b'{"ok": true', b'{"ok": false'))
    finally:
        keeper.close()
