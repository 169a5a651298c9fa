"""What a view of a representation looks like: numbers first, then a picture of them. Pure functions, no torch.

Regions lie anywhere, also between samples. A view of w samples at scale s has round(w s) cells over the region, each
evaluated in its middle: the whole at scale 1 is exactly what `tuner decode` writes.
"""

import io
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

from store.render_spec import RenderFormat, RenderSpec, View
from tuner.representation import Representation
from tuner.shapes import FloatArray
from tuner.signal.image import write_image
from tuner.signal.signal import SampleFormat, Signal
from tuner.spectrum import log_spectrum, luminance

MEDIA_TYPES = {RenderFormat.PNG: "image/png", RenderFormat.NPY: "application/x-npy"}
_POINTS = 1 << 16  # evaluated at a time where the fast way over grids does not apply


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A file."""

    content: bytes
    media_type: str


def draw(representation: Representation, spec: RenderSpec) -> Drawn:
    """A view as a file.

    Raises:
        ValueError: if the region does not fit the signal, or the view is too large.
    """
    spec.check_cost(representation.grid_shape, representation.products_per_sample)
    match spec.view:
        case View.RECONSTRUCTION:
            values = reconstruction(representation, spec)
            picture = values
        case View.GRADIENT:
            values = gradient_magnitude(representation, spec)
            picture = _to_unit(values)[..., None]
        case View.SPECTRUM:
            whole = np.clip(reconstruction(representation, spec), 0.0, 1.0)
            values = spectrum_magnitude(whole)
            picture = log_spectrum(whole)[..., None] if spec.format is RenderFormat.PNG else values
    content = _npy(values) if spec.format is RenderFormat.NPY else _png(picture, representation, spec.view)
    return Drawn(content=content, media_type=MEDIA_TYPES[spec.format])


def reconstruction(representation: Representation, spec: RenderSpec) -> FloatArray:
    """Values over the region, float32 (*shape, channels), not limited to [0, 1]."""
    return representation.values_on_grid(_axes(representation, spec))


def gradient_magnitude(representation: Representation, spec: RenderSpec) -> FloatArray:
    """Euclidean length of the derivative of all channels, per sample of the signal, float32 (*shape)."""
    axes = _axes(representation, spec)
    shape = tuple(len(axis) for axis in axes)
    # A coordinate covers [-1, 1], so a sample is 2 / N of it.
    per_sample = np.array([2.0 / samples for samples in representation.grid_shape], dtype=np.float32)
    magnitude = np.empty(prod(shape), dtype=np.float32)
    for start in range(0, len(magnitude), _POINTS):
        rows = np.arange(start, min(start + _POINTS, len(magnitude)))
        coords_PD = np.stack([axis[where] for axis, where in zip(axes, np.unravel_index(rows, shape), strict=True)], 1)
        gradient_PCD = representation.gradient(coords_PD) * per_sample
        magnitude[rows] = np.sqrt(np.square(gradient_PCD).sum(axis=(1, 2)))
    return magnitude.reshape(shape)


def spectrum_magnitude(values: FloatArray) -> FloatArray:
    """Magnitude of the orthonormal Fourier transform of the brightness, zero frequency in the middle."""
    brightness = luminance(values)
    spectrum = np.abs(np.fft.fftshift(np.fft.fftn(brightness))) / sqrt(brightness.size)
    return spectrum.astype(np.float32)


def _axes(representation: Representation, spec: RenderSpec) -> list[FloatArray]:
    grid = representation.grid_shape
    axes = []
    for (start, extent), cells, samples in zip(spec.spans(grid), spec.shape(grid), grid, strict=True):
        positions = start + (np.arange(cells) + 0.5) * (extent / cells)
        axes.append((2.0 * positions / samples - 1.0).astype(np.float32))
    return axes


def _to_unit(values: FloatArray) -> FloatArray:
    steepest = float(values.max())
    return values / np.float32(steepest) if steepest > 0 else values


def _png(picture: FloatArray, representation: Representation, view: View) -> bytes:
    if view is View.RECONSTRUCTION:
        clipped = np.clip(picture, 0.0, 1.0)
        return write_image(
            Signal(values=clipped, sample_format=representation.sample_format, icc_profile=representation.icc_profile)
        )
    return write_image(Signal(values=picture.astype(np.float32), sample_format=SampleFormat.U8))


def _npy(values: FloatArray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()
