"""Small random wavelet networks, the same ones every time."""

import numpy as np

from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.parameters import WaveletParameters, seeded_frequencies, tensor_shapes, wavelet_parameters
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
    layout = Layout(grid_shape, scales, colours)
    latents = []
    for level in layout.levels:
        crowds = 1.0 if level.is_low else random.uniform(0.0, 1.0, level.shape) ** 3
        latents.append(np.rint(crowds * random.laplace(0.0, 0.4 * level.spacing, level.shape)).astype("i4"))
    shapes = tensor_shapes(layout, frequencies, widths, channels)
    return wavelet_parameters(
        layout=layout,
        period=2.5,
        seed=7,
        reach=9,
        frequencies=seeded_frequencies(frequencies, len(grid_shape), 9, 7),
        latents=tuple(latents),
        tensors=[random.normal(0.0, 0.5, shape).astype(np.float32) for _, shape in shapes],
        exponents=tuple(random.integers(-6, -2, layout.inputs).tolist()),
    )


def wavelet_representation(grid_shape: tuple[int, ...] = (20, 28), **settings: int) -> Representation:
    """A representation by `random_wavelets`."""
    return Representation(parameters=random_wavelets(grid_shape, **settings), grid_shape=grid_shape)  # type: ignore[arg-type]
