"""What an experiment can train, by name: the regimes of the original repository, and the methods they compete with.

| regime | internal name | network | bounds |
|---|---|---|---|
| `train_siren` | integer SIREN | sine layers on integer frequencies | none |
| `train_mrnet` | integer MR-Net | M-Net on integer frequencies | none |
| `train_bound` | fixed bounds | as `train_siren` | fixed, clamped after every step |
| `train_mrnet_learn_bounds` | learned bounds, MR-Net | as `train_mrnet` | learned |
| `train_tanh` | learned bounds | as `train_siren` | learned, through tanh, with a penalty on their mean |
| `row_bounds` | row bounds | as `train_siren` | fixed, and a limit for every row |

The last one is ours (`tuner.fit.sines.row_bounds`).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import torch

from tuner.errors import ConfigError
from tuner.experiment.networks.learned_bounds import learn_bounds
from tuner.experiment.networks.mrnet import MRNet
from tuner.experiment.networks.registry import Architecture, Option, build
from tuner.fit.sines.module import HiddenSine, SineNetwork
from tuner.fit.sines.row_bounds import row_costs
from tuner.fit.sines.trainable import Network
from tuner.signal.grid import Grid


class Regime(StrEnum):
    """The regimes, by the names of the original scripts."""

    INTEGER_SIREN = "train_siren"
    INTEGER_MRNET = "train_mrnet"
    FIXED_BOUNDS = "train_bound"
    LEARNED_BOUNDS_MRNET = "train_mrnet_learn_bounds"
    LEARNED_BOUNDS = "train_tanh"
    ROW_BOUNDS = "row_bounds"


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A network, what holds its weights, and the learning rate that its authors use for pictures.

    Attributes:
        architecture: architecture of the network.
        learning_rate: learning rate of Adam, for weights stored without their omega.
        options: options of the architecture that differ from its defaults.
        learned: whether the bounds of the hidden layers are learned, through tanh.
        bound_penalty: weight of the mean learned bound in the loss.
        row_limit: limit of `tuner.fit.sines.row_bounds`, as a fraction of Nyquist; None for no limit.
    """

    architecture: Architecture
    learning_rate: float
    options: dict[str, Option] = field(default_factory=dict)
    learned: bool = False
    bound_penalty: float = 0.0
    row_limit: float | None = None


# The deviation is the one that suits Adam (docs/decisions/0003-period-and-initialisation.md).
_FREE: dict[str, Option] = {"bounded": False, "deviation": 1.4}
_BOUNDED: dict[str, Option] = {"bounded": True, "deviation": 1.4}
_RATE, _PENALTY = 5e-4, 2e-5  # of the authors' final configuration

REGIMES = {
    Regime.INTEGER_SIREN: Method(architecture=Architecture.TUNER, learning_rate=_RATE, options=_FREE),
    Regime.INTEGER_MRNET: Method(architecture=Architecture.MNET, learning_rate=_RATE, options=_FREE),
    Regime.FIXED_BOUNDS: Method(architecture=Architecture.TUNER, learning_rate=_RATE, options=_BOUNDED),
    Regime.LEARNED_BOUNDS_MRNET: Method(
        architecture=Architecture.MNET, learning_rate=_RATE, options=_BOUNDED, learned=True, bound_penalty=_PENALTY
    ),
    Regime.LEARNED_BOUNDS: Method(
        architecture=Architecture.TUNER, learning_rate=_RATE, options=_BOUNDED, learned=True, bound_penalty=_PENALTY
    ),
    Regime.ROW_BOUNDS: Method(architecture=Architecture.TUNER, learning_rate=_RATE, options=_BOUNDED, row_limit=1.0),
}

# Learning rates: SIREN's paper; Fourier features' image regression, also for the plain ReLU network; FINER's image
# script; BACON's image settings.
NATURAL_GRADIENT = "natural_gradient"  # TUNER by the library's own trainer, which has no learning rate
METHODS = {
    "tuner": REGIMES[Regime.FIXED_BOUNDS],
    "siren": Method(architecture=Architecture.SIREN, learning_rate=1e-4),
    "ffm": Method(architecture=Architecture.FFM, learning_rate=1e-3),
    "finer": Method(architecture=Architecture.FINER, learning_rate=5e-4),
    "bacon": Method(architecture=Architecture.BACON, learning_rate=5e-3),
    "relu": Method(architecture=Architecture.RELU, learning_rate=1e-3),
    NATURAL_GRADIENT: REGIMES[Regime.FIXED_BOUNDS],
    **{regime.value: made for regime, made in REGIMES.items()},
}


def method(name: str) -> Method:
    """A method by its name.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in METHODS:
        raise ConfigError(f"the method is {name!r}, expected one of {', '.join(METHODS)}")
    return METHODS[name]


def make_network(
    chosen: Method, grid: Grid, channels: int, *, widths: tuple[int, ...], seed: int, **options: Option
) -> Network:
    """The untrained network of a method, its bounds in place.

    Args:
        chosen: the method.
        grid: grid of the signal.
        channels: values per sample, C.
        widths: neurons of each layer, as `tuner.experiment.networks.registry` takes them.
        seed: seed of everything that is drawn.
        options: options of the architecture, instead of the method's own.

    Returns:
        The network, within its bounds.
    """
    network = build(chosen.architecture, grid, channels, widths=widths, seed=seed, **{**chosen.options, **options})
    if chosen.learned:
        for layer in hidden_sines(network):
            learn_bounds(layer)
    if chosen.row_limit is not None and isinstance(network, SineNetwork):
        limit_rows(network, grid, chosen.row_limit)
        network.project()
    return network


def limit_rows(network: SineNetwork, grid: Grid, limit: float) -> None:
    """Give every row of every hidden layer a limit, as a fraction of Nyquist.

    The neurons of a layer that keeps the limit oscillate no faster than it, so each of them costs the next layer that
    much.
    """
    costs_M = torch.tensor(row_costs(network.frequencies_MD.numpy(), grid.nyquist))
    for layer in network.layers:
        layer.row_costs_M, layer.row_limit = costs_M, limit
        costs_M = torch.full_like(layer.bias_H.detach(), limit)


def hidden_sines(network: Network) -> tuple[HiddenSine, ...]:
    """The hidden sine layers of a network, in order; none for a baseline."""
    if isinstance(network, MRNet):
        return tuple(network.hidden_layers())
    return network.layers if isinstance(network, SineNetwork) else ()
