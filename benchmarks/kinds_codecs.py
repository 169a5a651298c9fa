"""What each kind of signal is usually coded with, each at one of its settings: bytes of a file, and the signal back.

Sounds: Opus in Ogg (libopus through av, resampled to 48 kHz and back), FLAC in 16 bits. Volumes and arrays: zfp, SZ3
and SPERR of the values in single precision, and JPEG 2000 of every slice in 16 bits, each slice with four bytes for its
length; what leads from values to samples is not counted. Videos: H.264 in MP4 (libx264, slow, full chroma). Meshes:
Draco, whose vertices have so many bits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO

import av
import DracoPy
import imagecodecs
import numpy as np
import soundfile

from tuner.shapes import FloatArray
from tuner.signal.details import AudioDetails, DistanceDetails, VideoDetails
from tuner.signal.distance import signed_distances
from tuner.signal.formats import read_signal
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.triangles import Mesh

_OPUS_RATE = 48_000


@dataclass(frozen=True, slots=True)
class Source:
    """What is coded.

    Attributes:
        signal: the samples that quality is measured on.
        surface: of a distance field, the mesh that it came from.
    """

    signal: Signal
    surface: Mesh | None = None


@dataclass(frozen=True, slots=True)
class Rival:
    """A codec and its settings.

    Attributes:
        settings: from the smallest file to the largest.
        encode: a source at a setting to a file.
        decode: a file back to what it stands for, on the grid of the source; of a mesh also its surface.
    """

    settings: tuple[float, ...]
    encode: Callable[[Source, float], bytes]
    decode: Callable[[Source, bytes], Source]


def _encode_opus(source: Source, kilobits: float) -> bytes:
    rate, file = _rate(source.signal), BytesIO()
    layout = "mono" if source.signal.channels == 1 else "stereo"
    with av.open(file, "w", format="ogg") as output:
        stream = output.add_stream("libopus", rate=_OPUS_RATE, layout=layout)
        stream.bit_rate = round(1000 * kilobits)
        for frame in _resampled([_frame(source.signal.values, rate, layout)], layout, _OPUS_RATE):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def _decode_opus(source: Source, data: bytes) -> Source:
    layout = "mono" if source.signal.channels == 1 else "stereo"
    with av.open(BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    whole = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T
    back = _resampled([_frame(whole, _OPUS_RATE, layout)], layout, _rate(source.signal))
    values = np.concatenate([frame.to_ndarray() for frame in back], axis=1).T
    missing = max(0, source.signal.sample_count - len(values))
    return _with(source, np.pad(values, ((0, missing), (0, 0)))[: source.signal.sample_count])


def _frame(values: FloatArray, rate: int, layout: str) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values.T, np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    return frame


def _resampled(frames: list[av.AudioFrame], layout: str, rate: int) -> list[av.AudioFrame]:
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    return [found for frame in [*frames, None] for found in resampler.resample(frame)]


def _encode_flac(source: Source, _: float) -> bytes:
    file = BytesIO()
    soundfile.write(file, source.signal.values, _rate(source.signal), format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _decode_flac(source: Source, data: bytes) -> Source:
    values, _ = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    return _with(source, values)


def _encode_slices(source: Source, psnr_db: float) -> bytes:
    slices = np.rint(np.clip(source.signal.values[..., 0], 0, 1) * 65535.0).astype(np.uint16)
    if slices.ndim == 2:
        slices = slices[None]
    elif source.signal.grid_shape[2] < source.signal.grid_shape[0]:
        slices = np.moveaxis(slices, 2, 0)  # across the shortest axis, as scanners do
    parts = [imagecodecs.jpeg2k_encode(np.ascontiguousarray(each), level=psnr_db, codecformat="j2k") for each in slices]
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _decode_slices(source: Source, data: bytes) -> Source:
    slices = []
    while data:
        size = int.from_bytes(data[:4], "little")
        slices.append(imagecodecs.jpeg2k_decode(data[4 : 4 + size]))
        data = data[4 + size :]
    shape, whole = source.signal.grid_shape, np.stack(slices)
    if len(shape) == 3 and shape[2] < shape[0]:
        whole = np.moveaxis(whole, 0, 2)
    return _with(source, (whole.reshape(source.signal.values.shape) / 65535.0).astype(np.float32))


def _encode_zfp(source: Source, bits: float) -> bytes:
    # Tolerances of powers of two are all there are.
    return bytes(imagecodecs.zfp_encode(source.signal.values[..., 0], level=2.0**-bits, mode="accuracy"))


def _decode_zfp(source: Source, data: bytes) -> Source:
    return _with(source, np.asarray(imagecodecs.zfp_decode(data)).reshape(source.signal.values.shape))


def _encode_sz3(source: Source, bits: float) -> bytes:
    return bytes(imagecodecs.sz3_encode(source.signal.values[..., 0], mode="abs", abs=2.0**-bits))


def _decode_sz3(source: Source, data: bytes) -> Source:
    shape = source.signal.values.shape
    found = imagecodecs.sz3_decode(data, shape[:-1], np.float32)
    return _with(source, np.asarray(found).reshape(shape))


def _encode_sperr(source: Source, psnr_db: float) -> bytes:
    return bytes(imagecodecs.sperr_encode(source.signal.values[..., 0], level=psnr_db, mode="psnr"))


def _decode_sperr(source: Source, data: bytes) -> Source:
    return _with(source, np.asarray(imagecodecs.sperr_decode(data)).reshape(source.signal.values.shape))


def _encode_x264(source: Source, setting: float) -> bytes:
    details, file = source.signal.details, BytesIO()
    assert isinstance(details, VideoDetails)  # noqa: S101  of videos
    frames = np.rint(255.0 * source.signal.values).astype(np.uint8)
    with av.open(file, "w", format="mp4") as output:
        options = {"crf": str(-setting), "preset": "slow"}
        stream = output.add_stream("libx264", rate=Fraction(*details.rate), options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv444p"
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))
    return file.getvalue()


def _decode_x264(source: Source, data: bytes) -> Source:
    return _with(source, read_signal(data).values)


def _encode_draco(source: Source, bits: float) -> bytes:
    assert source.surface is not None  # noqa: S101  of meshes
    points, faces = source.surface.vertices.astype(np.float32), source.surface.faces.astype(np.uint32)
    return bytes(DracoPy.encode(points, faces, quantization_bits=int(bits), compression_level=10))


def _decode_draco(source: Source, data: bytes) -> Source:
    found = DracoPy.decode(data)
    return Source(source.signal, Mesh(np.asarray(found.points, np.float64), np.asarray(found.faces, np.int64)))


def field_of(source: Source, surface: Mesh) -> Signal:
    """The distances of another surface on the grid of a field: what a mesh is compared by."""
    details = source.signal.details
    assert isinstance(details, DistanceDetails)  # noqa: S101  of fields
    axes = [
        first + cell * np.arange(count)
        for first, cell, count in zip(details.origin, details.spacing, source.signal.grid_shape, strict=True)
    ]
    values = source.signal.storage.to_values(signed_distances(surface, axes)[..., None])
    return replace(source.signal, values=values)


def _rate(signal: Signal) -> int:
    assert isinstance(signal.details, AudioDetails)  # noqa: S101  of sounds
    return signal.details.sample_rate


def _with(source: Source, values: FloatArray) -> Source:
    return Source(replace(source.signal, values=np.ascontiguousarray(values, np.float32)), None)


_FINE = tuple(np.arange(15.0, 90.5, 0.5).tolist())
_SOLID = {
    "jpeg2000": Rival(_FINE, _encode_slices, _decode_slices),
    "zfp": Rival(tuple(np.arange(0.0, 20.0, 0.5).tolist()), _encode_zfp, _decode_zfp),
    "sz3": Rival(tuple(np.arange(1.0, 20.0, 0.1).tolist()), _encode_sz3, _decode_sz3),
    "sperr": Rival(_FINE, _encode_sperr, _decode_sperr),
}
RIVALS: dict[SignalKind, dict[str, Rival]] = {
    SignalKind.AUDIO: {
        "opus": Rival(tuple(float(kilobits) for kilobits in range(6, 256)), _encode_opus, _decode_opus),
        "flac": Rival((16.0,), _encode_flac, _decode_flac),
    },
    SignalKind.VOLUME: _SOLID,
    SignalKind.ARRAY: _SOLID,
    SignalKind.VIDEO: {"x264": Rival(tuple(float(-crf) for crf in range(51, -1, -1)), _encode_x264, _decode_x264)},
    SignalKind.DISTANCE: {"draco": Rival(tuple(float(bits) for bits in range(4, 17)), _encode_draco, _decode_draco)},
}
