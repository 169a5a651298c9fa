"""What a client may ask to see of a representation, as the row `renders.recipe` holds it.

The api checks it against limits, the worker draws it. Two requests that say the same are the same view.
"""

from enum import StrEnum
from math import prod
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
MAX_SCALE = 64.0
MAX_PRODUCTS = 1 << 40  # samples times products: minutes of one core


class View(StrEnum):
    """What is drawn."""

    RECONSTRUCTION = "reconstruction"  # the signal itself
    GRADIENT = "gradient"  # magnitude of its exact derivative
    SPECTRUM = "spectrum"  # magnitude of its Fourier transform


MAX_SAMPLES = {View.RECONSTRUCTION: 1 << 24, View.GRADIENT: 1 << 22, View.SPECTRUM: 1 << 24}


class RenderFormat(StrEnum):
    """How it is written."""

    PNG = "png"  # a picture
    NPY = "npy"  # float32 numbers, as `numpy.load` reads them


class RenderSpec(BaseModel):
    """One view.

    Attributes:
        region: corner, then extent, in samples of the signal, in the order in which people name axes: x, y, width,
            height for a picture; None for all of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: View
    format: RenderFormat
    scale: Annotated[float, Field(gt=0, le=MAX_SCALE, allow_inf_nan=False)] = 1.0
    region: tuple[Finite, ...] | None = None

    def shape(self, grid_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Samples along each axis of what is drawn, in the order of the signal's own axes.

        Args:
            grid_shape: samples of the signal along each axis.
        """
        return tuple(max(1, round(extent * self.scale)) for _, extent in self.spans(grid_shape))

    def check_cost(self, grid_shape: tuple[int, ...], products: int) -> None:
        """Hold what it takes to draw this against what anybody may ask for.

        Args:
            grid_shape: samples of the signal along each axis.
            products: multiplications that one sample takes; for a network without latents, the number of its weights.

        Raises:
            ValueError: if it is too much, or the region does not fit the signal.
        """
        samples, allowed = prod(self.shape(grid_shape)), MAX_SAMPLES[self.view]
        allowed = min(allowed, MAX_PRODUCTS // max(1, products))
        if samples > allowed:
            raise ValueError(
                f"this has {samples} samples, at most {allowed} are drawn at once: ask for a smaller scale or region"
            )

    def spans(self, grid_shape: tuple[int, ...]) -> list[tuple[float, float]]:
        """Start and extent along each axis, in samples, in the order of the signal's own axes.

        Raises:
            ValueError: if the region has not as many axes as the signal, is empty, or leaves the signal.
        """
        axes = len(grid_shape)
        if self.region is None:
            return [(0.0, float(samples)) for samples in grid_shape]
        if len(self.region) != 2 * axes:
            raise ValueError(f"region has {len(self.region)} numbers, expected {2 * axes}: a corner and an extent")
        starts, extents = self.region[:axes][::-1], self.region[axes:][::-1]
        for start, extent, samples in zip(starts, extents, grid_shape, strict=True):
            if not (start >= 0 and extent > 0 and start + extent <= samples):
                raise ValueError(
                    f"region reaches from {start:g} to {start + extent:g} where the signal reaches from 0 to {samples}"
                )
        return list(zip(starts, extents, strict=True))
