"""Values of a wavelet network on the samples of its signal, by the core: the same bits on every machine.

Integers and weights go in, and rows of the first axis come out one stripe after the other, so that memory stays that of
the integers and of some rows. Nothing counts the work: every loop runs over samples and weights, whose numbers the
reader of a file has checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tuner.core.host import Instance, Integers, Layout, Limits, memory_needed
from tuner.errors import ConfigError
from tuner.shapes import FloatArray, IntArray

_OWN_FIELDS = 3
MOST_UNITS, MOST_LAYERS = 1 << 16, 64
SHORTEST_PERIOD, LONGEST_PERIOD = 1e-30, 1e30
WAVELETS, SINES = 0, 1  # kinds of networks, as the core numbers them
_POINTS_ROOM, _ROW_ROOM, _STRIPE = 272, 16, 8192
_ROWS_AROUND = 8


def head(kind: int, frequencies: int, channels: int, widths: Sequence[int], period: float) -> bytes:
    """The first words of a network as the core reads it; see `network.h`.

    Args:
        kind: number of the kind of network, `WAVELETS` or `SINES`.
        frequencies: number of input frequencies.
        channels: number of values at a point.
        widths: number of neurons of each layer.
        period: length of a period in units of the coordinates.
    """
    words = np.array([frequencies, channels, len(widths), kind], dtype="<u4")
    return words.tobytes() + np.array([period], dtype="<f8").tobytes() + np.array(list(widths), dtype="<u4").tobytes()


def network_words(
    kind: int, period: float, widths: Sequence[int], frequencies: IntArray, tensors: Sequence[FloatArray]
) -> bytes:
    """A network as the core reads it; see `network.h`.

    Args:
        kind: number of the kind of network, `WAVELETS` or `SINES`.
        period: length of a period in units of the coordinates.
        widths: number of neurons of each layer.
        frequencies: frequencies of the first layer in cycles per period, integers (F, D).
        tensors: factors of the inputs or phases of the frequencies, then the weights in the order of a file, the bias
            of the readout, which has one number for each channel, last.
    """
    parts = [np.asarray(frequencies, dtype="<i4"), *(np.asarray(tensor, dtype="<f4") for tensor in tensors)]
    first = head(kind, len(frequencies), len(tensors[-1]), widths, period)
    return first + b"".join(part.tobytes() for part in parts)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Network:
    """The small network that turns fields into values.

    Attributes:
        period: length of a period in units of the coordinates.
        frequencies: frequencies of the first layer in cycles per period, integers (F, D).
        factors: what each input beside the sines is multiplied by, float32 (M,).
        tensors: the weights in the order of a file: of sines, of other inputs, bias of the first layer; weight and bias
            of each other layer; skip, weight and bias of the readout.
    """

    period: float
    frequencies: IntArray
    factors: FloatArray
    tensors: Sequence[FloatArray]

    @property
    def channels(self) -> int:
        """Number of values at a sample."""
        return len(self.tensors[-1])

    @property
    def widths(self) -> list[int]:
        """Number of neurons of each layer."""
        return [len(bias) for bias in self.tensors[2:-3:2]]

    @property
    def fits(self) -> bool:
        """Whether the core evaluates networks of this size and period."""
        sizes = [*self.widths, self.channels, len(self.frequencies)]
        return (
            max(sizes) <= MOST_UNITS
            and min(sizes[:-1]) >= 1
            and len(self.widths) <= MOST_LAYERS
            and SHORTEST_PERIOD < self.period < LONGEST_PERIOD
        )

    def words(self) -> bytes:
        """As the core reads it; see `network.h`."""
        return network_words(WAVELETS, self.period, self.widths, self.frequencies, [self.factors, *self.tensors])


def values(
    integers: Sequence[Integers], layout: Layout, network: Network, memory: int | None = None, *, every: int = 1
) -> FloatArray:
    """Values on the samples of a signal, float32 (*samples, C), not limited to any range.

    Args:
        integers: coefficients of all subbands in the order of the core, int32, in as many arrays as there may be.
        layout: subbands that the integers belong to.
        network: what turns fields into values.
        memory: bytes that the core may use; None for what the layout needs.
        every: how many samples along each axis have one value, that of the one in their middle.

    Raises:
        ConfigError: if layout or network are outside of what the core knows.
        LimitExceeded: if the memory does not suffice.
    """
    words = network.words()
    allowed = values_memory(layout, network) if memory is None else memory
    instance = Instance(layout, 0, Limits(memory=allowed))
    count = instance.call("core_integer_count")
    if (given := sum(part.size for part in integers)) != count:
        raise ConfigError(f"there are {given} integers, expected {count} for {layout}")
    room = instance.view(instance.call("core_integers"), 4 * count).view("<i4")
    np.concatenate([part.reshape(-1) for part in integers], out=room)
    instance.write(words, instance.room("core_network_room", len(words) // 4))
    instance.call("core_every", every)
    instance.check(instance.call("core_pixels"))
    samples = tuple((count - 1 - min(every // 2, count - 1)) // every + 1 for count in layout.samples)
    first, *others = samples if len(samples) > 1 else (1, *samples)
    found = np.empty((first, prod(others) * network.channels), dtype=np.float32)
    done, address = 0, instance.call("core_values")
    while rows := instance.call("core_next"):
        found[done : done + rows] = instance.view(address, found[:1].nbytes * rows).view("<f4").reshape(rows, -1)
        done += rows
    return found.reshape(*samples, network.channels)


def values_memory(layout: Layout, network: Network) -> int:
    """Bytes of memory that `values` needs at most."""
    fields, samples = 1 + min(layout.scales, _OWN_FIELDS), layout.samples
    first, *others = samples if len(samples) > 1 else (1, *samples)
    plane = prod(others)
    rows = min(first, max(2, _STRIPE // plane)) + _ROWS_AROUND
    sums = fields + layout.colours - 1 + (network.channels if layout.colours > 1 else 0)
    coarse = prod(-(-count // 2) for count in samples) + _ROW_ROOM
    count = plane // others[-1]
    lines = count * (others[-1] + 2 * _ROW_ROOM)
    floats = sum(tensor.size for tensor in network.tensors) * 24 + 8 * len(network.words()) // 4
    floats += ((fields - 1) * layout.colours + 1) * coarse
    floats += rows * ((sums + network.channels) * (plane + 2 * count) + lines) + sums * (
        4 * fields * layout.colours + 64
    )
    floats += (2 * len(network.frequencies) + 4 * (max(network.widths) + network.channels) + 64) * _POINTS_ROOM
    return memory_needed(layout, 0) + 4 * floats
