"""Bounds: the class of a column follows from |k|_inf, and projection holds the weights to it."""

import numpy as np
import torch

from tuner.fit.sines.bounds import column_bounds, project_columns


def test_the_class_of_a_column_follows_from_absolute_values_on_each_axis() -> None:
    frequencies = np.array([[0, 1], [4, 0], [-4, 7], [4, -8], [-5, 0], [0, -9], [5, 9]], np.int32)
    bounds = column_bounds(frequencies, (4, 8), bound_low=1.0, bound_high=0.5)
    np.testing.assert_array_equal(bounds, np.array([1, 1, 1, 1, 0.5, 0.5, 0.5], np.float32))
    assert bounds.dtype == np.float32


def test_the_mask_agrees_with_the_maximum_norm_on_a_square_grid() -> None:
    k = np.arange(-12, 13)
    frequencies = np.stack(np.meshgrid(k, k, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)
    bounds = column_bounds(frequencies, (7, 7), bound_low=2.0, bound_high=0.25)
    np.testing.assert_array_equal(bounds == 2.0, np.abs(frequencies).max(axis=1) <= 7)


def test_projection_clamps_each_column_in_place_and_leaves_the_rest() -> None:
    weight = torch.tensor([[3.0, -3.0, 0.1], [-0.2, 0.4, -9.0]], requires_grad=True)
    project_columns(weight, torch.tensor([1.0, 0.5, 2.0]))
    assert weight.tolist() == [[1.0, -0.5, np.float32(0.1)], [np.float32(-0.2), np.float32(0.4), -2.0]]
