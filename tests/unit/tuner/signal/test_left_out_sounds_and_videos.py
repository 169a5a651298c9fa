"""What pages of docs/signals/ say of sounds and videos beside their samples: passed over, converted, refused."""

import struct
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from tests.signals import chirp
from tests.unit.tuner.signal.test_sounds import wav
from tuner.cli import app
from tuner.errors import UnsupportedFormat
from tuner.notes import SignalNote
from tuner.signal.details import AudioDetails, Placement, VideoDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind

RANDOM = np.random.default_rng(41)
SOUND = RANDOM.integers(-(2**15), 2**15, (300, 4)).astype("<i2")
FRAMES = RANDOM.integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)


def written(samples: NDArray[Any], container: str, subtype: str) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, 8000, subtype, format=container)
    return file.getvalue()


def riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


@pytest.mark.parametrize("subtype", ["ALAW", "ULAW"])
def test_laws_of_telephones_become_16_bits(subtype: str) -> None:
    data = written(SOUND[:, :2], "WAV", subtype)
    expected, _ = soundfile.read(BytesIO(data), dtype="int16")
    signal = read_signal(data)
    assert signal.sample_format is SampleFormat.S16
    back = encode_signal(signal, "x.wav")
    assert soundfile.info(BytesIO(back)).subtype == "PCM_16"
    np.testing.assert_array_equal(soundfile.read(BytesIO(back), dtype="int16")[0], expected)


@pytest.mark.parametrize(
    ("subtype", "flac"), [("PCM_16", "PCM_16"), ("PCM_24", "PCM_24"), ("PCM_32", "PCM_24"), ("DOUBLE", "PCM_24")]
)
def test_a_flac_has_24_bits_at_most_and_a_wav_what_there_was(subtype: str, flac: str) -> None:
    signal = read_signal(written(chirp(500, 2), "WAV", subtype))
    assert soundfile.info(BytesIO(encode_signal(signal, "x.flac"))).subtype == flac
    assert soundfile.info(BytesIO(encode_signal(signal, "x.wav"))).subtype == subtype


@pytest.mark.parametrize("subtype", ["PCM_32", "DOUBLE"])
def test_wide_samples_are_kept_to_24_bits(subtype: str) -> None:
    data = written(RANDOM.uniform(-0.9, 0.9, (500, 2)), "WAV", subtype)
    expected, _ = soundfile.read(BytesIO(data), dtype="float64")
    back, _ = soundfile.read(BytesIO(encode_signal(read_signal(data), "x.wav")), dtype="float64")
    assert 0 < np.abs(back - expected).max() <= 2**-24


