"""Videos to signals and back through av (FFmpeg): MP4, Matroska, WebM and AVI in, MP4 and lossless Matroska out.

A video is a grid of frames, rows and columns with one or three channels. The container's format is decided by its first
bytes and passed to FFmpeg, which otherwise tries everything it knows, playlists that name other files included.
"""

import struct
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from typing import Any, Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.notes import note
from tuner.signal.details import VideoDetails
from tuner.signal.extras import require
from tuner.signal.limits import SignalLimits
from tuner.signal.orientation import upright
from tuner.signal.samples import SampleFormat, Storage
from tuner.signal.signal import Signal, SignalKind

_ON_ITS_SIDE: Final = 5  # orientations from here on swap rows and columns
_GREY: Final = {"gray", "gray8", "grayf32le", "gray10le", "gray12le", "gray16le", "gray16be"}
_DEFAULT_DETAILS: Final = VideoDetails(rate=(25, 1))
# Signs of a display matrix (a, b, c, d), and the orientation of EXIF that turns samples likewise.
_ORIENTATIONS: Final = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
# Players that no tag tells otherwise take this many rows for high definition, and its matrix.
_HIGH_DEFINITION: Final = 720
# Names of the two matrices as av converts, and their numbers in a file.
_MATRICES: Final = {False: ("ITU601", 6), True: ("ITU709", 1)}
_LIMITED_RANGE: Final = 1
# Where a player sees no loss; the file is small beside the raw frames and large beside the representation.
_QUALITY: Final = "12"


def read_video(data: bytes, limits: SignalLimits) -> Signal:
    """Decode a video into a signal of shape (frames, height, width, 1 or 3); sound is left out.

    Args:
        data: content of the file.
        limits: held against the header, and against the frames while they are decoded.

    Returns:
        The signal; its details have the frame rate, and the time of every frame where those are not evenly spaced.

    Raises:
        UnsupportedFormat: if it has no pictures, or av is not installed.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it has no frames.
        SignalTooLarge: if it is over a limit.

    Warns:
        SignalNote: if its frames have more bits a sample than the 8 that are kept.
    """
    av = require("av", "video")
    try:
        with av.open(BytesIO(data), format=_demuxer(data)) as container:
            return _decode(container, _stream_of(av, container), limits)
    except SignalError:
        raise
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise UnsupportedFormat(
            f"the video is of a codec that is not decoded here ({error}), expected H.264, HEVC, VP9, AV1 or FFV1: "
            "convert it to an MP4 or a Matroska file"
        ) from error
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        if "avcodec_open2" in str(error):  # the decoder is there, and does not take what the header says
            raise UnsupportedFormat(
                f"the video is of a variant of its codec that is not decoded here ({error}): convert it to an MP4 or a "
                "Matroska file"
            ) from error
        raise DamagedSignal(f"the video is truncated or corrupt: {error}") from error


def write_video(signal: Signal, container: str) -> bytes:
    """Encode a video.

    Args:
        signal: video to write, (frames, height, width, 1 or 3 channels); without details it gets 25 frames per second.
        container: "mp4" (H.264, or MPEG-4 where that is missing) or "mkv" (FFV1, without any loss). Times of frames are
            exact in an MP4; Matroska knows milliseconds only.

    Returns:
        The file.

    Raises:
        InvalidSignal: if the signal has another shape, or times for another number of frames.
    """
    av = require("av", "video")
    if len(signal.grid_shape) != 3 or signal.channels not in {1, 3}:
        raise InvalidSignal(
            f"values have shape {signal.values.shape}, expected (frames, height, width, 1 or 3 channels)"
        )
    frames = Storage(SampleFormat.U8).to_samples(signal.values)
    layout = "gray" if signal.channels == 1 else "rgb24"
    details = signal.details if isinstance(signal.details, VideoDetails) else _DEFAULT_DETAILS
    times = details.times or tuple(range(len(frames)))
    tick = Fraction(*details.tick) if details.times else 1 / Fraction(*details.rate)
    if len(times) != len(frames):
        raise InvalidSignal(f"the video has {len(frames)} frames and times for {len(times)}, expected one for each")
    try:
        return _encode(av, container, details, frames, layout, times, tick)
    except Exception as error:  # whatever the library says, it is the video that does not fit
        raise InvalidSignal(
            f"frames of shape {frames.shape[1:]} cannot be written as {container}, write a .mkv or a .npy: {error}"
        ) from error


