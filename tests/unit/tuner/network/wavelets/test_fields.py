"""Fields are sums of wavelets on the samples, and splines through these anywhere else."""

from dataclasses import replace

import numpy as np
import pytest

from tests.wavelets import random_wavelets
from tuner.network.wavelets.fields import are_samples, even_coordinates, field_parts, spline_nodes
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.splines import spline_taps
from tuner.signal.grid import Grid


def on_samples(parameters: WaveletParameters) -> np.ndarray:
    """All fields, (U, *grid_shape)."""
    shape = parameters.grid_shape
    found = np.zeros((parameters.layout.field_channels, int(np.prod(shape))), dtype=np.float32)
    for part in field_parts(parameters, [Grid(shape, 2.5).axis(axis) for axis in range(len(shape))]):
        part.add_to(found, 0, shape[0])
    return found.reshape(-1, *shape)


@pytest.mark.parametrize("shape", [(40,), (9000,), (13, 10), (6, 5, 4), (1, 7)], ids=str)
def test_splines_go_through_the_samples(shape: tuple[int, ...]) -> None:
    parameters = random_wavelets(shape, scales=2, colours=2)
    nodes = spline_nodes(parameters)
    assert nodes.shape == (6, *shape)
    for axis, samples in enumerate(shape, start=1):
        nodes = spline_taps(Grid((samples,), 2.5).axis(0).astype(np.float64), samples).apply(nodes, axis)
    np.testing.assert_allclose(nodes, on_samples(parameters), atol=2e-3)


def test_a_level_adds_to_its_own_field_and_colour_only() -> None:
    like = random_wavelets((64, 48), scales=4, colours=2)
    for level in like.layout.levels:
        latents = [0 * codes for codes in like.latents]
        latents[level.number][level.subbands - 1] = 5
        alone = on_samples(replace(like, latents=tuple(latents)))
        strong = np.flatnonzero(np.abs(alone).max(axis=(1, 2)))
        assert strong.tolist() == [2 * level.field + 1]


def test_rows_of_the_first_axis_come_in_any_pieces() -> None:
    parameters = random_wavelets((30, 8))
    whole = on_samples(parameters).reshape(-1, 30, 8)
    pieces = np.zeros_like(whole)
    for part in field_parts(parameters, [Grid((30, 8), 2.5).axis(axis) for axis in (0, 1)]):
        for start, stop in ((0, 7), (7, 8), (8, 30)):
            tile = np.zeros((len(whole), (stop - start) * 8), dtype=np.float32)
            part.add_to(tile, start, stop)
            pieces[:, start:stop] += tile.reshape(len(whole), -1, 8)
    np.testing.assert_allclose(pieces, whole, atol=1e-5)


def test_samples_are_known_by_their_coordinates() -> None:
    axes = [Grid((30, 8), 2.5).axis(axis) for axis in (0, 1)]
    assert are_samples((30, 8), axes)
    assert not are_samples((30, 8), [axes[0], axes[1] + np.float32(0.01)])
    assert not are_samples((31, 8), axes)


def test_evenly_spaced_coordinates_lose_their_rounding_and_others_do_not_change() -> None:
    exact = (2.0 * np.arange(500_000) + 1.0) / 500_000 - 1.0
    assert np.abs(even_coordinates(exact.astype(np.float32)) - exact).max() < 1e-9
    uneven = np.array([-0.5, 0.0, 0.9], dtype=np.float32)
    np.testing.assert_array_equal(even_coordinates(uneven), uneven.astype(np.float64))
