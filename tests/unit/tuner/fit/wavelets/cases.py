"""The tiny signals and networks that tests of the fit of wavelets share."""

import numpy as np
import torch

from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.parameters import seeded_frequencies, wavelet_parameters
from tuner.network.wavelets.synthesis import values_on_grid
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal


def picture(shape: tuple[int, ...] = (64, 48), channels: int = 3) -> Signal:
    """Soft shapes with an edge."""
    grid = Grid(shape, 2.5)
    coords = grid.coords()
    wave = np.sin(coords @ np.linspace(3.0, 7.0, len(shape))) + (coords[:, 0] > 0.2)
    values = 0.4 + 0.2 * wave[:, None] * np.linspace(0.5, 1.0, channels)
    return Signal(values=values.reshape(*shape, channels).astype(np.float32))


SMALL = WaveletConfig(bits_per_sample=4.0, steps=40, widths=(8, 8), frequencies=2, seed=1)


def passes_over(shape: tuple[int, ...]) -> tuple[GridPasses, list[torch.Tensor], Weights]:
    """A small signal, integer latents that were shown, and a random network."""
    signal = picture(shape, 2)
    axes = [Grid(shape, 2.5).axis(dimension) for dimension in range(len(shape))]
    passes = GridPasses(signal.values, axes, Layout(shape, 2, 2), seeded_frequencies(2, len(shape), 4, 0), 2.5)
    random = torch.Generator().manual_seed(0)
    latents = [torch.randn(each.shape, generator=random).mul(2.0).round() for each in passes.subbands.zeros()]
    passes.gains.fill_(0.25)
    inputs = passes.sines + passes.layout.inputs
    weights = Weights(
        passes.sines,
        [0.5 * torch.randn(5, inputs, generator=random), torch.randn(4, 5, generator=random)],
        [torch.randn(5, generator=random), torch.randn(4, generator=random)],
        *[0.3 * torch.randn(*shape, generator=random) for shape in ((2, passes.layout.field_channels), (2, 4), (2,))],
    )
    passes.show(latents)
    return passes, latents, weights


def values_of(passes: GridPasses, latents: list[torch.Tensor], weights: Weights) -> torch.Tensor:
    """What numpy makes of the same numbers, (C, P)."""
    shape = passes.grid_shape
    parameters = wavelet_parameters(
        layout=passes.layout,
        period=2.5,
        seed=0,
        reach=4,
        frequencies=seeded_frequencies(2, len(shape), 4, 0),
        latents=tuple(code.numpy().astype(np.int32) for code in latents),
        tensors=weights.arrays(),
        exponents=tuple(passes.gains.log2().int().tolist()),
    )
    axes = [Grid(shape, 2.5).axis(dimension) for dimension in range(len(shape))]
    return torch.from_numpy(values_on_grid(parameters, axes).reshape(passes.points, -1).T.copy())


def summed(subbands: Subbands, codes: list[torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    """The sum of all fields at the samples, (K, P), tile by tile as a fit makes it."""
    spread, rows = subbands.spread(codes), 5 if shape[0] % 8 else 8
    tiles = [
        torch.empty(subbands.layout.field_channels, min(rows, shape[0] - start) * int(np.prod(shape[1:])))
        for start in range(0, shape[0], rows)
    ]
    for number, tile in enumerate(tiles):
        subbands.fill(number, spread, tile)
    return torch.cat(tiles, 1).view(-1, len(codes[0]), int(np.prod(shape))).sum(0)
