"""Pruning: the columns of the hidden sine layers that matter least are set to zero, and training goes on without them.

A column is all weights of one input neuron. Those with the smallest L1 norms go, a share of every hidden sine layer;
input and output layers stay whole. It is the authors' structured pruning of 2024 (half of the columns, after an eighth
of the steps). Networks without hidden sine layers have nothing to prune.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from tuner.errors import ConfigError
from tuner.experiment.methods import hidden_sines
from tuner.experiment.networks.learned_bounds import learned
from tuner.fit.sines.module import HiddenSine
from tuner.fit.sines.trainable import Network

NEGLIGIBLE = 1e-4  # weights below it count as none, as the authors count


@dataclass(frozen=True, kw_only=True, slots=True)
class PruningConfig:
    """When columns are pruned, and how many.

    Attributes:
        share: share of the columns of every hidden sine layer that goes, above 0 and below 1.
        after: share of the steps, in an MR-Net of those of each stage, after which it happens, above 0 and below 1.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    share: float = 0.5
    after: float = 0.125

    def __post_init__(self) -> None:
        for name in ("share", "after"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} of prune is {getattr(self, name)}, expected a number between 0 and 1")

    def step(self, steps: int) -> int:
        """The step, from 1, after which columns are pruned in a training of that many."""
        return max(1, round(self.after * steps))


@dataclass(frozen=True, slots=True)
class PrunedLayer:
    """What was pruned of one layer.

    Attributes:
        step: number of steps of the whole training before it.
        layer: number of the hidden layer, from 0, through all stages.
        columns: columns of the layer.
        pruned: columns that went.
        largest_pruned: largest L1 norm of a column that went.
        smallest_kept: smallest L1 norm of a column that stayed.
    """

    step: int
    layer: int
    columns: int
    pruned: int
    largest_pruned: float
    smallest_kept: float


class Pruned:
    """The columns that are held at zero from some step on."""

    def __init__(self) -> None:
        self._columns: list[tuple[HiddenSine, torch.Tensor]] = []

    @torch.no_grad()
    def cut(self, layers: Iterable[tuple[int, HiddenSine]], share: float, step: int) -> list[PrunedLayer]:
        """Set the columns of smallest L1 norm to zero.

        Args:
            layers: hidden layers with their numbers.
            share: share of the columns of each; at least one stays.
            step: number of steps before it, for the report.
        """
        report = []
        for number, layer in layers:
            norms_M = layer.weight_HM.abs().sum(dim=0)
            order = torch.argsort(norms_M, stable=True)
            count = min(round(share * len(order)), len(order) - 1)
            self._columns.append((layer, order[:count]))
            largest = float(norms_M[order[count - 1]]) if count else 0.0
            smallest = float(norms_M[order[count]])
            report.append(PrunedLayer(step, number, len(order), count, largest, smallest))
        self.hold()
        return report

    @torch.no_grad()
    def hold(self) -> None:
        """Keep the columns at zero, whatever a step has done to them."""
        for layer, columns in self._columns:
            bounds = list(learned(layer))
            for bound in bounds:  # W = c tanh(V): without c there is no column
                bound.bounds_M[columns] = 0.0
            if not bounds:
                layer.weight_HM[:, columns] = 0.0


def require_prunable(network: Network) -> None:
    """Make sure that there is something to prune.

    Raises:
        ConfigError: if there is no hidden sine layer.
    """
    if not hidden_sines(network):
        raise ConfigError(
            "prune is asked for, but this network has no hidden sine layers: take a regime (train_bound, ...) or tuner"
        )


@torch.no_grad()
def sparsity(network: Network) -> dict[str, float]:
    """How many weights are left, counted as the authors count: those of at least 1e-4.

    Returns:
        `weights`, `weights_left`, `compression_ratio` (the first over the second) and `space_saving` (the share that
        is gone). Of learned bounds the product with its bound counts as the weight.
    """
    hidden = [layer.weight_HM for layer in hidden_sines(network)]
    others = [tensor for name, tensor in network.named_parameters() if "weight_HM" not in name]
    sizes = [(tensor.numel(), int((tensor.abs() >= NEGLIGIBLE).sum())) for tensor in (*hidden, *others)]
    total, left = (sum(counts) for counts in zip(*sizes, strict=True))
    return {
        "weights": total,
        "weights_left": left,
        "compression_ratio": total / max(left, 1),
        "space_saving": 1.0 - left / total,
    }
