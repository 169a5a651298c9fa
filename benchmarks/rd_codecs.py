"""The codecs that a picture is compared with, and ours: bytes on disk, pixels back, seconds of both.

Rivals are what people have: JPEG with optimised tables, WebP at its slowest, AVIF with colours at half and at full
resolution, JPEG XL. Each is asked for a rate and finds the quality setting whose file comes nearest to it; the point
that counts is the file's own size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import TypeVar

import imagecodecs
import numpy as np
from PIL import Image

from tuner.codec.decode import decode
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.image import write_image
from tuner.signal.signal import Signal
from tuner.targets.ask import NetworkKind
from tuner.targets.request import ask_for
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind

OURS = "tuner"
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Coded:
    """One file of one picture.

    Attributes:
        path: of the file.
        pixels: uint8 (height, width, 3), decoded from it.
        encode_seconds: of the processor.
        decode_seconds: of the processor, file to pixels.
        facts: what else is known of it.
    """

    path: Path
    pixels: np.ndarray
    encode_seconds: float
    decode_seconds: float
    facts: dict[str, float]


def encode_rival(codec: str, quality: int, pixels: np.ndarray) -> bytes:
    """A file of a rival at one of its quality settings."""
    if codec == "jpegxl":
        encoded: bytes = imagecodecs.jpegxl_encode(pixels, level=quality, effort=7)
        return encoded
    options: dict[str, dict[str, object]] = {
        "jpeg": {"optimize": True, "progressive": True},
        "webp": {"method": 6},
        "avif": {"speed": 4},
        # Colours at full resolution: better where they are saturated, and from 35 to 40 dB on.
        "avif444": {"speed": 4, "subsampling": "4:4:4"},
    }
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, codec.removesuffix("444"), quality=quality, **options[codec])
    return stream.getvalue()


def decode_rival(codec: str, data: bytes) -> np.ndarray:
    """Pixels of such a file."""
    if codec == "jpegxl":
        return np.asarray(imagecodecs.jpegxl_decode(data))[..., :3]
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


RIVALS = ("jpeg", "webp", "avif", "avif444", "jpegxl")
_QUALITIES = range(1, 96)


def code_rival(codec: str, signal: Signal, bits_per_sample: float, path: Path) -> Coded:
    """The file whose size is nearest to what is asked for."""
    pixels = _pixels(signal)
    wanted = bits_per_sample * signal.sample_count / 8
    low, high = _QUALITIES[0], _QUALITIES[-1]
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(encode_rival(codec, middle, pixels)) < wanted else (low, middle)
    candidates = {quality: encode_rival(codec, quality, pixels) for quality in {max(low - 1, _QUALITIES[0]), low}}
    quality = min(candidates, key=lambda each: abs(len(candidates[each]) - wanted))
    data, encode_seconds = _timed(lambda: encode_rival(codec, quality, pixels))
    path.write_bytes(data)
    decoded, decode_seconds = _timed(lambda: decode_rival(codec, path.read_bytes()))
    return Coded(path, decoded, encode_seconds, decode_seconds, {"quality": quality})


def code_ours(signal: Signal, rate: float, options: dict[str, object], path: Path) -> Coded:
    """A fit to so many bytes as a client would ask for them, its file, and the pixels that come out of the file.

    Args:
        signal: the picture.
        rate: bits per pixel, never exceeded.
        options: of `WaveletConfig`, instead of its defaults.
        path: of the file.
    """
    target = Target(TargetKind.BITS_PER_SAMPLE, rate)
    ask = ask_for(signal, target=target, kind=NetworkKind.WAVELETS, network=options)
    started = process_time()
    result = fit_to_target(signal, ask)
    encode_seconds = process_time() - started
    assert result.content is not None  # noqa: S101  nobody has stopped it
    path.write_bytes(result.content)
    rendered, decode_seconds = _timed(lambda: decode(path.read_bytes()).render())
    pixels = np.asarray(Image.open(BytesIO(write_image(rendered))).convert("RGB"))
    parameters = decode(result.content).parameters
    assert isinstance(parameters, WaveletParameters)  # noqa: S101  as asked for
    layers = sum(tensor.size for tensor in parameters.tensors() if tensor.ndim == 2)
    facts = {
        "weights": parameters.weight_count,
        "bits_per_weight": 8 * path.stat().st_size / parameters.weight_count,
        "multiply_adds_per_sample": layers,
        "steps": result.steps,
    }
    return Coded(path, pixels, encode_seconds, decode_seconds, facts)


def _pixels(signal: Signal) -> np.ndarray:
    return np.rint(signal.values * 255.0).astype(np.uint8)


def _timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    started = process_time()
    return work(), process_time() - started
