"""Bounds that are learned: W_ij = c_j tanh(V_ij), V and c trained together (section 4 of arXiv 2407.21121).

The weight of a hidden layer is replaced by that product wherever the layer uses it, so the bounds take part in every
forward pass and receive a gradient from the data; a published version wrote the product into an attribute that nothing
read. A penalty on the mean of c drives down the columns that the signal does not need. Used by
`tuner.experiment.regimes` on hidden layers of any network here.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tuner.errors import ConfigError
from tuner.fit.sines.module import HiddenSine

# tanh never reaches 1: weights at their bound start here, as a share of it.
NEAREST = 0.999


class TanhBound(nn.Module):
    """The map from V to W; |c| is what bounds, so that a step of c through zero does no harm.

    Attributes:
        bounds_M: parameter, c before its absolute value is taken.
    """

    def __init__(self, bounds_M: Float[Tensor, " inputs"]) -> None:
        super().__init__()
        self.bounds_M = nn.Parameter(bounds_M.clone())

    def forward(self, free_HM: Float[Tensor, "hidden inputs"]) -> Float[Tensor, "hidden inputs"]:
        """W of V."""
        return self.bounds_M.abs() * torch.tanh(free_HM)

    def right_inverse(self, weight_HM: Float[Tensor, "hidden inputs"]) -> Float[Tensor, "hidden inputs"]:
        """V of W, as near as there is one."""
        return torch.atanh((weight_HM / self.bounds_M.detach().abs()).clamp(-NEAREST, NEAREST))


def learn_bounds(layer: HiddenSine) -> None:
    """Make the bounds of a layer trainable, starting from the fixed ones; its function hardly changes.

    Raises:
        ConfigError: if the layer has no bounds.
    """
    if layer.bounds_M is None:
        raise ConfigError("the layer has no bounds to start from: make the network with bounds")
    bound = TanhBound(layer.bounds_M)
    layer.bounds_M = None  # nothing to clamp: tanh keeps within c
    parametrize.register_parametrization(layer, "weight_HM", bound)


def settle_bounds(layer: HiddenSine) -> None:
    """Make learned bounds fixed again, as they are now: the layer becomes an ordinary one with the same function."""
    bound = next(learned(layer))
    parametrize.remove_parametrizations(layer, "weight_HM", leave_parametrized=True)
    layer.bounds_M = bound.bounds_M.detach().abs()


def learned(module: nn.Module) -> Iterator[TanhBound]:
    """All learned bounds within a module."""
    return (part for part in module.modules() if isinstance(part, TanhBound))


def bound_penalty(module: nn.Module) -> Float[Tensor, ""]:
    """Mean of |c| over all learned columns of a module; zero if there are none."""
    bounds = [bound.bounds_M.abs() for bound in learned(module)]
    return torch.cat(bounds).mean() if bounds else torch.zeros(())
