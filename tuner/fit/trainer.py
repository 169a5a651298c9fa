"""What the loop asks of a training algorithm, whatever kind of network it trains.

The loop (`tuner.fit.loop`) knows budgets, checkpoints and progress; a trainer knows how to make the network better.
Natural gradient, first-order rules and the eikonal loss stand behind this one protocol for networks of sines, and so
does the fit of wavelet latents under a small sine layer.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Trainer(Protocol):
    """A training algorithm, bound to one network and one signal."""

    def step(self) -> float:
        """Change the network once.

        Returns:
            Mean squared error over the signal: exact, or estimated from the samples that the step saw. Not a number
            if training has diverged.
        """

    def finish(self) -> float:
        """Make the network ready for use, say by solving the output layer on all samples.

        Must not change what later steps do.

        Returns:
            The exact mean squared error over all samples and channels.
        """

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on: weights, moments, damping, random state.

        The tensors may share memory with the trainer; names use letters, digits, dots and underscores.
        """

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue as the trainer that gave these `tensors` would have, bit for bit on the same CPU.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
