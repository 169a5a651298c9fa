"""Products with whole matrices give what tiles and bands give, and coefficients whose sum is the signal."""

from math import prod

import numpy as np
import pytest
import torch

from tuner.fit.wavelets import passes as module
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.dense import dense_analysis, dense_fields
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.parameters import seeded_frequencies
from tuner.signal.grid import Grid

SIDES = [((64, 64), 3, 3), ((41, 57), 2, 1), ((33, 16), 1, 3), ((128, 80), 4, 2)]


def passes_of(shape: tuple[int, ...], scales: int, colours: int) -> GridPasses:
    values = np.random.default_rng(0).random((*shape, colours), dtype=np.float32)
    grid = Grid(shape, WaveletConfig(psnr_db=30.0).period)
    axes = [grid.axis(axis) for axis in range(len(shape))]
    return GridPasses(
        values, axes, Layout(shape, scales, colours), seeded_frequencies(2, len(shape), 16, 0), grid.period
    )


@pytest.mark.parametrize(("shape", "scales", "colours"), SIDES)
def test_inputs_and_gradients_are_those_of_tiles(
    shape: tuple[int, ...], scales: int, colours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = passes_of(shape, scales, colours)
    monkeypatch.setattr(module, "dense_fields", lambda _: None)
    tiled = passes_of(shape, scales, colours)
    layout, random = dense.layout, torch.Generator().manual_seed(1)
    latents = [torch.randn(level.shape, generator=random) for level in layout.levels]
    gains, inputs = torch.rand(layout.inputs, generator=random) + 0.5, dense.sines + layout.inputs
    signs = torch.randint(0, 2, (colours, dense.points), generator=random) * 2.0 - 1.0
    weights = Weights(
        dense.sines,
        [torch.randn(8, inputs, generator=random) * 0.1],
        [torch.randn(8, generator=random)],
        torch.randn(colours, layout.field_channels, generator=random),
        torch.randn(colours, 8, generator=random),
        torch.randn(colours, generator=random),
    )
    everything = np.arange(dense.points)
    for each in (dense, tiled):
        each.gains.copy_(gains)
        each.show(latents)
    for one, other in zip(dense.inputs_at(everything), tiled.inputs_at(everything), strict=True):
        assert np.allclose(one, other, atol=1e-4)
    mine, theirs = (each.latent_gradients(weights, signs) for each in (dense, tiled))
    assert mine.loss == pytest.approx(theirs.loss, rel=1e-5)
    for name in ("slopes", "second_derivatives"):
        for one, other in zip(getattr(mine, name), getattr(theirs, name), strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))
    for each in (dense, tiled):
        each.show_fields([0.5 * latent for latent in latents])
    assert np.allclose(dense.fields_at(everything), tiled.fields_at(everything), atol=1e-4)


@pytest.mark.parametrize(("shape", "scales", "colours"), [*SIDES, ((50,), 2, 2), ((20, 19, 22), 2, 2), ((1, 40), 1, 1)])
def test_coefficients_of_small_signals_add_up_to_them(shape: tuple[int, ...], scales: int, colours: int) -> None:
    layout = Layout(shape, scales, colours)
    subbands = Subbands.of_points(layout)
    values = torch.randn(colours, prod(shape), generator=torch.Generator().manual_seed(2))
    codes = subbands.analyse(values)
    assert [tuple(each.shape) for each in codes] == [level.shape for level in layout.levels]
    assert float((subbands._summed(codes) - values).abs().max()) < 1e-5


def test_large_signals_have_no_matrices_of_whole_axes() -> None:
    assert dense_fields(Layout((129, 64), 3, 3)) is None
    assert dense_fields(Layout((20, 20, 20), 2, 1)) is None
    assert dense_analysis(Layout((512, 64), 3, 3)) is None
