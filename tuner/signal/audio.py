"""Sound files to signals and back: WAV, FLAC and Ogg, through soundfile (libsndfile).

Values are in [-1, 1], one channel per loudspeaker, in the order of WAV and FLAC. Integer samples come back as the same
integers; floats may exceed 1 and keep doing so. libsndfile reads what is left of a truncated file without a word, so
that the length which the container declares is compared with what is there (`tuner.signal.sound_chunks`).
"""

from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any, Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.signal.details import AudioDetails
from tuner.signal.extras import require
from tuner.signal.large import LargeSignal
from tuner.signal.limits import SignalLimits
from tuner.signal.samples import SampleFormat, Storage
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.sound_chunks import ogg_links, out_of_ogg, with_true_lengths, without_id3

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
# How integers are asked for, which the decoder gives in the upper bits, and how many lie below them; floats of 32 bits.
_DECODED: Final = {
    SampleFormat.S8: ("int16", 8),
    SampleFormat.S16: ("int16", 0),
    SampleFormat.S24: ("int32", 8),
    SampleFormat.S32: ("int32", 0),
    SampleFormat.F32: ("float32", 0),
}
_OGG_CODECS: Final = {"VORBIS", "OPUS"}
_SUBTYPES: Final = {
    SampleFormat.S8: "PCM_U8",
    SampleFormat.S16: "PCM_16",
    SampleFormat.S24: "PCM_24",
    SampleFormat.S32: "PCM_32",
    SampleFormat.F16: "FLOAT",
    SampleFormat.F32: "FLOAT",
    SampleFormat.F64: "DOUBLE",
}
# FLAC holds at most 24 bits, and no floats.
_FLAC_SUBTYPES: Final = {SampleFormat.S8: "PCM_S8", SampleFormat.S16: "PCM_16"}
# Vorbis and Opus have the loudspeakers in another order than WAV and FLAC: where each of ours is found there.
_OGG_ORDER: Final = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
_UNKNOWN_FRAMES: Final = 1 << 62
_UNKNOWN_TO_LIBSNDFILE: Final = {1, 3}  # "Format not recognised", "unimplemented format"
_PIECE: Final = 1 << 16  # frames


def read_audio(data: bytes, limits: SignalLimits) -> Signal:
    """Decode a sound into a signal of shape (samples, channels).

    Args:
        data: content of the file.
        limits: held against the header before anything is decoded.

    Returns:
        The signal; its details have the sample rate.

    Raises:
        UnsupportedFormat: if it is no WAV, FLAC or Ogg, or soundfile is not installed.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it has no samples, or one is NaN or infinite.
        SignalTooLarge: if it is over a limit.
    """
    return stored_audio(data, limits).held()


def stored_audio(data: bytes, limits: SignalLimits) -> LargeSignal:
    """A sound as its file stores it: the integers of a WAV or a FLAC, else floats; raises what `read_audio` raises.

    Args:
        data: content of the file.
        limits: held against the header before anything is decoded.
    """
    soundfile = require("soundfile", "audio")
    data = without_id3(data)
    if data.startswith(b"BW64"):  # the broadcasters' name for the same
        data = b"RF64" + data[4:]
    if data.startswith((b"RIFF", b"RF64")):
        data = with_true_lengths(data)
    links = list(map(out_of_ogg, ogg_links(data))) if data.startswith(b"OggS") else [data]
    try:
        signals = []
        for link in links:
            with _forward_only(soundfile)(BytesIO(link)) as sound:
                signals.append(_decode(sound, link, limits))
                limits.check("points", sum(signal.sample_count for signal in signals))
                limits.check("values", sum(signal.sample_count * signal.channels for signal in signals))
    except SignalError:
        raise
    except soundfile.LibsndfileError as error:
        if error.code in _UNKNOWN_TO_LIBSNDFILE:
            raise UnsupportedFormat(
                f"the sound is of a codec or a variant that is not read ({error.error_string}), expected WAV, FLAC, "
                "Vorbis or Opus: convert it to a WAV or a FLAC"
            ) from error
        raise DamagedSignal(f"the sound is truncated or corrupt: {error.error_string}") from error
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        raise DamagedSignal(f"the sound is truncated or corrupt: {error}") from error
    return _chained(signals)


