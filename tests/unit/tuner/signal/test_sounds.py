"""Sounds are the samples that are there, whatever lengths their headers declare, held against the standard library."""

import struct
import wave
from fractions import Fraction
from io import BytesIO
from typing import Any, Final

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.signals import chirp
from tuner.errors import DamagedSignal, InvalidSignal, SignalError, SignalTooLarge, UnsupportedFormat
from tuner.signal.details import AudioDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.limits import SignalLimits
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal

quick: Final = settings(derandomize=True, max_examples=40, deadline=None, database=None)
RANDOM = np.random.default_rng(9)


def wav(samples: NDArray[Any], rate: int = 8000) -> bytes:
    """Written by the standard library: 8, 16, 24 (held in 32, lower bits) or 32 bits."""
    width = {"u1": 1, "i2": 2, "i3": 3, "i4": 4}["i3" if samples.dtype == "<i8" else samples.dtype.str[1:]]
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(width)
        writer.setframerate(rate)
        raw = samples.tobytes() if width != 3 else samples.astype("<i4").view("u1").reshape(-1, 4)[:, :3].tobytes()
        writer.writeframes(raw)
    return file.getvalue()


def with_sizes(data: bytes, declared: int, riff: int, more: bytes = b"") -> bytes:
    return data[:4] + struct.pack("<I", riff) + data[8:40] + struct.pack("<I", declared) + data[44:] + more


def integers(signal: Signal) -> NDArray[Any]:
    samples: NDArray[Any] = signal.storage.to_samples(signal.values)
    return samples


@st.composite
def sounds(draw: st.DrawFn) -> tuple[NDArray[Any], int]:
    dtype = draw(st.sampled_from(["u1", "<i2", "<i8", "<i4"]))
    bits = {"u1": 8, "<i2": 16, "<i8": 24, "<i4": 32}[dtype]
    shape = (draw(st.integers(1, 300)), draw(st.integers(1, 6)))
    low, high = (0, 256) if bits == 8 else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    samples = RANDOM.integers(low, high, shape)
    return (samples // 256 * 256 if bits == 32 else samples).astype(dtype), draw(st.sampled_from([1, 8000, 44100]))


@quick
@given(sounds(), st.sampled_from([None, 0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDA]), st.booleans())
def test_a_sound_from_a_pipe_is_the_samples_that_are_there(
    case: tuple[NDArray[Any], int], declared: int | None, crashed: bool
) -> None:
    samples, rate = case
    data = wav(samples, rate)
    if declared is not None:
        data = with_sizes(data, declared, 0 if crashed else min(declared + 36, 0xFFFFFFFF))
    signal = read_signal(data)
    assert signal.details == AudioDetails(sample_rate=rate)
    # The library holds a float of 24 bits: those are what is compared.
    expected = samples.astype(np.int64) - (128 if samples.dtype == "u1" else 0)
    np.testing.assert_array_equal(integers(signal), expected)
    with wave.open(BytesIO(encode_signal(signal, "x.wav"))) as opened:
        raw = opened.readframes(opened.getnframes())
    assert raw == wav(samples, rate)[44:]


def test_an_unfinished_frame_at_the_end_of_a_pipe_is_left_out() -> None:
    samples = RANDOM.integers(-99, 99, (50, 2)).astype("<i2")
    data = with_sizes(wav(samples), 0x7FFFF000, 0x7FFFF024, b"\x01\x02\x03")
    np.testing.assert_array_equal(integers(read_signal(data)), samples)


def rf64(samples: NDArray[Any], declared: int) -> bytes:
    whole = wav(samples)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, min(declared + 72, 2**64 - 1), declared, len(samples), 0)
    return b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + whole[12:40] + b"\xff" * 4 + whole[44:]


@pytest.mark.parametrize("declared", [None, 0, 2**64 - 1])
def test_long_lengths_are_read_and_if_open_filled_in(declared: int | None) -> None:
    samples = RANDOM.integers(-99, 99, (50, 2)).astype("<i2")
    data = rf64(samples, samples.nbytes if declared is None else declared)
    np.testing.assert_array_equal(integers(read_signal(data)), samples)


def test_a_chunk_without_bytes_before_other_chunks_is_empty() -> None:
    data = with_sizes(wav(np.zeros((1, 1), "<i2"))[:44], 0, 54) + b"LIST\x0a\0\0\0INFOabcdef"
    with pytest.raises(InvalidSignal, match="no samples"):
        read_signal(data)


def flac(samples: NDArray[Any], subtype: str = "PCM_16") -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, 8000, subtype, format="FLAC")
    return file.getvalue()


