"""Small random wavelet networks, the same ones every time."""

import numpy as np

from tuner.network.wavelets.layout import field_count, modulation_count, wavelet_layout
from tuner.network.wavelets.parameters import (
    LatentLevel,
    WaveletParameters,
    level_nodes,
    seeded_frequencies,
    tensor_shapes,
    wavelet_parameters,
)
from tuner.representation import Representation


def random_wavelets(
    grid_shape: tuple[int, ...] = (20, 28),
    *,
    scales: int = 3,
    colours: int = 3,
    widths: tuple[int, ...] = (6, 5),
    frequencies: int = 3,
    channels: int = 3,
    seed: int = 0,
) -> WaveletParameters:
    """Latents in crowds, mostly zero where they are fine, and weights of a few units."""
    random = np.random.default_rng(seed)
    found = []
    for number, (spacing, count) in enumerate(wavelet_layout(len(grid_shape), scales, colours)):
        shape = (count, *level_nodes(grid_shape, spacing))
        crowds = random.uniform(0.0, 1.0, shape) ** 3 if number else 1.0
        codes = np.rint(crowds * random.laplace(0.0, 0.4 * spacing, shape)).astype("i4")
        found.append(LatentLevel(spacing=spacing, codes=codes))
    fields = field_count(scales)
    inputs = modulation_count(len(grid_shape), fields, colours)
    shapes = tensor_shapes(frequencies, inputs, colours * fields, widths, channels)
    return wavelet_parameters(
        grid_shape=grid_shape,
        period=2.5,
        seed=7,
        reach=9,
        frequencies=seeded_frequencies(frequencies, len(grid_shape), 9, 7),
        levels=tuple(found),
        tensors=[random.normal(0.0, 0.5, shape).astype(np.float32) for _, shape in shapes],
        exponents=tuple(random.integers(-6, -2, inputs).tolist()),
    )


def wavelet_representation(grid_shape: tuple[int, ...] = (20, 28), **settings: int) -> Representation:
    """A representation by `random_wavelets`."""
    return Representation(parameters=random_wavelets(grid_shape, **settings), grid_shape=grid_shape)  # type: ignore[arg-type]
