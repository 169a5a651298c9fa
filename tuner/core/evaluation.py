"""Values and derivatives of a network of either kind where a caller wants them, by the core: on grids, at points.

Coordinates are float64, each signal covering [-1, 1] along every axis. Wavelets are splines there, through the samples
of the signal, made once; then any number of grids and points may follow. On the signal's own samples
`tuner.core.synthesis.values` is the shorter way. The numpy modules of `tuner.network` are the slow twins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tuner.core.host import Core, Instance, Integers, Layout, Limits
from tuner.core.synthesis import (
    LONGEST_PERIOD,
    MOST_LAYERS,
    MOST_UNITS,
    SHORTEST_PERIOD,
    SINES,
    Network,
    network_words,
    values_memory,
)
from tuner.errors import ConfigError
from tuner.shapes import FloatArray, IntArray

_MOST_AXES = 4
_POINTS_ROOM, _STRIPE = 272, 8192
_BASE_MEMORY, _KEPT = 4 << 20, 1 << 23
# Positions of a line, and scattered points, that go in at a time; what is made for them stays that small.
_PIECE, _POINTS = 1 << 17, 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SineNetwork:
    """A network of sines, without latents.

    Attributes:
        period: length of a period in units of the coordinates.
        frequencies: frequencies of the first layer in cycles per period, integers (F, D).
        phases: phase of each frequency in radians, float32 (F,).
        tensors: weight and bias of each layer, then of the readout, float32.
    """

    period: float
    frequencies: IntArray
    phases: FloatArray
    tensors: Sequence[FloatArray]

    @property
    def channels(self) -> int:
        """Number of values at a point."""
        return len(self.tensors[-1])

    @property
    def widths(self) -> list[int]:
        """Number of neurons of each layer."""
        return [len(bias) for bias in self.tensors[1:-2:2]]

    @property
    def fits(self) -> bool:
        """Whether the core evaluates networks of this size and period."""
        sizes = [*self.widths, self.channels, len(self.frequencies)]
        return (
            1 <= self.frequencies.shape[1] <= _MOST_AXES
            and min(sizes) >= 1
            and max(sizes) <= MOST_UNITS
            and len(self.widths) <= MOST_LAYERS
            and SHORTEST_PERIOD < self.period < LONGEST_PERIOD
        )

    def words(self) -> bytes:
        """As the core reads it; see `network.h`."""
        return network_words(SINES, self.period, self.widths, self.frequencies, [self.phases, *self.tensors])


class Evaluation:
    """A network in the core, ready for any number of grids and points; not for several threads at once.

    Args:
        network: a network of sines, or what turns the fields of wavelets into values.
        layout: subbands that the integers belong to; None for sines.
        integers: coefficients of all subbands in the order of the core, int32, in as many arrays as there may be.
        limits: work of each call, of which a decision counts as 64 multiplications, and memory for all of them; None
            for what they need.

    Raises:
        ConfigError: if layout or network are outside of what the core knows.
        LimitExceeded: if memory or work does not suffice.
    """

    def __init__(
        self,
        network: Network | SineNetwork,
        layout: Layout | None = None,
        integers: Sequence[Integers] = (),
        limits: Limits = Limits(),  # noqa: B008  frozen
    ) -> None:
        self._network, self._layout, self._limits = network, layout, limits
        self._axes = network.frequencies.shape[1]
        self._basis = evaluation_memory(network, layout)
        memory = self._basis if limits.memory is None else limits.memory
        words = network.words()
        if layout is None:
            self._core = Core(memory)
            self._core.check(self._core.call("core_prepare_sines", self._axes))
            self._core.allow_work(limits.work)
        else:
            self._core = Instance(layout, 0, Limits(limits.work, memory))
            count = self._core.call("core_integer_count")
            if (given := sum(part.size for part in integers)) != count:
                raise ConfigError(f"there are {given} integers, expected {count} for {layout}")
            room = self._core.view(self._core.call("core_integers"), 4 * count).view("<i4")
            np.concatenate([part.reshape(-1) for part in integers], out=room)
        self._core.write(words, self._core.room("core_network_room", len(words) // 4))
        self._core.check(self._core.call("core_evaluate"))

    def on_grid(self, axes: Sequence[np.ndarray], outputs: tuple[int, int] | None = None) -> FloatArray:
        """Values on the product of some coordinates along each axis, float32 (*shape, C), not limited to any range.

        Args:
            axes: coordinates along each axis, float64 (N_d,), evenly spaced or not.
            outputs: first value and number of values that are wanted of a network of sines; None for all.

        Raises:
            ConfigError: if there are more or fewer axes than the network has, or one is empty.
            LimitExceeded: if memory or work does not suffice.
        """
        shape = tuple(len(axis) for axis in axes)
        if len(shape) != self._axes or min(shape) < 1:
            raise ConfigError(f"the grid has shape {shape}, expected {self._axes} axes of at least one coordinate")
        if len(shape) == 1 and shape[0] > _PIECE:
            starts = range(0, shape[0], _PIECE)
            return np.concatenate([self.on_grid([axes[0][start : start + _PIECE]], outputs) for start in starts])
        channels = self._network.channels if outputs is None else outputs[1]
        self._core.call("core_outputs", *(outputs or (0, 0)))
        self._allow(self._grid_memory(shape))
        address = self._core.room("core_grid_room", *shape, *(1,) * (_MOST_AXES - len(shape)))
        self._core.write(np.concatenate(axes).astype("<f8").tobytes(), address)
        self._core.check(self._core.call("core_grid"))
        first, *others = shape if len(shape) > 1 else (1, *shape)
        found = self._rows(np.empty((first, prod(others) * channels), dtype=np.float32))
        return found.reshape(*shape, channels)

    def at(self, coords_PD: np.ndarray) -> FloatArray:
        """Values at any points, float32 (P, C); arguments and errors are those of `gradients`."""
        return self._points(coords_PD, derivatives=False)

    def gradients(self, coords_PD: np.ndarray) -> FloatArray:
        """Exact derivatives at any points, float32 (P, C, D), per unit of the coordinates.

        Args:
            coords_PD: points, float (P, D).

        Raises:
            ConfigError: if the points have more or fewer coordinates than the network has axes.
            LimitExceeded: if memory or work does not suffice.
        """
        found = self._points(coords_PD, derivatives=True)
        return found.reshape(len(coords_PD), self._network.channels, self._axes)

    def _points(self, coords_PD: np.ndarray, *, derivatives: bool) -> FloatArray:
        if coords_PD.ndim != 2 or coords_PD.shape[1] != self._axes:
            raise ConfigError(f"coordinates have shape {coords_PD.shape}, expected (points, {self._axes})")
        found = np.empty(
            (len(coords_PD), self._network.channels * (self._axes if derivatives else 1)), dtype=np.float32
        )
        self._core.call("core_outputs", 0, 0)
        self._allow(self._points_memory(derivatives=derivatives))
        for start in range(0, len(coords_PD), _POINTS):
            some = coords_PD[start : start + _POINTS]
            address = self._core.room("core_points_room", len(some))
            self._core.write(some.astype("<f8").tobytes(), address)
            self._core.check(self._core.call("core_points", int(derivatives)))
            self._rows(found[start : start + len(some)])
        return found

    def _rows(self, found: FloatArray) -> FloatArray:
        done, address = 0, self._core.call("core_values")
        while rows := self._core.call("core_next"):
            found[done : done + rows] = self._core.view(address, found[:1].nbytes * rows).view("<f4").reshape(rows, -1)
            done += rows
        return found

    def _allow(self, more: int) -> None:
        if self._limits.memory is None:
            self._core.allow_memory(self._basis + more)

    def _network_memory(self, *, derivatives: bool) -> int:
        sizes = [*self._network.widths, self._network.channels]
        inputs = 2 * len(self._network.frequencies) + 64
        floats = sum(tensor.size for tensor in self._network.tensors) * 20 + 24 * len(self._network.frequencies)
        floats += 16 * (inputs + 8) * 8 + sum(sizes) * 4
        rooms = inputs + 3 * (max(sizes) + 64)
        rooms += _MOST_AXES * (inputs + 2 * (max(sizes) + 64)) if derivatives else 0
        return _BASE_MEMORY + 4 * (floats + rooms * _POINTS_ROOM)

    def _grid_memory(self, shape: tuple[int, ...]) -> int:
        first, *others = shape if len(shape) > 1 else (1, *shape)
        plane = prod(others)
        floats = max(plane, min(first * plane, _STRIPE)) * self._network.channels + _KEPT
        numbers = sum(shape) * 200
        if self._layout is not None:
            sums = 4 + self._layout.colours + self._network.channels + 19
            floats += sums * (self._layout.samples[-1] + 64)
        return self._network_memory(derivatives=False) + 4 * floats + numbers

    def _points_memory(self, *, derivatives: bool) -> int:
        values = _POINTS_ROOM * self._network.channels * _MOST_AXES
        return self._network_memory(derivatives=derivatives) + 4 * values + 8 * _POINTS * _MOST_AXES + (4 << 20)


def evaluation_memory(network: Network | SineNetwork, layout: Layout | None) -> int:
    """Bytes of memory that an `Evaluation` needs at most before it is asked for anything.

    Args:
        network: a network of sines, or what turns the fields of wavelets into values.
        layout: subbands that the integers belong to; None for sines.
    """
    if layout is None or isinstance(network, SineNetwork):
        return _BASE_MEMORY + 2 * len(network.words())
    sums = 2 + min(layout.scales, 3) + layout.colours + (network.channels if layout.colours > 1 else 0)
    return values_memory(layout, network) + 4 * sums * (prod(layout.samples) + 64) + 32 * max(layout.samples)
