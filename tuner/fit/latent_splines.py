"""Interpolation of one level of latents on a grid, its transpose, and least squares with it.

Splines are separable. The trailing axes are interpolated for all nodes of the first axis at once (`spread`), the first
axis tile by tile with a small banded matrix, so that memory stays bounded by the spread latents. Called by
`tuner.fit.modulated_passes` and, for the first latents, by `tuner.fit.pyramid`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tuner.network.splines import Taps

# Positions of a trailing axis whose interpolation is one small product: they read few of the nodes of a long axis.
_BLOCK = 64


class LevelSpline:
    """One level on a grid.

    Args:
        taps: of each axis of the grid.
        spacing: samples per node; codes stand for code / spacing.
        channels: of the level.
        rows: of the first axis in a tile.
    """

    def __init__(self, taps: Sequence[Taps], spacing: int, channels: int, rows: int) -> None:
        first, *trailing = taps
        self.channels = channels
        self.nodes = [int(axis.nodes.max()) + 1 for axis in taps]
        self._trailing = [_bands(axis, _BLOCK) for axis in trailing]
        self._trailing_samples = [len(axis.nodes) for axis in trailing]
        self._first_nodes = self.nodes[0]
        self._bands = [(span, matrix / spacing) for span, matrix in _bands(first, rows)]

    def spread(self, codes: Tensor) -> Tensor:
        """Interpolate the trailing axes: (channels, *nodes) to (channels, nodes of the first axis, plane)."""
        for axis, bands in enumerate(self._trailing, start=2):
            last = torch.movedim(codes, axis, -1)
            codes = torch.movedim(torch.cat([last[..., span] @ matrix.T for span, matrix in bands], -1), -1, axis)
        return codes.reshape(self.channels, self._first_nodes, -1)

    def gather(self, gradient: Tensor) -> Tensor:
        """The transpose of `spread`."""
        gradient = gradient.reshape(self.channels, self._first_nodes, *self._trailing_samples)
        for axis, bands in enumerate(self._trailing, start=2):
            last, start = torch.movedim(gradient, axis, -1), 0
            total = last.new_zeros(*last.shape[:-1], self.nodes[axis - 1])
            for span, matrix in bands:
                total[..., span] += last[..., start : start + len(matrix)] @ matrix
                start += len(matrix)
            gradient = torch.movedim(total, -1, axis)
        return gradient

    def tile(self, number: int, spread: Tensor, out: Tensor) -> None:
        """Interpolate the first axis on one tile, into (channels, points)."""
        span, matrix = self._bands[number]
        torch.matmul(matrix, spread[:, span], out=out.view(self.channels, len(matrix), -1))

    def nodes_of(self, numbers: Sequence[int]) -> slice:
        """The nodes of the first axis that a run of tiles reads."""
        spans = [self._bands[number][0] for number in numbers]
        return slice(min(span.start for span in spans), max(span.stop for span in spans))

    def add_transposed(self, number: int, gradient_UP: Tensor, total: Tensor, first: int) -> None:
        """Add the transpose of `tile` to the gradient of the spread latents, from the node `first` on."""
        span, matrix = self._bands[number]
        product = matrix.T @ gradient_UP.view(self.channels, len(matrix), -1)
        total[:, span.start - first : span.stop - first] += product

    def values(self, codes: Tensor) -> Tensor:
        """Interpolate everything: (channels, points of the first axis, plane)."""
        spread = self.spread(codes)
        return torch.cat([matrix @ spread[:, span] for span, matrix in self._bands], 1)

    def transposed(self, values: Tensor) -> Tensor:
        """The transpose of `values`."""
        total = values.new_zeros(self.channels, self._first_nodes, values.shape[-1])
        start = 0
        for span, matrix in self._bands:
            total[:, span] += matrix.T @ values[:, start : start + len(matrix)]
            start += len(matrix)
        return self.gather(total)

    def fit(self, values: Tensor, iterations: int = 8) -> Tensor:
        """Codes whose interpolation is nearest to (channels, points of the first axis, plane): conjugate gradients."""
        residual = self.transposed(values)
        codes, direction = torch.zeros_like(residual), residual.clone()
        norm = residual.square().sum()
        for _ in range(iterations):
            if not norm > 0.0:
                break
            image = self.transposed(self.values(direction))
            length = norm / (direction * image).sum()
            codes += length * direction
            residual -= length * image
            before, norm = norm, residual.square().sum()
            direction = residual + (norm / before) * direction
        return codes


def _bands(axis: Taps, step: int) -> list[tuple[slice, Tensor]]:
    """For every `step` positions, the nodes that they read and the matrix from these."""
    bands = []
    for start in range(0, len(axis.nodes), step):
        span, matrix = axis.band(start, min(start + step, len(axis.nodes)))
        bands.append((span, torch.from_numpy(matrix)))
    return bands
