"""A signal that was read in the cage is the one that the library reads; what costs too much is refused by name."""

import sys
import time
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cage.keeper import Keeper
from cage.limits import Limits
from tests.signals import SIGNALS
from tests.unit.tuner.signal.test_formats import REFUSED
from tuner.errors import SignalError, SignalTooLarge
from tuner.signal.formats import WRITERS, encode_signal, read_signal
from tuner.signal.handover import signal_of, signal_pieces
from tuner.signal.kind import SignalKind
from tuner.signal.limits import SignalLimits
from worker.reading import SignalTooCostly, read_caged
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
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.values.flags.writeable
    assert found.values.flags.aligned
    for field in ("kind", "sample_format", "icc_profile", "scaling", "details"):
        assert getattr(found, field) == getattr(expected, field)


def test_a_colour_profile_comes_out_too() -> None:
    picture = BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG", icc_profile=b"profile" * 99)
    assert read_caged(picture.getvalue(), SETTINGS).icc_profile == b"profile" * 99


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_as_by_the_library(name: str) -> None:
    content, error = REFUSED[name]
    with pytest.raises(error) as caught:
        read_caged(content, SETTINGS)
    assert type(caught.value) is error


def test_memory_beyond_the_budget_is_refused_by_name() -> None:
    picture = BytesIO()
    Image.new("RGB", (16_384, 2048)).save(picture, "PNG")
    with pytest.raises(SignalTooCostly, match="smaller"):
        read_caged(picture.getvalue(), WorkerSettings(reading_memory_bytes=128 << 20))


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