def of_unknown_length(data: bytes) -> bytes:
    """STREAMINFO is the first block: its 36 bits of the number of samples follow 20 + 3 + 5 bits at byte 18."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]


def id3(size: int, footer: bool = False) -> bytes:
    length = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0" + (b"\x10" if footer else b"\0") + length + bytes(size) + (b"3DI" + bytes(7) if footer else b"")


@quick
@given(
    st.sampled_from(["PCM_S8", "PCM_16", "PCM_24"]),
    st.integers(1, 9000),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([b"", id3(0), id3(300), id3(20, footer=True), id3(5) + id3(200)]),
)
def test_a_flac_is_read_whole_whatever_it_says_of_its_length(
    subtype: str, length: int, channels: int, unknown: bool, tag: bytes
) -> None:
    samples = RANDOM.integers(-(2**7), 2**7, (length, channels)).astype(np.int32) << 24
    whole = flac(samples, subtype)
    expected, _ = soundfile.read(BytesIO(whole), dtype="int32", always_2d=True)
    signal = read_signal(tag + (of_unknown_length(whole) if unknown else whole))
    bits = signal.sample_format.bits
    np.testing.assert_array_equal(integers(signal).astype(np.int64) << (32 - bits), expected)
    np.testing.assert_array_equal(read_signal(encode_signal(signal, "x.flac")).values, signal.values)


def test_limits_hold_where_no_length_is_known() -> None:
    data = of_unknown_length(flac(np.zeros((9000, 1), np.int16)))
    with pytest.raises(SignalTooLarge):
        read_signal(data, SignalLimits(points=8999))


def ogg(samples: NDArray[Any], rate: int = 48000, subtype: str = "VORBIS") -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate, subtype, format="OGG")
    return file.getvalue()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_ogg_sounds_in_a_row_are_one_sound(subtype: str, count: int) -> None:
    parts = [ogg(chirp(length, 2), subtype=subtype) for length in (4000, 9000, 2500)[:count]]
    expected = np.concatenate([soundfile.read(BytesIO(part), dtype="float32")[0] for part in parts])
    signal = read_signal(b"".join(parts))
    np.testing.assert_array_equal(signal.values, expected)
    assert read_signal(encode_signal(signal, "x.wav")).grid_shape == signal.grid_shape


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
@pytest.mark.parametrize("channels", [1, 2])
def test_long_wavs_go_by_two_names(name: bytes, channels: int) -> None:
    samples = RANDOM.integers(-9999, 9999, (50, channels)).astype("<i2")
    signal = read_signal(name + rf64(samples, 2 * samples.size)[4:])
    np.testing.assert_array_equal(integers(signal), samples)


def flac_in_ogg(samples: NDArray[np.int16], rate: int = 8000) -> bytes:
    """Written by FFmpeg, mono."""
    file = BytesIO()
    with av.open(file, "w", format="ogg") as output:
        stream: Any = output.add_stream("flac", rate=rate)
        stream.layout, stream.format = "mono", "s16"
        for start in range(0, len(samples), 1000):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1000], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize("length", [1, 999, 20_000])
def test_a_flac_within_an_ogg_is_a_flac(length: int) -> None:
    samples = RANDOM.integers(-9999, 9999, length).astype(np.int16)
    data = flac_in_ogg(samples)
    signal = read_signal(data)
    assert (signal.sample_format, signal.details) == (SampleFormat.S16, AudioDetails(sample_rate=8000))
    np.testing.assert_array_equal(integers(signal)[:, 0], samples)
    np.testing.assert_array_equal(integers(read_signal(data + data))[:, 0], np.concatenate([samples, samples]))
    np.testing.assert_array_equal(read_signal(encode_signal(signal, "x.flac")).values, signal.values)
    with pytest.raises(DamagedSignal, match="truncated"):
        read_signal(data[:-9])


def test_a_flac_within_an_ogg_that_is_none_is_refused() -> None:
    with pytest.raises(SignalError) as caught:
        read_signal(flac_in_ogg(np.zeros(99, np.int16)).replace(b"fLaC", b"none"))
    assert "object at" not in str(caught.value)


def of_form(tag: int, bits: int, further: int | None = None) -> bytes:
    """A WAV of 60 zeros whose chunk "fmt " says what it likes."""
    form = struct.pack("<HHIIHH", tag, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    if further is not None:
        form += struct.pack("<HHIH", 22, bits, 0, further) + bytes.fromhex("000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 60) + bytes(60)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def beside_each_other() -> bytes:
    """The first page of a second stream straight behind that of the first."""
    one, other = ogg(chirp(3000)), ogg(chirp(3000))
    first = 27 + one[26] + sum(one[27 : 27 + one[26]])
    return one[:first] + other[:first] + one[first:]


REFUSED: dict[str, tuple[bytes, type[SignalError], str]] = {
    "sounds in a row of two rates": (ogg(chirp(3000)) + ogg(chirp(3000), 22050), UnsupportedFormat, "differ"),
    "sounds in a row of other channels": (ogg(chirp(3000)) + ogg(chirp(3000, 2)), UnsupportedFormat, "differ"),
    "streams beside each other": (beside_each_other(), UnsupportedFormat, "beside"),
    "the second sound cut": ((ogg(chirp(3000)) + ogg(chirp(30000)))[:-900], DamagedSignal, "truncated"),
    "a length that could be true": (with_sizes(wav(np.zeros((9, 1), "<i2")), 1000, 1036), DamagedSignal, "982 bytes"),
    "an RF64 cut": (rf64(np.zeros((50, 2), "<i2"), 400), DamagedSignal, "truncated"),
    "half a flac of unknown length": (
        of_unknown_length(flac(RANDOM.integers(-99, 99, (9000, 1)).astype(np.int16)))[:50],
        SignalError,
        "truncated|no samples",
    ),
    "a codec in a wav": (
        (lambda data: data[:20] + b"\x45\x00" + data[22:])(wav(np.zeros((9, 1), "<i2"))),
        UnsupportedFormat,
        "codec number 0x0045",
    ),
    "floats of 16 bits": (of_form(3, 16), UnsupportedFormat, "floats of 16 bits"),
    "integers of 64 bits": (of_form(1, 64), UnsupportedFormat, "integers of 64 bits"),
    "floats of 16 bits, said further down": (of_form(0xFFFE, 16, 3), UnsupportedFormat, "floats of 16 bits"),
    "a codec that is said further down": (of_form(0xFFFE, 16, 0x11), UnsupportedFormat, "IMA ADPCM"),
    "an MP3 behind its tag": (id3(100) + b"\xff\xfb\x90\x64" + bytes(400), UnsupportedFormat, "MP3"),
    "an AIFF": (b"FORM\0\0\0\x20AIFF" + bytes(40), UnsupportedFormat, "AIFF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(name: str) -> None:
    data, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        read_signal(data)
