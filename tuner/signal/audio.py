"""Sound files to signals and back: WAV, FLAC and Ogg, through soundfile (libsndfile).

Values are in [-1, 1], one channel per loudspeaker. Integer samples come back as the same integers; floats may exceed 1
and keep doing so. libsndfile reads what is left of a truncated file without a word, so that the length which the
container declares is compared with what is there.
"""

from io import BytesIO
from typing import Any, Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.signal.details import AudioDetails
from tuner.signal.extras import require
from tuner.signal.limits import SignalLimits
from tuner.signal.samples import SampleFormat, Storage
from tuner.signal.signal import Signal, SignalKind

_CONTAINERS: Final = {"WAV", "WAVEX", "RF64", "FLAC", "OGG"}
_FORMATS: Final = {
    "PCM_S8": SampleFormat.S8,
    "PCM_U8": SampleFormat.S8,
    "PCM_16": SampleFormat.S16,
    "PCM_24": SampleFormat.S24,
    "PCM_32": SampleFormat.S32,
    "ULAW": SampleFormat.S16,
    "ALAW": SampleFormat.S16,
    "FLOAT": SampleFormat.F32,
    "DOUBLE": SampleFormat.F64,
    "VORBIS": SampleFormat.F32,
    "OPUS": SampleFormat.F32,
}
_SUBTYPES: Final = {
    SampleFormat.S8: "PCM_U8",
    SampleFormat.S16: "PCM_16",
    SampleFormat.S24: "PCM_24",
    SampleFormat.S32: "PCM_32",
    SampleFormat.F32: "FLOAT",
    SampleFormat.F64: "DOUBLE",
}
# FLAC holds at most 24 bits, and no floats.
_FLAC_SUBTYPES: Final = {SampleFormat.S8: "PCM_S8", SampleFormat.S16: "PCM_16"}
_STREAMED: Final = 0xFFFFFFFF  # length of a WAV whose writer could not go back to fill it in
_LAST_PAGE: Final = 0x04  # flag of an Ogg page
_OGG_PAGE_BYTES: Final = 65307  # at most


def read_audio(data: bytes, limits: SignalLimits) -> Signal:
    """Decode a sound into a signal of shape (samples, channels).

    Args:
        data: of the file.
        limits: held against the header before anything is decoded.

    Returns:
        The signal; its details have the sample rate.

    Raises:
        UnsupportedFormat: if it is no WAV, FLAC or Ogg, or soundfile is not installed.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it has no samples, or one is NaN or infinite.
        SignalTooLarge: if it is over a limit.
    """
    soundfile = require("soundfile", "audio")
    try:
        with soundfile.SoundFile(BytesIO(data)) as sound:
            return _decode(sound, data, limits)
    except SignalError:
        raise
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        raise DamagedSignal(
            f"the sound is truncated, corrupt, or of a variant that is not supported: {error}"
        ) from error


def write_audio(signal: Signal, container: str) -> bytes:
    """Encode a sound.

    Args:
        signal: of one axis; without details it gets 44100 Hz.
        container: "wav" (keeps the sample format), "flac" (8, 16 or 24 bits) or "ogg" (Vorbis, lossy).

    Returns:
        The file.

    Raises:
        InvalidSignal: if the signal has more than one axis, or a sample format no such file has.
    """
    soundfile = require("soundfile", "audio")
    if len(signal.grid_shape) != 1:
        raise InvalidSignal(f"the signal has shape {signal.values.shape}, expected (samples, channels) for a sound")
    if signal.sample_format not in _SUBTYPES:
        raise InvalidSignal(f"samples are {signal.sample_format}, expected signed integers or floats for a sound")
    if container == "wav":
        stored = signal.sample_format
        subtype = _SUBTYPES[stored]
    else:
        stored = signal.sample_format if signal.sample_format in _FLAC_SUBTYPES else SampleFormat.S24
        subtype = _FLAC_SUBTYPES.get(stored, "PCM_24") if container == "flac" else "VORBIS"
    rate = signal.details.sample_rate if isinstance(signal.details, AudioDetails) else 44100
    file = BytesIO()
    try:
        soundfile.write(file, _as_decoder_takes_it(signal, stored), rate, subtype, format=container.upper())
    except soundfile.LibsndfileError as error:
        raise InvalidSignal(
            f"{signal.channels} channels at {rate} Hz cannot be written as {container}, write a wav: {error}"
        ) from error
    return file.getvalue()


def _decode(sound: Any, data: bytes, limits: SignalLimits) -> Signal:
    if sound.format not in _CONTAINERS or sound.subtype not in _FORMATS:
        raise UnsupportedFormat(
            f"the sound is {sound.format} with {sound.subtype} samples, expected WAV, FLAC or Ogg: convert it"
        )
    limits.check("channels", sound.channels)
    if data.startswith((b"RIFF", b"fLaC")):  # elsewhere the length is not in the header; what is read is limited below
        limits.check("points", sound.frames)
    _check_whole(data)
    sample_format = _FORMATS[sound.subtype]
    wide = sample_format in {SampleFormat.S32, SampleFormat.F64}
    frames = min(sound.frames, limits.points + 1)
    values = sound.read(frames, dtype="float64" if wide else "float32", always_2d=True)
    limits.check("points", len(values))
    if len(values) < frames:
        raise DamagedSignal(f"the sound ends after {len(values)} of {frames} samples: it is truncated")
    if not len(values):
        raise InvalidSignal("the sound has no samples, expected at least one")
    return Signal(
        values=Storage(SampleFormat.F32).to_values(values),
        kind=SignalKind.AUDIO,
        sample_format=sample_format,
        details=AudioDetails(sample_rate=sound.samplerate),
    )


def _as_decoder_takes_it(signal: Signal, stored: SampleFormat) -> np.ndarray:
    """Integers in the upper bits of 16 or 32; of floats libsndfile writes 2^15 - 1 times as much and reads 2^-15."""
    samples: np.ndarray = Storage(stored).to_samples(signal.values)
    if stored in {SampleFormat.S8, SampleFormat.S24}:
        wide = np.int16 if stored is SampleFormat.S8 else np.int32
        samples = np.left_shift(samples.astype(wide), 8)
    return samples


def _check_whole(data: bytes) -> None:
    if data.startswith(b"RIFF"):
        missing = _missing_in_riff(data)
        if missing:
            raise DamagedSignal(f"the sound lacks the last {missing} bytes of its samples: it is truncated")
    elif data.startswith(b"OggS"):
        last = data.rfind(b"OggS", max(0, len(data) - _OGG_PAGE_BYTES))
        if last < 0 or last + 5 >= len(data) or not data[last + 5] & _LAST_PAGE:
            raise DamagedSignal("the sound ends before its last page: it is truncated")


def _missing_in_riff(data: bytes) -> int:
    """Bytes that the data chunk declares and the file does not have."""
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"data":
            return 0 if size == _STREAMED else max(0, position + 8 + size - len(data))
        position += 8 + size + size % 2
    return 0
