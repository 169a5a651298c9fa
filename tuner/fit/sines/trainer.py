"""What a training algorithm for a network of sines offers beside what the loop asks of every one: its network."""

from typing import Protocol

from tuner.fit.sines.module import SineNetwork
from tuner.fit.trainer import Trainer


class SineTrainer(Trainer, Protocol):
    """A training algorithm, bound to one network of sines and one signal."""

    @property
    def network(self) -> SineNetwork:
        """The network being trained. Its hidden weights are within their bounds after every step."""
