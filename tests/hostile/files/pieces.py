"""Small honest files of every format, and pieces of others, from which hostile ones are made."""

import struct
import zlib
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

from tuner.signal.details import AudioDetails
from tuner.signal.formats import encode_signal
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal

_HONEST = {
    "png": (SignalKind.IMAGE, (32, 32, 3), "x.png"),
    "wav": (SignalKind.AUDIO, (4000, 1), "x.wav"),
    "flac": (SignalKind.AUDIO, (4000, 1), "x.flac"),
    "ogg": (SignalKind.AUDIO, (4000, 1), "x.ogg"),
    "nii": (SignalKind.VOLUME, (8, 8, 8, 1), "x.nii"),
    "nii.gz": (SignalKind.VOLUME, (8, 8, 8, 1), "x.nii.gz"),
    "stack": (SignalKind.VOLUME, (4, 16, 16, 1), "x.tif"),
    "mp4": (SignalKind.VIDEO, (6, 32, 32, 3), "x.mp4"),
    "mkv": (SignalKind.VIDEO, (6, 32, 32, 3), "x.mkv"),
    "npy": (SignalKind.ARRAY, (16, 16, 1), "x.npy"),
    "page": (SignalKind.ARRAY, (16, 16, 1), "x.tif"),
}
MESH = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


@cache
def honest(kind: str) -> bytes:
    """A small file of a format, with noise for samples so that nothing about it compresses away."""
    if kind in {"jpeg", "webp", "tiff"}:
        file = BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file, kind.upper())
        return file.getvalue()
    if kind == "avi":
        return _avi()
    if kind in {"obj", "ply", "stl"}:
        return {"obj": MESH, "ply": ply(), "stl": stl(4)}[kind]
    signal_kind, shape, name = _HONEST[kind]
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    details = AudioDetails(sample_rate=8000) if signal_kind is SignalKind.AUDIO else None
    stored = SampleFormat.S16 if signal_kind is SignalKind.AUDIO else SampleFormat.U8
    return encode_signal(Signal(values=values, kind=signal_kind, sample_format=stored, details=details), name)


def _avi() -> bytes:
    import av

    file = BytesIO()
    with av.open(file, "w", format="avi") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for shade in range(4):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * shade, np.uint8))))
        output.mux(stream.encode())
    return file.getvalue()


def ply(elements: bytes = b"", body: bytes | None = None, vertices: int = 4, faces: int = 4) -> bytes:
    corners = b"0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
    return (
        b"ply\nformat ascii 1.0\nelement vertex %d\nproperty float x\nproperty float y\nproperty float z\n%s"
        b"element face %d\nproperty list uchar int vertex_indices\nend_header\n%s"
        % (vertices, elements, faces, corners if body is None else body)
    )


def binary_ply(vertices: int, faces: int, body: bytes, count: bytes = b"uchar") -> bytes:
    return (
        b"ply\nformat binary_little_endian 1.0\nelement vertex %d\nproperty float x\nproperty float y\n"
        b"property float z\nelement face %d\nproperty list %s int vertex_indices\nend_header\n%s"
        % (vertices, faces, count, body)
    )


def stl(declared: int, there: int = 4) -> bytes:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype="<f4")
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    records = b"".join(bytes(12) + corners[list(face)].tobytes() + bytes(2) for face in faces)
    return bytes(80) + struct.pack("<I", declared) + (records * (there // 4 or 1))[: 50 * there]


def patched(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data, old
    return data.replace(old, new, 1)


def patched_in(data: bytes, place: int, more: bytes) -> bytes:
    return data[:place] + more + data[place:]


@cache
def deflated_zeros(count: int, form: int = 15) -> bytes:
    """So many zeros, a thousandth of it in bytes."""
    packer = zlib.compressobj(9, wbits=form)
    pieces = [packer.compress(bytes(min(1 << 20, count - done))) for done in range(0, count, 1 << 20)]
    return b"".join([*pieces, packer.flush()])


LAUGHS = b"<!DOCTYPE x [<!ENTITY a0 'ha'>" + b"".join(
    b"<!ENTITY a%d '%s'>" % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 12)
) + b"]>"  # fmt: skip
