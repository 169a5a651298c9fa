"""Exact evaluation of the first layer on a regular grid, one axis after the other.

On a grid e^{i omega k.x} is a product of one exponential per axis. Folding +k and -k together, every sine of the layer
is a sum of 2^D products of the functions cos(omega |k_d| x_d) and sin(omega |k_d| x_d), and W s becomes a truncated
Fourier series: contract its coefficients with the functions of one axis, then of the next. With F functions on the last
axis a sample costs F multiply-adds a neuron instead of M; the frequencies of TUNER, a low box and a sparse high grid,
have few distinct |k_d|, so F is small (364 frequencies: about 40). This is exact, not an approximation. `grid_sines`
chooses between this, the dense product and, on a line, `tuner.fit.natural.fourier`.
"""

from collections.abc import Sequence
from math import pi, prod

import torch
from torch import Tensor

from tuner.fit.natural.fourier import FourierLine, whole_steps
from tuner.fit.natural.input_sines import DenseSines, InputSines, Tile, boxes


def grid_sines(
    frequencies_MD: Tensor,
    period: float,
    axes: Sequence[Tensor],
    tile_points: int,
    *,
    phases_M: Tensor | None = None,
    keep: bool = False,
) -> InputSines:
    """The cheaper evaluator for a grid, by the multiply-adds that a neuron and a point take.

    Args:
        frequencies_MD: integer frequencies in cycles per period, (M, D).
        period: length p of the period, in units of the coordinates.
        axes: positions of the samples along each axis, in any order.
        tile_points: largest number of points in a tile.
        phases_M: phases of the inputs that never change, or None; see `DenseSines`.
        keep: whether sines are kept between sweeps; see `DenseSines`.
    """
    if len(axes) == 1 and whole_steps(period, axes[0]):
        line = FourierLine(frequencies_MD, period, axes[0], tile_points)
        if line.cost < len(frequencies_MD):
            return line
    elif len(axes) > 1:
        separable = SeparableSines(frequencies_MD, period, axes, tile_points)
        if separable.cost < len(frequencies_MD):
            return separable
    coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    return DenseSines(frequencies_MD, period, coords, tile_points, phases_M=phases_M, keep=keep)


