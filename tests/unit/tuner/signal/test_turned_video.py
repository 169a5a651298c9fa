"""Frames come out as a player shows them: turned, mirrored, in the right colours; held against av's own planes."""

import struct
import warnings
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.errors import DamagedSignal, SignalError, UnsupportedFormat
from tuner.notes import SignalNote
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


# Codecs that lose nothing: container, codec, layout of a frame, and whether that is grey.
LOSSLESS: Final = [
    *((container, "libx264rgb", "rgb24", False) for container in ("mp4", "mov", "matroska", "avi")),
    *(("matroska", "ffv1", layout, layout.startswith("gray")) for layout in ("bgr0", "gray", "gray10le", "gray16le")),
    *(("avi", "rawvideo", layout, False) for layout in ("bgr24", "bgra")),
    ("avi", "rawvideo", "gray", True),
    *(("mov", codec, "rgb24", False) for codec in ("qtrle", "png", "rawvideo")),
    ("webm", "libvpx-vp9", "gbrp", False),
]


@pytest.mark.parametrize(("container", "codec", "layout", "grey"), LOSSLESS)
@pytest.mark.parametrize("shape", [(3, 32, 48), (1, 18, 34)])
def test_frames_of_every_container_are_those_that_went_in(
    container: str, codec: str, layout: str, grey: bool, shape: tuple[int, int, int]
) -> None:
    samples = RANDOM.integers(0, 256, (*shape, 1 if grey else 3), dtype=np.uint8)
    file = BytesIO()
    lossless = {"libx264rgb": {"crf": "0", "qp": "0"}, "libvpx-vp9": {"lossless": "1"}}
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=10, options=lossless.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = shape[2], shape[1], layout
        for number, one in enumerate(samples):
            frame = av.VideoFrame.from_ndarray(one[..., 0] if grey else one, format="gray" if grey else "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    if layout == "bgra":
        with pytest.raises(UnsupportedFormat, match="transparency"):
            read_signal(file.getvalue())
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalNote)  # of more bits than are kept
        signal = read_signal(file.getvalue())
    assert signal.values.shape == samples.shape
    np.testing.assert_allclose(np.rint(signal.values * 255), samples, atol=1 if "1" in layout else 0)


def with_edit(data: bytes, first: float, count: float) -> bytes:
    """An MP4 of which an edit list shows some frames only, as a cut on a phone leaves it."""
    clock = int.from_bytes(data[(place := data.index(b"mvhd") + 16) : place + 4], "big")
    media_clock = int.from_bytes(data[(place := data.index(b"mdhd") + 16) : place + 4], "big")
    place = data.index(b"elst") + 12
    start = int.from_bytes(data[place + 4 : place + 8], "big")
    edit = struct.pack(">Ii", round(clock * count / 10), start + round(media_clock * first / 10))
    return data[:place] + edit + data[place + 8 :]


@quick
@given(st.integers(1, 9), st.integers(0, 8), st.data())
def test_an_edit_list_shows_what_ffmpeg_shows(frames: int, first: int, data: st.DataObject) -> None:
    first = min(first, frames - 1)
    count = data.draw(st.integers(1, frames - first))
    samples = RANDOM.integers(0, 256, (frames, 32, 48, 3), dtype=np.uint8)
    file = with_edit(clip(samples), first, count)
    with av.open(BytesIO(file), "r") as container:
        shown = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    signal = read_signal(file)
    np.testing.assert_array_equal(np.rint(signal.values * 255), shown)
    np.testing.assert_array_equal(shown, samples[first : first + count])


@pytest.mark.parametrize("missing", [1, 2, 5])
def test_frames_that_no_edit_hides_are_missed(tmp_path: Path, missing: int) -> None:
    """Those of an MP4 that has its index in front and was cut between two frames."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
        stream: Any = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 48, 32
        for samples in RANDOM.integers(0, 256, (6, 32, 48, 3), dtype=np.uint8):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="rgb24")))
        output.mux(stream.encode())
    data = path.read_bytes()
    assert read_signal(data).grid_shape[0] == 6
    place = data.index(b"stsz") + 16
    sizes = struct.unpack(">6I", data[place : place + 24])
    with pytest.raises(DamagedSignal, match=f"{6 - missing} of 6 frames"):
        read_signal(data[: -sum(sizes[-missing:])])


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
