"""A small file of each format that is read: what was left out of an image must not be missed.

Most are what our own writers make; the rest come from the libraries by which others make theirs.
"""

import base64
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import av
import numpy as np
import tifffile
from PIL import Image

from tests.signals import SIGNALS, clip, npy
from tuner.signal.formats import WRITERS
from tuner.signal.signal import Signal, SignalKind

# A program: from its input, files by name; each is read, and written and read again in every format of its kind.
ROUND_TRIP = """
import base64, json, sys
from tuner.signal.formats import WRITERS, inspect_signal, read_signal
for name, content in json.load(sys.stdin).items():
    data = base64.b64decode(content)
    signal = read_signal(data, resolution=16)
    assert inspect_signal(data)["kind"] == signal.kind, name
    for suffix, write in WRITERS[signal.kind].items():
        read_signal(write(signal), resolution=16)
        print(name, "is", signal.kind.value, "and is written as", suffix)
"""
_CODECS = (("mp4", "libx265"), ("mp4", "libx264"), ("mkv", "libsvtav1"), ("mkv", "libvpx-vp9"), ("avi", "mpeg4"))


def files() -> Iterator[tuple[str, bytes]]:
    """Names and contents; a name's suffix is the format."""
    page = Signal(values=clip()[0, ..., :1], kind=SignalKind.ARRAY)  # with more axes it would be no TIFF
    for name, signal in (SIGNALS | {"array": page}).items():
        for suffix, write in WRITERS[signal.kind].items():
            yield f"{name}{suffix}", write(signal)
    picture = Image.fromarray((clip()[0] * 255).astype(np.uint8))
    for suffix in ("jpeg", "webp", "tiff"):
        stream = io.BytesIO()
        picture.save(stream, suffix.upper())
        yield f"picture.{suffix}", stream.getvalue()
    deep = (clip()[0] * 65535).astype(np.uint16)
    for compression in ("lzw", "zlib", "zstd", "jpeg2000", "lzma", "png"):
        stream = io.BytesIO()
        tifffile.imwrite(stream, deep, photometric="rgb", compression=compression)
        yield f"{compression}.tiff", stream.getvalue()
    for container, codec in _CODECS:
        # As root, SVT-AV1 gives the thread that opens it the highest real-time priority, here until that thread ends.
        # From ours every process started later would inherit it, and one that spins would keep all others waiting.
        with ThreadPoolExecutor(1) as thread:
            yield f"{codec}.{container}", thread.submit(_video, container, codec).result()
    yield "numbers.npy", npy(np.arange(12.0).reshape(3, 4))


def as_input() -> str:
    """All of them as `ROUND_TRIP` takes them."""
    return json.dumps({name: base64.b64encode(content).decode() for name, content in files()})


def _video(container: str, codec: str) -> bytes:
    frames = (clip(height=64, width=64) * 255).astype(np.uint8)  # an encoder takes no smaller ones
    stream = io.BytesIO()
    with closing(av.open(stream, "w", format={"mkv": "matroska"}.get(container, container))) as output:
        video: Any = output.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        for frame in frames:
            output.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(video.encode())
    return stream.getvalue()
