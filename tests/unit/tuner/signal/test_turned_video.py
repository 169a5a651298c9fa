"""Frames come out as a player shows them: turned, mirrored, in the right colours; held against av's own planes."""

from fractions import Fraction
from io import BytesIO
from typing import Any, Final

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.errors import SignalError, UnsupportedFormat
from tuner.signal.formats import encode_signal, read_signal

quick: Final = settings(derandomize=True, max_examples=25, deadline=None, database=None)
RANDOM = np.random.default_rng(2)
# Columns and rows of a display matrix: where a step to the right and a step down lead.
TURNS: dict[str, tuple[tuple[int, int, int, int], Any]] = {
    "as it lies": ((1, 0, 0, 1), lambda a: a),
    "mirrored": ((-1, 0, 0, 1), lambda a: a[:, ::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda a: a[::-1, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda a: a[::-1]),
    "a quarter turn clockwise": ((0, 1, -1, 0), lambda a: np.rot90(a, -1)),
    "a quarter turn back": ((0, -1, 1, 0), lambda a: np.rot90(a, 1)),
    "transposed": ((0, 1, 1, 0), lambda a: a.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda a: np.rot90(a, 2).swapaxes(0, 1)),
}


def clip(
    frames: NDArray[np.uint8],
    matrix: tuple[float, float, float, float] = (1, 0, 0, 1),
    container: str = "mp4",
    layout: str = "rgb24",
    codec: str = "libx264rgb",
) -> bytes:
    """Frames without loss, with a display matrix in the track header."""
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=10, options={"crf": "0", "qp": "0"} if "x264" in codec else {})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], layout
        a, b, c, d = (round(65536 * number) for number in matrix)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for number, samples in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(samples, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


@quick
@given(
    st.sampled_from(sorted(TURNS)),
    st.sampled_from(["mp4", "mov"]),
    st.integers(1, 12).map(lambda n: 2 * n + 16),
    st.integers(1, 12).map(lambda n: 2 * n + 16),
)
def test_frames_are_turned_as_their_track_header_says(turn: str, container: str, height: int, width: int) -> None:
    matrix, expected = TURNS[turn]
    frames = RANDOM.integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    signal = read_signal(clip(frames, matrix, container))
    shown = np.stack([expected(frame) for frame in frames])
    np.testing.assert_array_equal(np.rint(signal.values * 255), shown)
    again = read_signal(encode_signal(signal, "x.mkv"))
    np.testing.assert_array_equal(np.rint(again.values * 255), shown)


WEIGHTS = {"itu709": (0.2126, 0.0722), "itu601": (0.299, 0.114)}


@pytest.mark.parametrize("colours", WEIGHTS)
@pytest.mark.parametrize("full", [False, True])
def test_colours_are_those_of_the_tagged_matrix_and_range(colours: str, full: bool) -> None:
    """A second way from the planes to red, green and blue: the formula of the two standards."""
    y, x = np.mgrid[0:32, 0:48]
    picture = np.stack([x * 5, y * 7, 200 - 2 * (x + y)], -1).clip(0, 255).astype(np.uint8)
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        stream.codec_context.colorspace = {"itu709": 1, "itu601": 5}[colours]
        stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=colours, dst_color_range=2 if full else 1
        )
        planes = np.stack([np.frombuffer(bytes(p), np.uint8).reshape(32, -1)[:, :48] for p in frame.planes]).astype(
            float
        )
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    red, blue = WEIGHTS[colours]
    luma = planes[0] / 255 if full else (planes[0] - 16) / 219
    u, v = ((plane - 128) / (255 if full else 224) for plane in planes[1:])
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    signal = read_signal(file.getvalue())
    np.testing.assert_allclose(signal.values[0], np.stack([r, g, b], -1).clip(0, 1), atol=3 / 255)


def with_alpha() -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "bgra"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 16, 4), 99, np.uint8), format="bgra")))
        output.mux(stream.encode())
    return file.getvalue()


def sound_only() -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream: Any = output.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


FRAMES = RANDOM.integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
TURNED_A_LITTLE = clip(FRAMES, (0.97, 0.24, -0.24, 0.97))
REFUSED: dict[str, tuple[bytes, type[SignalError], str]] = {
    "turned by 14 degrees": (TURNED_A_LITTLE, UnsupportedFormat, "turned or sheared"),
    "transparent": (with_alpha(), UnsupportedFormat, "transparency"),
    "without pictures": (sound_only(), UnsupportedFormat, "no moving pictures"),
    "of an unknown codec": (clip(FRAMES).replace(b"avc1", b"zzz9"), UnsupportedFormat, "codec"),
    "a HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), UnsupportedFormat, "HEIC"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(name: str) -> None:
    data, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        read_signal(data)
    assert type(caught.value) is error