def test_titles_cue_points_loops_and_loudspeakers_are_not_kept() -> None:
    plain = wav(SOUND)
    title = riff(b"LIST", b"INFO" + riff(b"INAM", b"a title\0"))
    cue = riff(b"cue ", struct.pack("<II I4sIII", 1, 1, 9, b"data", 0, 0, 9))
    loop = riff(b"smpl", struct.pack("<9I6I", *[0] * 7, 1, 0, 1, 0, 10, 90, 0, 0))
    mask = struct.pack("<HHIIHHHHI", 0xFFFE, 4, 8000, 64000, 8, 16, 22, 16, 0x107)
    form = riff(b"fmt ", mask + b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
    body = b"WAVE" + form + title + cue + plain[36:] + loop
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    signal = read_signal(data)
    assert signal.details == AudioDetails(sample_rate=8000)
    np.testing.assert_array_equal(signal.storage.to_samples(signal.values), SOUND)
    back = encode_signal(signal, "x.wav")
    assert not any(word in back for word in (b"INAM", b"a title", b"cue ", b"smpl", struct.pack("<I", 0x107)))


OTHERS = [
    *(("WAV", one) for one in ("IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32")),
    *(("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("W64", "PCM_16"), ("MP3", "MPEG_LAYER_III")),
]


@pytest.mark.parametrize(("container", "subtype"), OTHERS)
def test_other_codecs_and_containers_are_refused_with_what_to_convert_to(container: str, subtype: str) -> None:
    data = written(chirp(5000), container, subtype)
    words = {"W64": "Wave64", "WAV": "of the WAV are of codec"}.get(container, container)
    with pytest.raises(UnsupportedFormat, match=rf"{words}.*convert it to a WAV.* or a FLAC"):
        read_signal(data)


def test_an_mp3_within_a_wav_is_refused_with_what_to_convert_to() -> None:
    data = wav(SOUND)
    with pytest.raises(UnsupportedFormat, match=r"codec .*convert it to a WAV of 16 bits or a FLAC"):
        read_signal(data[:20] + b"\x55\0" + data[22:])


def test_an_m4a_is_refused_with_what_to_convert_to() -> None:
    with pytest.raises(UnsupportedFormat, match=r"M4A.*convert it to a WAV or a FLAC"):
        read_signal(b"\0\0\0\x1cftypM4A " + bytes(40))


def picture(samples: NDArray[np.uint8], number: int) -> Any:
    frame = av.VideoFrame.from_ndarray(samples, format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, 10)
    return frame


def shown(data: bytes) -> NDArray[np.float64]:
    samples: NDArray[np.float64] = np.rint(read_signal(data).values * 255)
    return samples


def test_what_lies_beside_the_frames_is_passed_over_and_not_written() -> None:
    """Sound, a second picture, chapters, and how two views are packed."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream: Any = output.add_stream("libx264rgb", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb24"
        stream.metadata["stereo_mode"] = "left_right"
        second: Any = output.add_stream("ffv1", rate=10)
        second.width, second.height, second.pix_fmt = 48, 32, "bgr0"
        sound: Any = output.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
        output.set_chapters([chapter])  # type: ignore[list-item]
        for number, samples in enumerate(FRAMES):
            output.mux(stream.encode(picture(samples, number)))
            output.mux(second.encode(picture(255 - samples, number)))
        noise = av.AudioFrame.from_ndarray(np.zeros((1, 800), "<i2"), format="s16", layout="mono")
        noise.sample_rate = 8000
        for one, last in ((sound, noise), (sound, None), (stream, None), (second, None)):
            output.mux(one.encode(last))
    data = file.getvalue()
    with av.open(BytesIO(data)) as opened:
        assert (len(opened.streams), len(opened.chapters())) == (3, 1)
        assert opened.streams.video[0].metadata["stereo_mode"] == "left_right"
    signal = read_signal(data)
    assert signal.details == VideoDetails(rate=(10, 1))
    np.testing.assert_array_equal(shown(data), FRAMES)
    for suffix in ("mkv", "mp4"):
        with av.open(BytesIO(encode_signal(signal, f"x.{suffix}"))) as opened:
            assert (len(opened.streams), len(opened.chapters())) == (1, 0)
            assert "stereo_mode" not in opened.streams.video[0].metadata


def test_subtitles_are_passed_over_and_not_written() -> None:
    words = b"1\n00:00:00,000 --> 00:00:00,200\nsome words\n\n"
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output, av.open(BytesIO(words), "r", format="srt") as text:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "bgr0"
        track = output.add_stream_from_template(text.streams.subtitles[0])
        for packet in text.demux(text.streams.subtitles[0]):
            if packet.size:
                packet.stream = track
                output.mux(packet)
        for number, samples in enumerate(FRAMES):
            output.mux(stream.encode(picture(samples, number)))
        output.mux(stream.encode())
    assert b"some words" in file.getvalue()
    np.testing.assert_array_equal(shown(file.getvalue()), FRAMES)
    assert b"some words" not in encode_signal(read_signal(file.getvalue()), "x.mkv")


@pytest.mark.parametrize("first", [False, True])
def test_a_cover_is_passed_over(first: bool) -> None:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        streams: dict[str, Any] = {}
        for name in ("cover", "film") if first else ("film", "cover"):
            streams[name] = output.add_stream("png" if name == "cover" else "libx264rgb", rate=10)
            streams[name].width, streams[name].height = (16, 16) if name == "cover" else (48, 32)
            streams[name].pix_fmt = "rgb24"
        streams["film"].options = {"qp": "0"}
        streams["cover"].disposition = av.stream.Disposition.attached_pic
        output.mux(streams["cover"].encode(picture(np.zeros((16, 16, 3), np.uint8), 0)))
        output.mux(streams["cover"].encode())
        for number, samples in enumerate(FRAMES):
            output.mux(streams["film"].encode(picture(samples, number)))
        output.mux(streams["film"].encode())
    np.testing.assert_array_equal(shown(file.getvalue()), FRAMES)


@pytest.mark.parametrize("transfer", [1, 16, 18], ids=["plain", "PQ", "HLG"])
@pytest.mark.parametrize("bits", [10, 12])
def test_deep_frames_become_8_bits_as_they_are_stored(bits: int, transfer: int) -> None:
    """Whatever light a number stands for, it is divided by 2^(bits - 8), and no more."""
    deep = RANDOM.integers(0, 1 << bits, (3, 32, 48), dtype=np.uint16)
    with pytest.warns(SignalNote, match=f"have {bits} bits a sample .* read as 8 bits"):
        signal = read_signal(deep_clip(deep, bits, transfer))
    assert (signal.sample_format, signal.channels) == (SampleFormat.U8, 1)
    assert np.abs(signal.values[..., 0] * 255 - deep / (1 << (bits - 8))).max() <= 2


def test_a_command_says_in_a_line_that_deep_frames_become_8_bits(tmp_path: Path) -> None:
    source, output = tmp_path / "a.mkv", tmp_path / "a.tnr"
    source.write_bytes(deep_clip(RANDOM.integers(0, 1024, (2, 8, 10), dtype=np.uint16), 10, 1))
    fitted = CliRunner().invoke(app, ["fit", str(source), "-o", str(output), "--effort", "fast", "--steps", "1"])
    assert fitted.exit_code == 0, fitted.output
    said = [line for line in fitted.stderr.splitlines() if "10 bits" in line]
    assert said == [
        "tuner: the frames of the video have 10 bits a sample (gray10le) and are read as 8 bits: what is finer is not "
        "kept"
    ]


def test_frames_of_8_bits_are_read_in_silence(recwarn: pytest.WarningsRecorder) -> None:
    for container in ("mkv", "mp4"):
        read_signal(
            encode_signal(Signal(values=(FRAMES / 255).astype(np.float32), kind=SignalKind.VIDEO), f"a.{container}")
        )
    assert not recwarn.list


def deep_clip(deep: NDArray[np.uint16], bits: int, transfer: int) -> bytes:
    """A grey video of more than 8 bits, without any loss."""
    _, height, width = deep.shape
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, f"gray{bits}le"
        stream.codec_context.color_trc = transfer
        stream.codec_context.color_range = 2
        for number, samples in enumerate(deep):
            frame = av.VideoFrame(width, height, f"gray{bits}le")
            plane = np.zeros((height, frame.planes[0].line_size // 2), "<u2")
            plane[:, :width] = samples
            frame.planes[0].update(plane.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


def test_interlaced_frames_stay_as_they_are_stored() -> None:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=10, options={"qp": "0", "x264-params": "tff=1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "gray"
        for number, samples in enumerate(FRAMES[..., 0]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(samples), format="gray")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with av.open(BytesIO(file.getvalue()), "r") as opened:
        decoded = list(opened.decode(video=0))
        assert all(frame.interlaced_frame for frame in decoded)
        expected = np.stack([frame.to_ndarray(format="gray") for frame in decoded]).astype(np.float64)
    assert np.abs(shown(file.getvalue())[..., 0] - expected).max() <= 1  # lines that were mixed differ by far more


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_matrix_and_range_of_the_source_are_not_written(suffix: str) -> None:
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 2
        output.mux(stream.encode(picture(FRAMES[0], 0).reformat(format="yuv444p")))
        output.mux(stream.encode())
    with av.open(BytesIO(file.getvalue())) as opened:
        assert (int(opened.streams.video[0].codec_context.colorspace), opened.streams.video[0].color_range) == (1, 2)
    signal = read_signal(file.getvalue())
    with av.open(BytesIO(encode_signal(signal, f"x.{suffix}"))) as opened:
        context = opened.streams.video[0].codec_context
        assert int(context.colorspace) in ({6} if suffix == "mp4" else {0, 2})
        assert int(context.color_range) != 2 or suffix == "mkv"


@pytest.mark.parametrize(("height", "tag"), [(64, 6), (720, 1)])
def test_an_mp4_says_which_matrix_its_colours_went_through(height: int, tag: int) -> None:
    """As the standards have it for that many rows, by their formula on the planes that FFmpeg gives."""
    colour = np.array([200, 40, 90], np.float32) / np.float32(255)
    signal = Signal(values=np.full((2, height, 64, 3), colour, np.float32), kind=SignalKind.VIDEO)
    data = encode_signal(signal, "x.mp4")
    with av.open(BytesIO(data), "r") as opened:
        context = opened.streams.video[0].codec_context
        assert (int(context.colorspace), int(context.color_range)) == (tag, 1)
        frame = next(opened.decode(video=0))
        y, u, v = (np.frombuffer(bytes(plane), np.uint8)[5 * plane.line_size + 5] for plane in frame.planes)
    red, blue = {6: (0.299, 0.114), 1: (0.2126, 0.0722)}[tag]
    luma = red * colour[0] + (1 - red - blue) * colour[1] + blue * colour[2]
    expected = (
        16 + 219 * luma,
        128 + 112 * (colour[2] - luma) / (1 - blue),
        128 + 112 * (colour[0] - luma) / (1 - red),
    )
    np.testing.assert_allclose((y, u, v), expected, atol=2)
    np.testing.assert_allclose(read_signal(data).values[0, height // 2, 32], colour, atol=3 / 255)


@pytest.mark.parametrize("turned", [False, True])
def test_the_shape_of_a_pixel_is_kept(turned: bool) -> None:
    """And lies on its side with the frames; but in Matroska, where FFV1 has no place for it that av can reach."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264rgb", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb24"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        if turned:
            stream.set_display_matrix([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30])
        for number, samples in enumerate(FRAMES):
            output.mux(stream.encode(picture(samples, number)))
        output.mux(stream.encode())
    signal = read_signal(file.getvalue())
    aspect = (3, 4) if turned else (4, 3)
    assert signal.details == VideoDetails(rate=(10, 1), aspect=aspect)
    data = encode_signal(signal, "x.mp4")
    with av.open(BytesIO(data), "r") as opened:
        assert opened.streams.video[0].sample_aspect_ratio == Fraction(*aspect)
    assert read_signal(data).details == signal.details
    assert read_signal(encode_signal(signal, "x.mkv")).details == VideoDetails(rate=(10, 1))
    plain = encode_signal(Signal(values=signal.values, kind=SignalKind.VIDEO), "x.mp4")
    assert read_signal(plain).details == VideoDetails(rate=(25, 1))


def test_a_grid_of_other_pixels_has_other_shapes_of_them() -> None:
    details = VideoDetails(rate=(10, 1), aspect=(4, 3))
    wide = Placement(steps=(1.0, 1.0, 0.5), starts=(0.0, 0.0, -0.25), shape=(4, 32, 96))
    assert details.placed(wide).aspect == (2, 3)
    even = Placement(steps=(0.5, 0.25, 0.25), starts=(0.0, 0.0, 0.0), shape=(8, 128, 192))
    assert details.placed(even).aspect == (4, 3)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_the_transparency_of_a_webm_is_refused(codec: str) -> None:
    file = BytesIO()
    with av.open(file, "w", format="webm") as output:
        stream: Any = output.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.metadata["alpha_mode"] = "1"
        output.mux(stream.encode(picture(FRAMES[0], 0).reformat(format="yuv420p")))
        output.mux(stream.encode())
    with pytest.raises(UnsupportedFormat, match="transparency"):
        read_signal(file.getvalue())


def test_frames_that_change_their_size_are_refused() -> None:
    file = BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream: Any = output.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        for number, size in enumerate((48, 32)):
            with av.open(single := BytesIO(), "w", format="mjpeg") as one:
                encoder: Any = one.add_stream("mjpeg", rate=10)
                encoder.width, encoder.height, encoder.pix_fmt = size, 32, "yuvj420p"
                samples = np.ascontiguousarray(FRAMES[number, :, :size])
                one.mux(encoder.encode(picture(samples, 0).reformat(format="yuvj420p")))
                one.mux(encoder.encode())
            packet = av.Packet(single.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
            packet.is_keyframe = True
            output.mux(packet)
    with pytest.raises(UnsupportedFormat, match="changes its size"):
        read_signal(file.getvalue())
