"""A small picture of any signal, so that a notebook can show what a representation holds.

Pictures are shown as they are; of videos, volumes and distance fields the middle one along each further axis; of a
sound or a line how far its values reach in each column.
"""

import io
from base64 import b64encode

import numpy as np
from PIL import Image

from tuner.representation import Representation
from tuner.shapes import FloatArray
from tuner.signal.signal import SignalKind

LONGEST_SIDE = 512
_LINE_HEIGHT = 128
_NATURAL = {SignalKind.IMAGE, SignalKind.VIDEO}


def thumbnail_png(representation: Representation, longest_side: int = LONGEST_SIDE) -> bytes:
    """A PNG file of a representation, rendered at the size that is shown and no larger.

    Args:
        representation: the representation to show.
        longest_side: largest number of pixels along a side, >= 1.

    Returns:
        The file, 8 bits, grey or RGB.
    """
    shape = representation.grid_shape
    pixels = _line(representation, longest_side) if len(shape) == 1 else _plane(representation, longest_side)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def as_html(png: bytes, caption: str) -> str:
    """An HTML figure that holds a PNG file, with a caption that is escaped by the caller."""
    source = b64encode(png).decode()
    return f'<figure><img alt="" src="data:image/png;base64,{source}"><figcaption>{caption}</figcaption></figure>'


def _plane(representation: Representation, longest_side: int) -> np.ndarray:
    """The middle plane of the last two axes, or of the second and third of a video, as bytes."""
    grid_shape, kind = representation.grid_shape, representation.kind
    # Videos have their frames first; of a volume any plane will do.
    along = (len(grid_shape) - 2, len(grid_shape) - 1)
    scale = min(1.0, longest_side / max(grid_shape[axis] for axis in along))
    shape = tuple(max(1, round(size * scale)) if axis in along else 1 for axis, size in enumerate(grid_shape))
    region = [(-1.0, 1.0) if axis in along else _middle_cell(size) for axis, size in enumerate(grid_shape)]
    values = representation.render(shape, region=region).values
    plane = values.reshape(shape[along[0]], shape[along[1]], -1)
    grey_or_colour = plane[..., :3] if plane.shape[-1] >= 3 else plane[..., 0]
    return _bytes_of(grey_or_colour, natural=kind in _NATURAL)


def _line(representation: Representation, longest_side: int) -> np.ndarray:
    """The first channel's least and largest value in each column, drawn from one to the other."""
    columns = min(longest_side, representation.grid_shape[0])
    values = representation.render().values[:, 0]
    starts = np.linspace(0, len(values), columns, endpoint=False).astype(np.int64)
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    bottom, top = float(low.min()), float(high.max())
    span = max(top - bottom, 1e-12)
    rows = np.arange(_LINE_HEIGHT)[:, None]
    first = np.floor((top - high) / span * (_LINE_HEIGHT - 1))
    last = np.ceil((top - low) / span * (_LINE_HEIGHT - 1))
    pixels: np.ndarray = np.where((rows >= first) & (rows <= last), np.uint8(32), np.uint8(255))
    return pixels


def _middle_cell(size: int) -> tuple[float, float]:
    middle = size // 2
    return (2.0 * middle / size - 1.0, 2.0 * (middle + 1) / size - 1.0)


def _bytes_of(values: FloatArray, *, natural: bool) -> np.ndarray:
    low, high = (0.0, 1.0) if natural else (float(values.min()), float(values.max()))
    pixels: np.ndarray = np.rint(255.0 * np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0)).astype(np.uint8)
    return pixels
