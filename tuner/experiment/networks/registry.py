"""Networks by name, and of equal size: how an experiment names what it compares.

    width = width_for("siren", 15_000, dimensions=2, channels=3)
    network = build("siren", grid, 3, widths=(width, width), seed=0)

The first width is that of the input layer (TUNER's frequencies, SIREN's first sines, the Fourier features), the others
are hidden layers. For MR-Net every stage has all of them. Options are the keyword arguments of the class, under the
same names.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise

from tuner.errors import ConfigError
from tuner.experiment.networks.bacon import Bacon
from tuner.experiment.networks.mrnet import STAGES, Form, mrnet
from tuner.experiment.networks.relu import FourierFeatures, Relu
from tuner.experiment.networks.siren import Finer, Siren
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.trainable import Network
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid

Widths = tuple[int, ...]
Option = float | int | str | bool | None
MOST_WIDTH = 2**16


class Architecture(StrEnum):
    """The networks that can be asked for by name."""

    TUNER = "tuner"
    SIREN = "siren"
    FINER = "finer"
    FFM = "ffm"
    RELU = "relu"
    BACON = "bacon"
    SNET = "snet"
    LNET = "lnet"
    MNET = "mnet"


def build(
    architecture: Architecture | str, grid: Grid, channels: int, *, widths: Widths, seed: int, **options: Option
) -> Network:
    """An untrained network for a signal on `grid`.

    Args:
        architecture: name of the architecture.
        grid: grid of the signal: its dimensions, Nyquist indices and period.
        channels: values per sample, C.
        widths: widths of at least two layers, as this module explains them.
        seed: seed of everything that is drawn.
        options: options of the architecture; left out, they have their published values.

    Returns:
        The network.

    Raises:
        ConfigError: if the architecture has no such option, or refuses its value.
    """
    entry = _entry(architecture)
    if len(widths) < 2 or min(widths) < 1:
        raise ConfigError(f"the widths are {widths}, expected at least two, each at least 1")
    unknown = sorted(set(options) - entry.options)
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)} is no option of {Architecture(architecture).value}, expected one of "
            f"{', '.join(sorted(entry.options)) or 'none'}"
        )
    return entry.make(grid, channels, widths, seed, options)


def weights_of(architecture: Architecture | str, widths: Widths, *, dimensions: int, channels: int) -> int:
    """Weights that a training may change, without making the network."""
    return _entry(architecture).weights(widths, dimensions, channels)


def width_for(
    architecture: Architecture | str, weights: int, *, dimensions: int, channels: int, layers: int = 2
) -> int:
    """The largest width, the same for all layers, that needs no more than `weights` weights.

    Args:
        architecture: name of the architecture.
        weights: the budget.
        dimensions: axes of the signal, D.
        channels: values per sample, C.
        layers: the input layer and the hidden ones, >= 2.

    Returns:
        A width; even where the architecture needs it.

    Raises:
        ConfigError: if not even the smallest network fits.
    """
    step = 2 if Architecture(architecture) is Architecture.FFM else 1

    def fits(width: int) -> bool:
        return weights_of(architecture, (width,) * layers, dimensions=dimensions, channels=channels) <= weights

    low, high = 0, MOST_WIDTH // step
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle - 1)
    if low == 0:
        raise ConfigError(f"{weights} weights are too few for a {Architecture(architecture).value} of {layers} layers")
    return low * step


@dataclass(frozen=True, slots=True)
class _Entry:
    """How an architecture is made and counted, and the options it takes."""

    make: Callable[[Grid, int, Widths, int, dict[str, Option]], Network]
    weights: Callable[[Widths, int, int], int]  # of widths, dimensions and channels
    options: frozenset[str]


def _entry(architecture: Architecture | str) -> _Entry:
    try:
        return _ENTRIES[Architecture(architecture)]
    except ValueError as error:
        names = ", ".join(Architecture)
        raise ConfigError(f"the architecture is {architecture!r}, expected one of {names}") from error


def _chain(sizes: list[int]) -> int:
    """Weights and biases of linear maps from size to size."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))


def _dense_weights(widths: Widths, dimensions: int, channels: int) -> int:
    return _chain([dimensions, *widths, channels])


def _lattice_weights(widths: Widths, _: int, channels: int) -> int:
    return widths[0] + _chain([*widths, channels])


def _bacon_weights(widths: Widths, _: int, channels: int) -> int:
    return len(widths) * widths[0] + _chain([*widths, channels])


def _mrnet_weights(form: Form) -> Callable[[Widths, int, int], int]:
    def weights(widths: Widths, _: int, channels: int) -> int:
        sines, *hidden = widths
        if form is Form.S:
            hidden = []
        total = 0
        for stage in range(STAGES):
            features = hidden[-1] if form is Form.M and stage else 0
            total += sines + _chain([sines + features, *hidden, channels])
        return total

    return weights


def _dense(network: type[Siren] | type[Relu] | type[FourierFeatures]) -> _Entry:
    def make(grid: Grid, channels: int, widths: Widths, seed: int, options: dict[str, Option]) -> Network:
        return network(len(grid.shape), channels, widths, seed=seed, **options)  # type: ignore[arg-type]

    return _Entry(make, _ffm_weights if network is FourierFeatures else _dense_weights, _keywords(network))


def _ffm_weights(widths: Widths, _: int, channels: int) -> int:
    return _chain([*widths, channels])


def _keywords(function: Callable[..., object]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY) - {"seed"}


def _make_tuner(grid: Grid, channels: int, widths: Widths, seed: int, options: dict[str, Option]) -> Network:
    config = NetworkConfig(frequencies=widths[0], hidden=widths[1:], period=grid.period, **options)  # type: ignore[arg-type]
    return SineNetwork.initial(config, grid, channels, seed)


def _make_bacon(grid: Grid, channels: int, widths: Widths, seed: int, options: dict[str, Option]) -> Network:
    return Bacon(grid, channels, widths, seed=seed, **options)  # type: ignore[arg-type]


def _mrnet(form: Form) -> _Entry:
    def make(grid: Grid, channels: int, widths: Widths, seed: int, options: dict[str, Option]) -> Network:
        return mrnet(form, grid, channels, widths, seed=seed, **options)  # type: ignore[arg-type]

    return _Entry(make, _mrnet_weights(form), _keywords(mrnet))


_TUNER_OPTIONS = frozenset(field.name for field in fields(NetworkConfig)) - {"frequencies", "hidden", "period"}

_ENTRIES = {
    Architecture.TUNER: _Entry(_make_tuner, _lattice_weights, _TUNER_OPTIONS),
    Architecture.SIREN: _dense(Siren),
    Architecture.FINER: _dense(Finer),
    Architecture.FFM: _dense(FourierFeatures),
    Architecture.RELU: _dense(Relu),
    Architecture.BACON: _Entry(_make_bacon, _bacon_weights, _keywords(Bacon)),
    Architecture.SNET: _mrnet(Form.S),
    Architecture.LNET: _mrnet(Form.L),
    Architecture.MNET: _mrnet(Form.M),
}