def _encode(
    av: Any,
    container: str,
    details: VideoDetails,
    frames: np.ndarray,
    layout: str,
    times: tuple[int, ...],
    tick: Fraction,
) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="matroska" if container == "mkv" else container) as output:
        stream = _stream(av, output, container, Fraction(*details.rate), frames.shape)
        stream.codec_context.time_base = tick
        if details.aspect != (1, 1):
            stream.codec_context.sample_aspect_ratio = Fraction(*details.aspect)
        matrix, tag = _MATRICES[frames.shape[1] >= _HIGH_DEFINITION]
        in_planes = stream.pix_fmt.startswith("yuv")
        if in_planes:  # said and meant: a player that has to guess shows other colours
            stream.codec_context.colorspace, stream.codec_context.color_range = tag, _LIMITED_RANGE
        for samples, time in zip(frames, times, strict=True):
            picture = np.ascontiguousarray(samples[..., 0] if layout == "gray" else samples)
            frame = av.VideoFrame.from_ndarray(picture, format=layout)
            if in_planes:
                frame = frame.reformat(format=stream.pix_fmt, dst_colorspace=matrix, dst_color_range=_LIMITED_RANGE)
            frame.pts, frame.time_base = time, tick
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


def _stream_of(av: Any, container: Any) -> Any:
    """The first stream of moving pictures: no cover."""
    streams = [
        stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise UnsupportedFormat("the file has no moving pictures, expected a video: a sound is read from a WAV or FLAC")
    context = streams[0].codec_context
    if context is None:
        raise UnsupportedFormat("the video is of a codec that is not known, expected H.264 or another: convert it")
    # The alpha of VP8 and VP9 lies in a stream of its own, which the decoder leaves out; the container speaks of it.
    # Files that FFmpeg wrote repeat it as a tag, in capitals, which takes the place of the container's own word.
    apart = any(name.lower() == "alpha_mode" and value == "1" for name, value in streams[0].metadata.items())
    if apart or (context.pix_fmt is not None and _has_alpha(av, context.pix_fmt)):
        raise UnsupportedFormat(
            f"the video has transparency ({'alpha_mode 1' if apart else context.pix_fmt}), expected opaque frames: put "
            "it on a background first"
        )
    return streams[0]


def _has_alpha(av: Any, layout: str) -> bool:
    components = av.VideoFormat(layout).components
    return any(component.is_alpha for component in components) and not layout.startswith("pal")


def _note_depth(layout: Any) -> None:
    """Say that frames are stored with more bits than are read."""
    bits, kept = max((component.bits for component in layout.components), default=0), SampleFormat.U8.bits
    if bits > kept:
        note(
            f"the frames of the video have {bits} bits a sample ({layout.name}) and are read as {kept} bits: what is "
            "finer is not kept"
        )


def _orientation(frame: Any) -> int:
    """How a player turns the frame, 1 to 8 as EXIF counts, from the display matrix in the track header.

    The matrix maps column and row (p, q) to (a p + c q, b p + d q), in 16.16 fixed point.
    """
    found = [bytes(side) for side in frame.side_data if side.type.name == "DISPLAYMATRIX"]
    if not found:
        return 1
    a, b, _, c, d, *_ = struct.unpack("=9i", found[0][:36])
    unit = max(abs(number) for number in (a, b, c, d)) or 1
    signs = tuple(round(number / unit) for number in (a, b, c, d))
    if signs not in _ORIENTATIONS or any(
        abs(number - unit * sign) > unit / 100 for number, sign in zip((a, b, c, d), signs, strict=True)
    ):
        raise UnsupportedFormat(
            f"the video is to be turned or sheared by the matrix {[a / 65536, b / 65536, c / 65536, d / 65536]}, "
            "expected quarter turns and mirrors: convert it, so that its frames lie as they are seen"
        )
    return _ORIENTATIONS[signs]


def _demuxer(data: bytes) -> str:
    if data[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}:
        return "mp4"
    return "avi" if data.startswith(b"RIFF") else "matroska"


def _decode(container: Any, stream: Any, limits: SignalLimits) -> Signal:
    width, height = stream.codec_context.width, stream.codec_context.height
    limits.check("side", max(width, height))
    limits.check("frames", stream.frames)
    limits.check("points", max(stream.frames, 1) * width * height)
    layout = "gray" if stream.codec_context.pix_fmt in _GREY else "rgb24"
    frames: list[np.ndarray] = []
    stamps: list[int | None] = []
    last_ticks = 0
    aspect = stream.sample_aspect_ratio or Fraction(1)
    for frame in container.decode(stream):
        limits.check("frames", len(frames) + 1)
        limits.check("points", (len(frames) + 1) * width * height)
        if (frame.width, frame.height) != (width, height):
            raise UnsupportedFormat("the video changes its size between frames, expected one size: convert it")
        orientation = _orientation(frame)
        if not frames:
            _note_depth(frame.format)
            aspect = 1 / aspect if orientation >= _ON_ITS_SIDE else aspect
        frames.append(upright(frame.to_ndarray(format=layout), orientation))
        if frames[-1].shape != frames[0].shape:
            raise UnsupportedFormat("the video is turned in another way after some frames: split it")
        stamps.append(frame.pts)
        last_ticks = frame.duration or 0
    rate = stream.average_rate or stream.guessed_rate
    if not _ends_with_its_edits(stream, stamps, last_ticks):
        _check_whole(container, stream, len(frames), rate)
    pictures = np.stack(frames)
    details = _details(stamps, stream.time_base, [rate for rate in (rate, stream.guessed_rate) if rate])
    return Signal(
        values=Storage(SampleFormat.U8).to_values(pictures[..., None] if layout == "gray" else pictures),
        kind=SignalKind.VIDEO,
        sample_format=SampleFormat.U8,
        details=replace(details, aspect=_ratio(aspect)),
    )


def _details(stamps: list[int | None], tick: Fraction | None, rates: list[Fraction]) -> VideoDetails:
    """The rate that explains all time stamps, each rounded to a tick; or else every interval, and the mean rate."""
    known = [stamp for stamp in stamps if stamp is not None]
    intervals = [after - before for before, after in pairwise(known)]
    # Files without times, or with times that do not rise, say nothing but a rate.
    if not tick or not intervals or len(known) < len(stamps) or not 1 <= min(intervals) <= max(intervals) < 2**31:
        return VideoDetails(rate=_ratio(rates[0])) if rates else _DEFAULT_DETAILS
    for rate in rates:
        if all(abs((stamp - known[0]) * tick - frame / rate) < tick for frame, stamp in enumerate(known)):
            return VideoDetails(rate=_ratio(rate))
    mean = len(intervals) / ((known[-1] - known[0]) * tick)
    return VideoDetails(rate=_ratio(mean), tick=_ratio(tick), intervals=tuple(intervals))


def _ratio(number: Fraction) -> tuple[int, int]:
    limited = number if max(number.numerator, number.denominator) < 2**31 else number.limit_denominator(10**6)
    return limited.numerator, limited.denominator


def _ends_with_its_edits(stream: Any, stamps: list[int | None], last_ticks: int) -> bool:
    """Whether the frames reach the end of what the file shows: an edit list, as cutting on a phone leaves, hides some.

    The duration is that of the edits; whole frames are missing from a truncated file, and parts of one from no file.
    """
    first, last = (stamps[0], stamps[-1]) if stamps else (None, None)
    if first is None or last is None or not stream.duration or not last_ticks:
        return False
    missing = stream.duration - (last - first + last_ticks)
    return bool(missing < last_ticks)


def _check_whole(container: Any, stream: Any, found: int, rate: Fraction | None) -> None:
    """Compare the frames with what the container declares: a number of frames, or a duration."""
    if not found and not stream.frames:
        raise InvalidSignal("the video has no frames, expected at least one")
    if found < stream.frames:
        raise DamagedSignal(f"the video ends after {found} of {stream.frames} frames: it is truncated")
    if not stream.frames and container.duration and rate and len(container.streams) == 1:
        expected = container.duration * rate / 1_000_000  # a duration is in microseconds
        if found < expected - 1.5:
            raise DamagedSignal(f"the video ends after {found} of about {round(expected)} frames: it is truncated")


def _stream(av: Any, output: Any, container: str, rate: Fraction, shape: tuple[int, ...]) -> Any:
    _, height, width, channels = shape
    if container == "mkv":
        stream = output.add_stream("ffv1", rate=rate)
        stream.pix_fmt = "gray" if channels == 1 else "bgr0"
    elif "libx264" in av.codecs_available:
        stream = output.add_stream("libx264", rate=rate, options={"crf": _QUALITY})
        # Players everywhere take halved colour planes, which need even sides.
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    else:
        stream = output.add_stream("mpeg4", rate=rate, options={"qscale": "2"})
        stream.pix_fmt = "yuv420p"
    stream.width, stream.height = width, height
    return stream