def write_audio(signal: Signal, container: str) -> bytes:
    """Encode a sound.

    Args:
        signal: sound to write, with one axis; without details it gets 44100 Hz.
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
        subtype = _SUBTYPES[signal.sample_format]
        stored = _FORMATS[subtype] if subtype == "FLOAT" else signal.sample_format
    else:
        stored = signal.sample_format if signal.sample_format in _FLAC_SUBTYPES else SampleFormat.S24
        subtype = _FLAC_SUBTYPES.get(stored, "PCM_24") if container == "flac" else "VORBIS"
    rate = signal.details.sample_rate if isinstance(signal.details, AudioDetails) else 44100
    samples = _as_decoder_takes_it(signal, stored)
    if subtype == "VORBIS" and signal.channels in _OGG_ORDER:
        samples = samples[:, np.argsort(_OGG_ORDER[signal.channels])]
    file = BytesIO()
    try:
        soundfile.write(file, samples, rate, subtype, format=container.upper())
    except Exception as error:  # whatever the library says, it is the sound that does not fit
        raise InvalidSignal(
            f"{signal.channels} channels at {rate} Hz cannot be written as {container}, write a wav: {error}"
        ) from error
    return file.getvalue()


def _decode(sound: Any, data: bytes, limits: SignalLimits) -> LargeSignal:
    if sound.format not in _CONTAINERS or sound.subtype not in _FORMATS:
        raise UnsupportedFormat(
            f"the sound is {sound.format} with {sound.subtype} samples, expected WAV, FLAC or Ogg: convert it"
        )
    limits.check("channels", sound.channels)
    # Ogg does not say its length first, and a FLAC from a pipe says 2^63: what is read is limited below.
    known = sound.frames < _UNKNOWN_FRAMES
    if known and not data.startswith(b"OggS"):
        limits.check("points", sound.frames)
        limits.check("values", sound.frames * sound.channels)
    sample_format = _FORMATS[sound.subtype]
    most = min(limits.points, limits.values // sound.channels) + 1
    frames = min(sound.frames, most) if known else most
    samples = _read(sound, frames, sample_format, limits)
    limits.check("points", len(samples))
    limits.check("values", samples.size)
    if known and len(samples) < frames:
        raise DamagedSignal(f"the sound ends after {len(samples)} of {frames} samples: it is truncated")
    if sound.subtype in _OGG_CODECS and sound.channels in _OGG_ORDER and _has_loudspeakers(data):
        samples = samples[:, list(_OGG_ORDER[sound.channels])]
    if not len(samples):
        raise InvalidSignal("the sound has no samples, expected at least one")
    return LargeSignal(
        samples=samples,
        grid_shape=samples.shape[:1],
        channels=samples.shape[1],
        kind=SignalKind.AUDIO,
        sample_format=sample_format,
        details=AudioDetails(sample_rate=sound.samplerate),
    )


def _has_loudspeakers(data: bytes) -> bool:
    """Whether the channels of an Ogg stand for loudspeakers: of an Opus its head says so, by mapping family 1."""
    place = data.find(b"OpusHead", 0, 1 << 10)
    return place < 0 or data[place + 18 : place + 19] == b"\x01"


def _read(sound: Any, frames: int, sample_format: SampleFormat, limits: SignalLimits) -> np.ndarray:
    """So many frames, or those that are there, in pieces: a length that a header declares takes no memory."""
    decoded, shift = _DECODED.get(sample_format, ("float64", 0))
    # Floats of 64 bits are values of 32 in the end, and lie in memory as such.
    stored = sample_format.dtype if sample_format.is_integer else np.dtype(np.float32)
    held, left = bytearray(), frames
    while left:
        piece = sound.read(min(left, _PIECE), dtype=decoded, always_2d=True)
        if not len(piece):
            break
        if sample_format.is_integer:
            held += (piece >> shift).astype(stored, copy=False).data.cast("B")
        else:
            held += np.ascontiguousarray(Storage(SampleFormat.F32).to_values(piece)).data.cast("B")
        limits.check("stored_bytes", len(held))
        left -= len(piece)
    return np.frombuffer(held, stored).reshape(-1, sound.channels)


@cache
def _forward_only(soundfile: Any) -> Any:
    """Of soundfile's reader one that never goes back, which libsndfile cannot in a FLAC of unknown length."""
    return type("ForwardOnly", (soundfile.SoundFile,), {"seekable": lambda _: False})


def _chained(signals: list[LargeSignal]) -> LargeSignal:
    """Sounds that follow each other in one file as one."""
    first = signals[0]
    kinds = {(signal.channels, signal.details) for signal in signals}
    if len(kinds) > 1:
        raise UnsupportedFormat(
            f"the Ogg file has {len(signals)} sounds in a row that differ in rate or channels, expected one: split it"
        )
    if len(signals) == 1:
        return first
    samples = np.concatenate([np.asarray(signal.samples) for signal in signals])
    return replace(first, samples=samples, grid_shape=samples.shape[:1])


def _as_decoder_takes_it(signal: Signal, stored: SampleFormat) -> np.ndarray:
    """Integers in the upper bits of 16 or 32; of floats libsndfile writes 2^15 - 1 times as much and reads 2^-15."""
    samples: np.ndarray = Storage(stored).to_samples(signal.values)
    if stored in {SampleFormat.S8, SampleFormat.S24}:
        wide = np.int16 if stored is SampleFormat.S8 else np.int32
        samples = np.left_shift(samples.astype(wide), 8)
    return samples
