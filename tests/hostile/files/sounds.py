"""Hostile files: sounds, as WAV, FLAC, Ogg and MP3."""

import struct
from functools import cache, partial
from io import BytesIO

import numpy as np

from tests.hostile.files.kinds import (
    BOMB,
    CUT,
    DAMAGED,
    INVALID,
    MAGIC,
    MANY,
    MIX,
    NUMBER,
    REFERENCE,
    SHAPE,
    TOO_LARGE,
    UNSUPPORTED,
    add,
)
from tests.hostile.files.pieces import honest, patched, patched_in, replaced


@cache
def silence(frames: int, channels: int) -> bytes:
    """A FLAC of nothing, a ten-thousandth of it in bytes."""
    import soundfile

    file = BytesIO()
    with soundfile.SoundFile(file, "w", 44100, channels, "PCM_16", format="FLAC") as sound:
        for _ in range(0, frames, 1 << 18):
            sound.write(np.zeros((1 << 18, channels), np.int16))
    return file.getvalue()


def wav(form: bytes, body: bytes = bytes(64), declared: int | None = None) -> bytes:
    content = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    content += b"data" + struct.pack("<I", len(body) if declared is None else declared) + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


def wav_format(codec: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16) -> bytes:
    wide = max(1, channels * bits // 8)
    return struct.pack("<HHIIHH", codec, channels, rate, min(rate * wide, 2**32 - 1), min(wide, 65535), bits)


for _name, _form, _code in (
    ("of 65535 channels", wav_format(channels=65535), DAMAGED),
    ("of no channels", wav_format(channels=0), DAMAGED),
    ("of 1000 channels", wav_format(channels=1000), TOO_LARGE),
    ("of no rate", wav_format(rate=0), DAMAGED),
    ("of no bits", wav_format(bits=0), DAMAGED),
    ("of 65535 bits", wav_format(bits=65535), DAMAGED),
    ("of a codec that is none", wav_format(codec=0x1234), UNSUPPORTED),
    ("of MP3", wav_format(codec=0x55), UNSUPPORTED),
    ("without a whole format", b"\1\0", DAMAGED),
):
    add(f"wav {_name}", SHAPE, _code, partial(lambda form: wav(form), _form))
add("wav of 1 GB that is not there", CUT, DAMAGED, lambda: wav(wav_format(), declared=1 << 30))
add("wav of 4 GB, as pipes say", SHAPE, None, lambda: wav(wav_format(), declared=2**32 - 1))
add(
    "wav of 100,000 chunks",
    MANY,
    DAMAGED,
    lambda: replaced(honest("wav"), b"fmt ", b"junk\0\0\0\0" * 100_000 + b"fmt "),
)
add("wav of a chunk of 4 GB", SHAPE, DAMAGED, lambda: replaced(honest("wav"), b"data", b"junk\xff\xff\xff\xffdata"))
add(
    "wav of floats that are none",
    NUMBER,
    INVALID,
    lambda: wav(wav_format(3, bits=32), struct.pack("<f", float("nan")) * 16),
)
add("rf64 of 2^63 bytes", SHAPE, None, lambda: rf64(2**63))
add("100,000 ID3 tags and no sound", MANY, UNSUPPORTED, lambda: (b"ID3\4\0\0\0\0\0\0") * 100_000)
add("100,000 ID3 tags before a FLAC", MANY, None, lambda: (b"ID3\4\0\0\0\0\0\0") * 100_000 + honest("flac"))
add("an ID3 tag of 256 MB", SHAPE, UNSUPPORTED, lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + honest("flac"))
add("flac of 2^36-1 samples", SHAPE, TOO_LARGE, lambda: flac_of(2**36 - 1))
add("flac of more samples than it has", CUT, DAMAGED, lambda: flac_of(2**24))
add("flac of silence on 8 channels for an hour", BOMB, TOO_LARGE, lambda: flac_of(2**25, silence(1 << 18, 8)))
add("flac of 100,000 blocks", MANY, None, lambda: patched_in(honest("flac"), 42, b"\x01\0\0\0" * 100_000))
add(
    "flac with a picture of 16 MB that is not there",
    SHAPE,
    DAMAGED,
    lambda: patched_in(honest("flac"), 42, b"\x06\xff\xff\xff"),
)
add(
    "flac with a picture that is elsewhere",
    REFERENCE,
    None,
    lambda: patched_in(honest("flac"), 42, flac_picture(b"http://127.0.0.1:9/x.png")),
)
add("ogg of 300 sounds in a row", MANY, TOO_LARGE, lambda: honest("ogg") * 300)
add("ogg of 100,000 empty pages", MANY, UNSUPPORTED, lambda: (b"OggS\0\2" + bytes(21)) * 100_000)
add(
    "ogg of two streams beside each other",
    MANY,
    UNSUPPORTED,
    lambda: honest("ogg")[:58] + patched(honest("ogg"), 14, b"abcd"),
)
add("ogg of a later version", MAGIC, UNSUPPORTED, lambda: patched(honest("ogg"), 4, b"\x09"))
add("ogg that holds a video", MIX, UNSUPPORTED, lambda: replaced(honest("ogg"), b"\x01vorbis", b"\x80theora"))


def rf64(count: int) -> bytes:
    sizes = b"ds64" + struct.pack("<IQQQI", 28, count + 80, count, count, 0)
    content = b"WAVE" + sizes + b"fmt " + struct.pack("<I", 16) + wav_format() + b"data\xff\xff\xff\xff" + bytes(64)
    return b"RF64\xff\xff\xff\xff" + content


def flac_of(samples: int, data: bytes = b"") -> bytes:
    """A FLAC whose head says another length: the low 36 bits of eight bytes."""
    data = data or honest("flac")
    (head,) = struct.unpack(">Q", data[18:26])
    return patched(data, 18, struct.pack(">Q", head >> 36 << 36 | samples))


def flac_picture(address: bytes) -> bytes:
    body = struct.pack(">II", 3, 3) + b"-->" + bytes(4) + bytes(16) + struct.pack(">I", len(address)) + address
    return b"\x06" + len(body).to_bytes(3, "big") + body