class SeparableSines:
    """First layer on a regular grid, one axis after the other.

    Args:
        frequencies_MD: integer frequencies in cycles per period, (M, D).
        period: length p of the period, in units of the coordinates.
        axes: positions of the samples along each axis, (N_d,).
        tile_points: largest number of points in a tile.
    """

    def __init__(self, frequencies_MD: Tensor, period: float, axes: Sequence[Tensor], tile_points: int) -> None:
        device, dtype = axes[0].device, axes[0].dtype
        self.omega = 2.0 * pi / period
        self.shape = tuple(len(axis) for axis in axes)
        self.points = prod(self.shape)
        self.tiles: Sequence[Tile] = boxes(self.shape, tile_points)
        self._frequencies = frequencies_MD.to("cpu", torch.int64)
        self._axes = [axis.to("cpu", torch.float64) for axis in axes]
        self._functions: list[Tensor] = []
        index = torch.zeros(len(frequencies_MD), 1, dtype=torch.int64)
        factor = torch.ones(len(frequencies_MD), 1, dtype=torch.complex128)
        for k, positions in zip(self._frequencies.T, self._axes, strict=True):
            functions, cosine, sine = _axis_functions(k.abs(), self.omega, positions)
            self._functions.append(functions.to(device, dtype))
            # e^{i omega k x} = cos(omega |k| x) + i sign(k) sin(omega |k| x): each axis doubles the terms.
            index = torch.cat([index * len(functions) + cosine[:, None], index * len(functions) + sine[:, None]], 1)
            factor = torch.cat([factor, factor * (1j * torch.sign(k))[:, None]], 1)
        # Also with the positions first: a product over them is a third faster on rows that lie side by side.
        self._last_NF = self._functions[-1].T.contiguous()
        self._index = index.to(device)
        self._factor = factor.to(device)
        self._dtype = dtype

    @property
    def cost(self) -> float:
        """Multiply-adds of one evaluation, for a neuron and a point; the dense product takes M."""
        counts = [len(functions) for functions in self._functions]
        stages = (prod(self.shape[: d + 1]) * prod(counts[d:]) for d in range(len(counts)))
        return sum(stages) / self.points

    def arrange(self, values: Tensor) -> Tensor:
        """Bring values (*grid, C) or (P, C) into tile order, (C, P)."""
        channels = values.shape[-1]
        grid = values.reshape(*self.shape, channels)
        return torch.cat([grid[tile.box].reshape(-1, channels) for tile in self.tiles]).T.contiguous()

    def plan(self, weight_HM: Tensor, phases_M: Tensor, turn_HM: Tensor | None = None) -> Tensor:
        """Coefficients of the Fourier series, (H, F_1, ..., F_D)."""
        rotation = torch.exp(1j * phases_M.double())[:, None] * self._factor
        terms = weight_HM.T[:, None] * rotation.imag.to(self._dtype)[:, :, None]
        if turn_HM is not None:
            terms = terms + turn_HM.T[:, None] * rotation.real.to(self._dtype)[:, :, None]
        sizes = [len(functions) for functions in self._functions]
        series = torch.zeros(prod(sizes), len(weight_HM), dtype=self._dtype, device=weight_HM.device)
        series.index_add_(0, self._index.reshape(-1), terms.reshape(-1, len(weight_HM)))
        return series.T.reshape(-1, *sizes).contiguous()

    def apply(self, plan: Tensor, tile: Tile, out: Tensor | None = None) -> Tensor:
        """Sum the series at the points of a tile, (H, points)."""
        spans = [functions[:, span] for functions, span in zip(self._functions, tile.box, strict=True)]
        value, lead = plan, len(plan)
        for local in spans[:-1]:
            value = torch.matmul(local.T, value.reshape(lead, len(local), -1))
            lead *= local.shape[1]
        last = spans[-1]
        into = None if out is None else out.view(lead, -1)
        return torch.mm(value.reshape(lead, len(last)), last, out=into).view(len(plan), -1)

    def accumulator(self, rows: int) -> Tensor:
        """Zeros (H, F_1, ..., F_D)."""
        sizes = [len(functions) for functions in self._functions]
        return torch.zeros(rows, *sizes, dtype=self._dtype, device=self._functions[0].device)

    def add_transpose(self, total: Tensor, gradient_HP: Tensor, tile: Tile) -> None:
        """Project a tile's gradient on the functions of each axis and add it to `total`."""
        rows = len(gradient_HP)
        last_NF = self._last_NF[tile.box[-1]]
        value = gradient_HP.reshape(-1, len(last_NF)) @ last_NF
        trailing = last_NF.shape[1]
        outer = zip(self._functions[:-1], tile.box[:-1], strict=True)
        for local in reversed([functions[:, span] for functions, span in outer]):
            value = torch.matmul(local, value.reshape(-1, local.shape[1], trailing))
            trailing *= len(local)
        total += value.reshape(rows, *total.shape[1:])

    def transposed(self, total: Tensor, phases_M: Tensor) -> tuple[Tensor, Tensor]:
        """Read the gradient of each sine and of each cosine off the accumulated series."""
        rotation = torch.exp(1j * phases_M.double())[:, None] * self._factor
        terms = total.reshape(len(total), -1).T[self._index]
        sine = (terms * rotation.imag.to(total.dtype)[:, :, None]).sum(1)
        cosine = (terms * rotation.real.to(total.dtype)[:, :, None]).sum(1)
        return sine.T, cosine.T

    def covariance(self, phases_M: Tensor) -> Tensor:
        """Closed form: 2 sin a sin b = cos(a - b) - cos(a + b), and the mean of a cosine is a product over the axes."""
        phases = phases_M.to("cpu", torch.float64)
        k = torch.cat([self._frequencies, torch.zeros(1, self._frequencies.shape[1], dtype=torch.int64)])
        # The constant 1 is sin(0 . x + pi/2).
        phases = torch.cat([phases, torch.full((1,), pi / 2, dtype=torch.float64)])
        difference = self._mean_wave(k[:, None] - k[None]) * torch.exp(1j * (phases[:, None] - phases[None]))
        total = self._mean_wave(k[:, None] + k[None]) * torch.exp(1j * (phases[:, None] + phases[None]))
        return (0.5 * (difference.real - total.real)).to(phases_M.device)

    def _mean_wave(self, k: Tensor) -> Tensor:
        """Mean over the grid of e^{i omega k.x} for integer k of shape (..., D)."""
        mean = torch.ones(k.shape[:-1], dtype=torch.complex128)
        for d, positions in enumerate(self._axes):
            lowest = int(k[..., d].min())
            span = torch.arange(lowest, int(k[..., d].max()) + 1, dtype=torch.float64)
            table = torch.exp(1j * self.omega * span[:, None] * positions).mean(1)
            mean = mean * table[k[..., d] - lowest]
        return mean


def _axis_functions(k: Tensor, omega: float, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines of all distinct |k|, then sines of the non-zero ones, (F, N); and the row of each frequency in both."""
    distinct, row = torch.unique(k, return_inverse=True)
    angle = omega * distinct.double()[:, None] * positions
    zero = int(distinct[0] == 0)
    functions = torch.cat([angle.cos(), angle[zero:].sin()])
    sine_row = (row + len(distinct) - zero).clamp(min=0)
    # sin(0) is no function: its factor, sign(0), is zero, so any valid row will do.
    return functions, row, torch.where(k == 0, torch.zeros_like(row), sine_row)
