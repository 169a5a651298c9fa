"""Exact evaluation of the first layer on a line of samples by short Fourier transforms.

In 1-D there is no other axis to share work with, and a second of sound has more samples than any table of sines should.
But frequencies are integers: if the period is a whole number L of steps between samples, sin(omega k x + phi) only asks
for k n mod L at sample n. Cut L = Q B and let a tile be every Q-th sample, n = q + Q j: then

    e^{2 pi i k n / L} = e^{2 pi i k q / L} e^{2 pi i (k mod B) j / B},

so a tile is one inverse transform of length B, for all frequencies at once. A sample costs some log2(B) operations a
neuron instead of M, in memory that does not grow with the line. Exact, and chosen by `tuner.fit.natural.separable` when
it pays: from a few hundred frequencies on.
"""

from collections.abc import Sequence
from math import log2, pi

import torch
from torch import Tensor

from tuner.fit.natural.input_sines import Lines, PlansAsTheyAre, Tile

# Multiply-adds of a matrix product in the time of one butterfly of a transform, as measured on a CPU.
BUTTERFLY = 24.0
ROUNDING = 2e-7
LARGEST_FACTOR = 7  # of a transform's length: larger primes are slow


class FourierLine(PlansAsTheyAre):
    """First layer at equally spaced points of a line; `whole_steps` must hold for the axis.

    Args:
        frequencies_MD: integer frequencies in cycles per period, (M, 1).
        period: length p of the period, in units of the coordinates.
        axis: positions of the samples, (N,), increasing.
        tile_points: largest number of points in a tile.
    """

    def __init__(self, frequencies_MD: Tensor, period: float, axis: Tensor, tile_points: int) -> None:
        self.points = len(axis)
        self._steps = whole_steps(period, axis)
        length = transform_length(self._steps, max(1, tile_points * self._steps // self.points))
        self._stride, self._length = self._steps // length, length
        # The middle of the line is exact even where float32 has rounded its ends.
        self._centre = 0.5 * (float(axis[0].double()) + float(axis[-1].double()))
        self._first = self._centre - 0.5 * (self.points - 1) * period / self._steps
        self._k_M = frequencies_MD[:, 0].to("cpu", torch.int64)
        self._omega = 2.0 * pi / period
        self._like = axis[:0]
        counts = [-(-(self.points - first) // self._stride) for first in range(min(self._stride, self.points))]
        starts = [0, *torch.tensor(counts).cumsum(0).tolist()]
        self.tiles: Sequence[Tile] = [
            Tile(start, start + count, (slice(first, None, self._stride),))
            for first, (start, count) in enumerate(zip(starts, counts, strict=False))
        ]
        # Real samples need half of the bins: e^{i r j} with r > B / 2 is the conjugate of one below.
        remainder = self._k_M % length
        self._bin_M = torch.minimum(remainder, length - remainder).to(axis.device)
        self._flipped_M = (remainder > length - remainder).to(axis.device)
        whole = (self._bin_M == 0) | (2 * self._bin_M == length)
        self._share_M = torch.where(whole, 1.0, 0.5).to(axis.dtype)

    @property
    def cost(self) -> float:
        """Of a neuron and a point, in multiply-adds of a matrix product; the dense product takes M."""
        butterflies = 0.5 * log2(max(2, self._length)) * self._steps / self.points
        return BUTTERFLY * (butterflies + len(self._k_M) / self._length)

    def arrange(self, values: Tensor) -> Tensor:
        """Bring values (N, C) into tile order, (C, N)."""
        return torch.cat([values[tile.box] for tile in self.tiles]).T.contiguous()

    def plan(self, weight_HM: Tensor, phases_M: Tensor, turn_HM: Tensor | None = None) -> Tensor:
        """Complex amplitudes at the first sample, (H, M)."""
        amplitude = -1j * weight_HM if turn_HM is None else torch.complex(turn_HM, -weight_HM)
        return amplitude * self._start(phases_M).to(amplitude.dtype)

    def apply(self, lines: Lines, tile: Tile, out: Tensor | None = None) -> Tensor:
        """Transform the amplitudes of a tile, (H, points)."""
        plan = lines.table
        turned = plan * self._turn(tile)
        turned = torch.where(self._flipped_M, turned.conj(), turned) * self._share_M
        bins = plan.new_zeros(len(plan), self._length // 2 + 1).index_add_(1, self._bin_M, turned)
        line = torch.fft.irfft(bins, self._length, norm="forward")[:, : tile.stop - tile.start]
        return line if out is None else out.copy_(line)

    def accumulator(self, rows: int, tiles: Sequence[Tile]) -> Lines:
        """Complex zeros (H, M)."""
        return Lines(torch.zeros_like(torch.view_as_complex(self._like.new_empty(rows, len(self._k_M), 2))), 0, tiles)

    def add_transpose(self, total: Lines, gradient_HP: Tensor, tile: Tile) -> None:
        """Add the sums of g e^{2 pi i k n / L} over a tile's points."""
        bins = torch.fft.rfft(gradient_HP, self._length)[:, self._bin_M]
        total.table.add_(torch.where(self._flipped_M, bins, bins.conj()) * self._turn(tile))

    def transposed(self, total: Tensor, phases_M: Tensor) -> tuple[Tensor, Tensor]:
        """Read the gradient of each sine and of each cosine off the sums."""
        waves = total * self._start(phases_M).to(total.dtype)
        return waves.imag, waves.real

    def covariance(self, phases_M: Tensor) -> Tensor:
        """Closed form: 2 sin a sin b = cos(a - b) - cos(a + b), and a mean of waves is a geometric series."""
        # The constant 1 is sin(0 . x + pi/2).
        phases = torch.cat([phases_M.to("cpu", torch.float64), torch.full((1,), pi / 2, dtype=torch.float64)])
        k = torch.cat([self._k_M, torch.zeros(1, dtype=torch.int64)])
        difference = self._mean_cosine(k[:, None] - k, phases[:, None] - phases)
        total = self._mean_cosine(k[:, None] + k, phases[:, None] + phases)
        return (0.5 * (difference - total)).to(phases_M.device)

    def _mean_cosine(self, k: Tensor, phase: Tensor) -> Tensor:
        """Mean over the line of cos(omega k x + phase)."""
        half = k.double() * (pi / self._steps)
        below = self.points * torch.sin(half)
        same = k % self._steps == 0
        ratio = torch.sin(half * self.points) / torch.where(same, torch.ones_like(below), below)
        # With k = L m every step is m whole turns; the middle of the line may be half a turn away.
        turns = torch.cos(half * (self.points - 1))
        return torch.where(same, turns, ratio) * torch.cos(self._omega * self._centre * k.double() + phase)

    def _start(self, phases_M: Tensor) -> Tensor:
        """e^{i (omega k x_0 + phi)}, complex128."""
        angle = self._omega * self._k_M.double() * self._first
        return torch.exp(1j * (angle.to(phases_M.device) + phases_M.double()))

    def _turn(self, tile: Tile) -> Tensor:
        """e^{2 pi i k q / L}: integers keep every digit of the angle."""
        first: int = tile.box[0].start
        angle = (self._k_M * first % self._steps).double() * (2.0 * pi / self._steps)
        turn = torch.exp(1j * angle).to(self._like.device)
        return turn.to(torch.complex128 if self._like.dtype == torch.float64 else torch.complex64)


def whole_steps(period: float, axis: Tensor) -> int:
    """The number of steps between samples in a period, or 0 if steps are unequal or do not divide it."""
    if len(axis) < 2:
        return 0
    exact = axis.to("cpu", torch.float64)
    step = float(exact[-1] - exact[0]) / (len(axis) - 1)
    even = exact[0] + step * torch.arange(len(axis), dtype=torch.float64)
    steps = period / step if step > 0.0 else 0.0
    # Positions are float32: they lie within its rounding of where they are meant to be.
    within = float((exact - even).abs().max()) <= ROUNDING and abs(steps - round(steps)) <= min(ROUNDING * steps, 0.1)
    return round(steps) if within else 0


def transform_length(steps: int, limit: int) -> int:
    """The largest divisor of `steps` up to `limit` that is a product of small primes."""
    divisors = (d for d in range(min(limit, steps), 0, -1) if steps % d == 0)
    return next((d for d in divisors if _is_smooth(d)), 1)


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5, LARGEST_FACTOR):
        while number % prime == 0:
            number //= prime
    return number == 1
