"""Sounds of every subtype are what FFmpeg decodes, channel by channel."""

from io import BytesIO
from typing import Any, Final

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.tuner.signal.examples import tried
from tuner.signal.details import AudioDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind

RANDOM = np.random.default_rng(17)
SUBTYPES: Final = {
    "WAV": ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"],
    "WAVEX": ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"],
    "RF64": ["PCM_16", "PCM_24", "FLOAT"],
    "FLAC": ["PCM_S8", "PCM_16", "PCM_24"],
}
STEPS: Final = {"u8": 128.0, "s16": 2.0**15, "s32": 2.0**31}


def by_ffmpeg(data: bytes) -> tuple[NDArray[np.float64], int]:
    """Values (samples, channels), loudspeakers in the order of WAV, and the rate."""
    parts = []
    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        # Channel after channel av reads beyond the eighth; side by side it does not.
        kind = stream.format.name.removesuffix("p")
        packed = av.AudioResampler(format=kind, layout=stream.layout, rate=stream.rate)
        for frame in container.decode(stream):
            for part in packed.resample(frame):
                array: NDArray[Any] = part.to_ndarray().reshape(-1, part.layout.nb_channels).T
                parts.append((array.astype(np.float64) - (128 if kind == "u8" else 0)) / STEPS.get(kind, 1.0))
        return np.concatenate(parts, 1).T, int(stream.rate or 0)


@tried(40)
@given(st.data())
def test_samples_and_rate_are_those_of_ffmpeg(data: st.DataObject) -> None:
    container = data.draw(st.sampled_from(sorted(SUBTYPES)))
    subtype = data.draw(st.sampled_from(SUBTYPES[container]))
    rate = data.draw(st.sampled_from([8000, 11025, 44100, 96000]))
    shape = (data.draw(st.integers(1, 5000)), data.draw(st.integers(1, 8)))
    file = BytesIO()
    soundfile.write(file, RANDOM.uniform(-0.99, 0.99, shape), rate, subtype, format=container)
    signal = read_signal(file.getvalue())
    expected, expected_rate = by_ffmpeg(file.getvalue())
    np.testing.assert_allclose(signal.values, expected, atol=1e-7)
    assert signal.details == AudioDetails(sample_rate=rate)
    assert rate == expected_rate
    again, _ = by_ffmpeg(encode_signal(signal, "x.wav"))
    np.testing.assert_allclose(again, expected, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8])
def test_loudspeakers_of_an_ogg_are_in_the_order_of_a_wav(channels: int) -> None:
    """Each channel of another loudness, written by ours and by FFmpeg."""
    loudness = np.linspace(0.1, 0.8, channels)
    values = (np.sin(np.arange(20000) / 60)[:, None] * loudness).astype(np.float32)
    details = AudioDetails(sample_rate=48000)
    signal = Signal(values=values, kind=SignalKind.AUDIO, sample_format=SampleFormat.F32, details=details)
    written = encode_signal(signal, "x.ogg")
    files = [written]
    if channels in {1, 2, 6, 8}:
        files.append(opus(values, {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[channels]))
    bass = {6: 3, 7: 3, 8: 3}.get(channels)  # is filtered
    rest = [number for number in range(channels) if number != bass]
    for data in files:
        seen, _ = by_ffmpeg(data)
        for shown in (seen, read_signal(data).values):
            found = np.abs(shown[4000:16000]).max(0)
            np.testing.assert_allclose(found[rest], loudness[rest], atol=0.04)


def opus(values: NDArray[np.float32], layout: str) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="ogg") as output:
        stream: Any = output.add_stream("libopus", rate=48000)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(values.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = 48000
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=48000)
        fifo = av.AudioFifo()
        for part in resampler.resample(frame):
            fifo.write(part)
        for part in fifo.read_many(960):
            output.mux(stream.encode(part))
        output.mux(stream.encode())
    return file.getvalue()
