"""Exact evaluation of the first layer on a regular grid, one axis after the other.

On a grid e^{i omega k.x} is a product of one exponential per axis. Folding +k and -k together, every sine of the layer
is a sum of 2^D products of the functions cos(omega |k_d| x_d) and sin(omega |k_d| x_d), and W s becomes a truncated
Fourier series: contract its coefficients with the functions of one axis, then of the next. With F functions on the last
axis a sample costs F multiply-adds a neuron instead of M; the frequencies of TUNER, a low box and a sparse high grid,
have few distinct |k_d|, so F is small (364 frequencies: about 40). Cosines are even and sines are odd: where the
samples of a line lie symmetrically about 0, as those of a grid do, half of a line gives the other half, for half of
these multiply-adds. This is exact, not an approximation. `grid_sines` chooses between this, the dense product and, on a
line, `tuner.fit.natural.fourier`.

All axes but the last are contracted once for many lines of samples (`lines`), since for few lines these products read
more than they compute, and for no more than fit into a little memory (`runs`); the last one is contracted tile by tile.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import pi, prod

import torch
from torch import Tensor

from tuner.fit.natural.fourier import FourierLine, whole_steps
from tuner.fit.natural.input_sines import DenseSines, InputSines, Lines, Tile, boxes
from tuner.fit.natural.kernels import Workspace

# Bytes that the lines of a run of tiles may take, for each thread and direction. Without a limit a picture of 4096 x
# 4096 would take 145 MB, a volume of 256^3 328 MB; at 416 frequencies and neurons 130 lines of one of 512 x 512 fit.
RUN_BYTES = 2**24


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

    Its points are in the order of the tiles; where half of a line gives the other one, the samples of a line are in the
    order 0, 1, 2, ... up to its middle, and then N - 1, N - 2, ... down to it.

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
        self._cosines = len(torch.unique(self._frequencies[:, -1].abs()))
        self._half = _half(axes[-1])
        if self._half:
            length = self.shape[-1]
            order = [*range(self._half), *range(length - 1, self._half - 1, -1)]
            self._order = torch.tensor(order, device=device)
            self._functions[-1] = self._functions[-1][:, self._order].contiguous()
        # Also with the positions first: a product over them is a third faster on rows that lie side by side.
        self._last_NF = self._functions[-1].T.contiguous()
        self._space = Workspace()
        self._index = index.to(device)
        self._factor = factor.to(device)
        self._dtype = dtype

    @property
    def cost(self) -> float:
        """Multiply-adds of one evaluation, for a neuron and a point; the dense product takes M."""
        counts = [len(functions) for functions in self._functions]
        stages = [float(prod(self.shape[: d + 1]) * prod(counts[d:])) for d in range(len(counts))]
        if self._is_folded(self.tiles[0].box[-1]):
            stages[-1] /= 2.0
        return sum(stages) / self.points

    def arrange(self, values: Tensor) -> Tensor:
        """Bring values (*grid, C) or (P, C) into tile order, (C, P)."""
        channels = values.shape[-1]
        grid = values.reshape(*self.shape, channels)
        if self._half:
            grid = grid.index_select(-2, self._order.to(grid.device))
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

    def runs(self, rows: int, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """As many tiles as have lines that fit into `RUN_BYTES`, and one at least."""
        most = RUN_BYTES // (rows * self._last_NF.shape[1] * self._last_NF.element_size())
        begin = 0
        for end in range(1, len(numbers)):
            if self._line_count([self.tiles[number] for number in (numbers[begin], numbers[end])]) > most:
                yield numbers[begin:end]
                begin = end
        yield numbers[begin:]

    def lines(self, plan: Tensor, tiles: Sequence[Tile]) -> Lines:
        """Contract a plan with the functions of all axes but the last, for all lines of consecutive tiles."""
        return Lines(self._contracted(plan, tiles, 0), self._first_line(tiles[0]), tiles)

    def apply(self, lines: Lines, tile: Tile, out: Tensor | None = None) -> Tensor:
        """Sum the series at the points of a tile, (H, points)."""
        span = tile.box[-1]
        own = lines.table[:, self._lines_of(tile, lines)]
        series, last = own.reshape(-1, own.shape[-1]), self._functions[-1][:, span]
        into = own.new_empty(len(own), tile.stop - tile.start) if out is None else out
        rows = into.view(len(series), -1)
        if not self._is_folded(span):
            torch.mm(series, last, out=rows)
            return into
        even, left = rows[:, : self._half], self.shape[-1] - self._half
        odd = self._space.take("odd", rows, len(rows), left)
        torch.mm(series[:, : self._cosines], last[: self._cosines, : self._half], out=even)
        torch.mm(series[:, self._cosines :], last[self._cosines :, :left], out=odd)
        torch.sub(even[:, :left], odd, out=rows[:, self._half :])
        even[:, :left] += odd
        return into

    def accumulator(self, rows: int, tiles: Sequence[Tile]) -> Lines:
        """Zeros for all lines of consecutive tiles."""
        like = self._functions[-1]
        table = like.new_zeros(rows, self._line_count(tiles), len(like))
        return Lines(table, self._first_line(tiles[0]), tiles)

    def add_transpose(self, total: Lines, gradient_HP: Tensor, tile: Tile) -> None:
        """Project a tile's gradient on the functions of the last axis, and add it to its lines."""
        span = tile.box[-1]
        own = total.table[:, self._lines_of(tile, total)]
        rows, last_NF = gradient_HP.reshape(-1, span.stop - span.start), self._last_NF[span]
        if not self._is_folded(span):
            own += (rows @ last_NF).view(own.shape)
            return
        half, left = self._half, self.shape[-1] - self._half
        projected = self._space.take("projected", rows, len(rows), last_NF.shape[1])
        even = self._space.take("even", rows, len(rows), half).copy_(rows[:, :half])
        even[:, :left] += rows[:, half:]
        torch.mm(even, last_NF[:half, : self._cosines], out=projected[:, : self._cosines])
        odd = self._space.take("odd", rows, len(rows), left)
        torch.sub(rows[:, :left], rows[:, half:], out=odd)
        torch.mm(odd, last_NF[:left, self._cosines :], out=projected[:, self._cosines :])
        own += projected.view(own.shape)

    def folded(self, total: Lines) -> Tensor:
        """Project what has been added to lines on the functions of the other axes, (H, F_1, ..., F_D)."""
        return self._projected(total.table, total.tiles, 0)

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

    def _contracted(self, value: Tensor, tiles: Sequence[Tile], axis: int) -> Tensor:
        """Coefficients (H, F_d, ..., F_D) from an axis on become those of lines, (H, lines, F_D)."""
        if axis == len(self.shape) - 1:
            return value[:, None]
        parts, lead = [], len(value)
        for span, inner in self._by_place(tiles, axis):
            local = self._functions[axis][:, span]
            rest = torch.matmul(local.T, value.reshape(lead, len(local), -1))
            rest = rest.reshape(-1, *value.shape[2:])
            parts.append(self._contracted(rest, inner, axis + 1).reshape(lead, -1, value.shape[-1]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _projected(self, lines: Tensor, tiles: Sequence[Tile], axis: int) -> Tensor:
        """The transpose of `_contracted`: lines (H, lines, F_D) become coefficients from an axis on."""
        if axis == len(self.shape) - 1:
            return lines[:, 0]
        runs, parts = list(self._by_place(tiles, axis)), []
        # Where there are several runs the axes before this one stand at one place, so that lines are counted by tiles.
        counts = [self._line_count(inner) for _, inner in runs] if len(runs) > 1 else [lines.shape[1]]
        for (span, inner), part in zip(runs, torch.split(lines, counts, 1), strict=True):
            places = span.stop - span.start
            flat = part.reshape(len(lines) * places, -1, lines.shape[-1])
            found = self._projected(flat, inner, axis + 1)
            parts.append(found.reshape(len(lines), places, -1))
        local = torch.cat([self._functions[axis][:, span] for span, _ in runs], 1)
        value = torch.matmul(local, torch.cat(parts, 1))
        return value.reshape(len(lines), *(len(functions) for functions in self._functions[axis:]))

    def _by_place(self, tiles: Sequence[Tile], axis: int) -> Iterator[tuple[slice, Sequence[Tile]]]:
        """Consecutive tiles by the places on an axis that they share; on the last but one they follow each other."""
        if axis == len(self.shape) - 2:
            yield slice(tiles[0].box[axis].start, tiles[-1].box[axis].stop), tiles
            return
        for span, run in groupby(tiles, key=lambda tile: tile.box[axis]):
            yield span, list(run)

    def _line_count(self, tiles: Sequence[Tile]) -> int:
        return -(-tiles[-1].stop // self.shape[-1]) - self._first_line(tiles[0])

    def _first_line(self, tile: Tile) -> int:
        return tile.start // self.shape[-1]

    def _lines_of(self, tile: Tile, lines: Lines) -> slice:
        """Where the lines of a tile are in the table."""
        first = self._first_line(tile) - lines.first
        return slice(first, first + self._line_count([tile]))

    def _is_folded(self, span: slice) -> bool:
        """Whether half of a line gives the other half."""
        return self._half > 0 and span == slice(0, self.shape[-1])

    def _mean_wave(self, k: Tensor) -> Tensor:
        """Mean over the grid of e^{i omega k.x} for integer k of shape (..., D)."""
        mean = torch.ones(k.shape[:-1], dtype=torch.complex128)
        for d, positions in enumerate(self._axes):
            lowest = int(k[..., d].min())
            span = torch.arange(lowest, int(k[..., d].max()) + 1, dtype=torch.float64)
            table = torch.exp(1j * self.omega * span[:, None] * positions).mean(1)
            mean = mean * table[k[..., d] - lowest]
        return mean


def _half(positions: Tensor) -> int:
    """Number of positions up to and with the middle of a line; 0 if they do not lie symmetrically about 0."""
    mirrored = torch.allclose(positions, -positions.flip(0), rtol=0.0, atol=torch.finfo(positions.dtype).eps)
    return (len(positions) + 1) // 2 if mirrored and len(positions) > 1 else 0


def _axis_functions(k: Tensor, omega: float, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines of all distinct |k|, then sines of the non-zero ones, (F, N); and the row of each frequency in both."""
    distinct, row = torch.unique(k, return_inverse=True)
    angle = omega * distinct.double()[:, None] * positions
    zero = int(distinct[0] == 0)
    functions = torch.cat([angle.cos(), angle[zero:].sin()])
    sine_row = (row + len(distinct) - zero).clamp(min=0)
    # sin(0) is no function: its factor, sign(0), is zero, so any valid row will do.
    return functions, row, torch.where(k == 0, torch.zeros_like(row), sine_row)
