"""Tiny pictures to train on, and how to train on them for a moment."""

import numpy as np

from tests.cases import colours, waves
from tuner.experiment.pruning import PruningConfig
from tuner.experiment.samples import Samples
from tuner.experiment.training import TrainingConfig
from tuner.fit.config import WatchConfig
from tuner.signal.signal import Signal

PERIOD = 2.5


def samples(*, held_out: float = 0.05) -> Samples:
    """48 x 32, grey."""
    return Samples.of(Signal(values=waves()), PERIOD, held_out=held_out, seed=0)


def colour_samples() -> Samples:
    """24 x 40, RGB."""
    return Samples.of(Signal(values=colours()), PERIOD, held_out=0.05, seed=0)


def picture(seed: int, shape: tuple[int, int] = (20, 24)) -> Signal:
    """Three random waves, RGB."""
    random = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    angles = [4 * random.normal() * x + 4 * random.normal() * y + random.normal() for _ in range(3)]
    return Signal(values=(0.5 + 0.4 * np.sin(np.stack(angles, axis=-1))).astype(np.float32))


def recipe(steps: int = 30, **settings: float | PruningConfig | WatchConfig | None) -> TrainingConfig:
    """Small steps of small batches."""
    defaults = {"learning_rate": 2e-3, "batch_samples": 256, "measure_every": 10}
    return TrainingConfig(steps=steps, **(defaults | settings))  # type: ignore[arg-type]
