"""The default trainer: natural gradient on one network of sines and one signal.

Each reported loss is that of the best output layer and exact; it never rises, and there is no learning rate. The
algorithm is in `tuner.fit.natural.descent`, which fits batches; here is a batch of one.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from tuner.fit.config import NaturalGradientConfig
from tuner.fit.natural.descent import Descent
from tuner.fit.natural.sums import Hidden
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.sines.module import SineNetwork


class NaturalGradientTrainer:
    """Natural gradient on one network and one signal; implements `tuner.fit.trainer.Trainer`.

    Args:
        network: network to train, in place.
        sweeps: samples of the signal, ready to be swept over (`tuner.fit.natural.samples`).
        config: damping, ridge and how many directions are tried at a point.
        coarser: function that makes coarser samples of the signal, the coarsest first, on which the first step is
            taken (`tuner.fit.natural.samples.coarser_sweeps`); None for none.
    """

    def __init__(
        self,
        network: SineNetwork,
        sweeps: Sweeps,
        config: NaturalGradientConfig,
        coarser: Callable[[], Iterable[Sweeps]] | None = None,
    ) -> None:
        self.network = network
        self._descent = Descent(
            sweeps,
            starting_point([network]),
            [layer.bounds_M for layer in network.layers],
            config,
            column_costs(network, config.prior_power),
            coarser,
        )
        if coarser is None:  # else the point is another one before the first step has ended
            write_member(self._descent, 0, network)

    def step(self) -> float:
        """Take one step, or keep the network as it is if no step lowers the loss.

        Returns:
            The exact mean squared error, never more than the step before gave, unless there is a prior on the weights.
        """
        self._descent.step()
        write_member(self._descent, 0, self.network)
        return self.finish()

    def finish(self) -> float:
        """The mean squared error: the output layer is already the best one for all samples."""
        return float(self._descent.losses[0])

    def tensors(self) -> dict[str, Tensor]:
        """The point, the previous step (zero if there is none), the damping and the count of steps."""
        return self._descent.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the `tensors` of another trainer of the same signal and configuration.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
        self._descent.load_tensors(tensors)
        write_member(self._descent, 0, self.network)


@torch.no_grad()
def starting_point(networks: list[SineNetwork]) -> Hidden:
    """The hidden layers of networks with the same frequencies and phases, as one batch."""
    layers = (
        torch.stack([torch.cat([layer.weight_HM, layer.bias_H[:, None]], 1) for layer in same_depth])
        for same_depth in zip(*(network.layers for network in networks), strict=True)
    )
    return Hidden(networks[0].phases_M.detach().clone(), tuple(layers))


@torch.no_grad()
def write_member(descent: Descent, member: int, network: SineNetwork) -> None:
    """Bring a module up to date with its member of the descent."""
    network.phases_M.copy_(descent.point.phases)
    for module, layer in zip(network.layers, descent.point.layers, strict=True):
        module.weight_HM.copy_(layer[member, :, :-1])
        module.bias_H.copy_(layer[member, :, -1])
    network.readout_weight_CH.copy_(descent.readout.matrix[member, :, :-1])
    network.readout_bias_C.copy_(descent.readout.matrix[member, :, -1])


# Share of the largest frequency below which columns cost about the same: the constant one must not cost nothing.
CHEAPEST = 0.03


def column_costs(network: SineNetwork, power: float) -> list[Tensor]:
    """Costs of a weight of each column under the prior, of mean 1: the faster a column's input, the dearer.

    Args:
        network: network whose columns are meant.
        power: power of the frequency with which the cost grows; those of later layers cost the same.
    """
    speed = network.frequencies_MD.double().norm(dim=1)
    first = ((speed / speed.max()).square() + CHEAPEST**2) ** (power / 2.0)
    same = (torch.ones(len(layer.bias_H)).to(first) for layer in network.layers[:-1])
    return [first / first.mean(), *same]
