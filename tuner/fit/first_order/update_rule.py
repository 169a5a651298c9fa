"""What an update rule of first-order training offers, and what most rules have in common.

A rule is bound to named parameters and changes them in place. `slope` gives the loss and its gradients at the present
parameters; only a line search asks more than once. `rest` brings the parameters to where the result is, which for
most rules is where they are. The rules are in `tuner.fit.first_order.optimizers` and `tuner.fit.first_order.lbfgs`.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

Slope = Callable[[], tuple[float, list[Tensor]]]


@runtime_checkable
class Optimizer(Protocol):
    """An update rule, bound to the parameters it changes."""

    def step(self, slope: Slope, rate: float) -> float:
        """Change the parameters once.

        Args:
            slope: returns the loss and its gradient by each parameter, in their order.
            rate: learning rate, in units of the parameters.

        Returns:
            The loss before the step.
        """

    def rest(self) -> None:
        """Bring the parameters to the result; `step` goes on from there as if this had not been called."""

    def projected(self, project: Callable[[], None]) -> None:
        """Make everything that a result may come from keep the bounds; `project` clamps the parameters."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on, the parameters aside; filled in place when a checkpoint is loaded."""

    def loaded(self) -> None:
        """Take notice that `tensors` and the parameters have been filled from a checkpoint."""


class Plain:
    """What rules share that keep their result in the parameters themselves."""

    def rest(self) -> None:
        """Nothing to do."""

    def projected(self, project: Callable[[], None]) -> None:
        """Clamp the parameters."""
        project()

    def loaded(self) -> None:
        """Nothing to do: the state is in the tensors."""
