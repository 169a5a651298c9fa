"""A good configuration for a signal, from its kind, its size and the effort one is willing to spend.

The network grows with the picture and with the effort, and so do the steps. Eight input frequencies for each neuron: on
a grid a frequency costs next to nothing, a neuron costs a sine and a row of the Gram matrix per sample, and at equal
weights such networks are also the better ones. Measurements are in `docs/decisions/0003-period-and-initialisation.md`
and `0005-natural-gradient.md`; those of the other kinds in `0012-kinds-of-signals.md`.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import prod, sqrt
from typing import Any, Protocol, runtime_checkable

from tuner.errors import ConfigError
from tuner.fit.config import Budget, EikonalConfig, FitConfig, NaturalGradientConfig
from tuner.network.sines.config import NetworkConfig
from tuner.signal.kind import SignalKind

FREQUENCIES_PER_NEURON = 8
NEURONS = (24, 512)  # fewest, without which a thumbnail is a smear, and most
WINDOW_SAMPLES, FEWEST_WINDOWS = 8192, 4  # of a sound, about; a shorter one is kept whole
# Of windows: each neuron is a waveform for all of them, and what counts is how many there are.
FREQUENCIES_PER_SHARED_NEURON, MOST_SHARED_NEURONS = 1.2, 1024
DESCENTS_PER_STEP = 6  # on a surface, for each one on the grid
MOST_FREQUENCIES = 2048  # a direction solves a system of this size


class Effort(StrEnum):
    """How much time, and how large a network, a signal is worth."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


_WEIGHTS_PER_SAMPLE = {Effort.FAST: 0.2, Effort.BALANCED: 0.4, Effort.BEST: 0.8}
_STEPS = {Effort.FAST: 18, Effort.BALANCED: 45, Effort.BEST: 135}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recipe:
    """What the configuration of one kind of signal is made from.

    Attributes:
        weights_per_sample: number of weights per sample, by effort, for three channels.
        frequencies_per_neuron: number of input frequencies for each hidden neuron.
        ranges: limits of the input frequencies, as fractions of Nyquist; the defaults of `NetworkConfig` suit pictures.
    """

    weights_per_sample: dict[Effort, float]
    frequencies_per_neuron: int = FREQUENCIES_PER_NEURON
    ranges: dict[str, Any] = field(default_factory=dict)


_PICTURE = _Recipe(weights_per_sample=_WEIGHTS_PER_SAMPLE)
# Sounds are dense: most of their power lies in a twentieth of the band, and no picture has so many details a sample.
_SOUND = _Recipe(
    weights_per_sample={Effort.FAST: 0.4, Effort.BALANCED: 0.8, Effort.BEST: 1.6},
    frequencies_per_neuron=4,
    ranges={"low_share": 0.5, "low_limit": 0.02, "band_limit": 0.15},
)
# Windows share one network (docs/decisions/0015-windows-of-sound.md).
_LONG_SOUND = _Recipe(
    weights_per_sample={Effort.FAST: 0.35, Effort.BALANCED: 0.5, Effort.BEST: 1.0},
    ranges={"low_share": 0.5, "low_limit": 0.06, "band_limit": 0.3},
)
# A third axis brings samples, not details.
_SOLID = _Recipe(
    weights_per_sample={Effort.FAST: 0.1, Effort.BALANCED: 0.2, Effort.BEST: 0.4},
    frequencies_per_neuron=4,
    ranges={"low_limit": 0.1},
)
_RECIPES = {
    SignalKind.AUDIO: _SOUND,
    SignalKind.VOLUME: _SOLID,
    SignalKind.VIDEO: _SOLID,
    SignalKind.DISTANCE: _SOLID,
}


@runtime_checkable
class Outline(Protocol):
    """What a configuration depends on; every `Signal` has it. No arrays: estimates are made without them."""

    @property
    def kind(self) -> SignalKind:
        """What the samples are."""

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Samples along each axis."""

    @property
    def channels(self) -> int:
        """Values per sample."""


def signal_config(
    signal: Outline,
    effort: Effort | str = Effort.BALANCED,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    target_psnr_db: float | None = None,
) -> FitConfig:
    """The configuration for any signal; an array is taken for a sound, a picture or a solid by its axes.

    Example:
        >>> import numpy as np
        >>> from tuner.signal.signal import Signal, SignalKind
        >>> sound = Signal(values=np.zeros((44100, 2), np.float32), kind=SignalKind.AUDIO)
        >>> network = signal_config(sound, "fast").network  # a second of stereo is cut into windows
        >>> network.windows, network.hidden
        (5, (98,))

    Args:
        signal: what is to be fitted; its values play no part.
        effort: how much time may be spent; it decides the size of the network and the number of steps.
        seed: seed of the fit, >= 0.
        max_steps: largest number of steps; None for that of the effort.
        max_seconds: longest time in steps, in seconds; None for no limit.
        target_psnr_db: quality in dB at which the fit stops; None for no target.

    Returns:
        A configuration that `tuner.fit.fit` takes as it is.
    """
    by_axes = {1: _SOUND, 2: _PICTURE}.get(len(signal.grid_shape), _SOLID)
    recipe = by_axes if signal.kind is SignalKind.ARRAY else _RECIPES.get(signal.kind, _PICTURE)
    is_scattered = hasattr(signal, "coords")  # and windows cut a grid; by name, since its class brings arrays along
    if recipe is _SOUND and not is_scattered and signal.grid_shape[0] >= FEWEST_WINDOWS * WINDOW_SAMPLES:
        recipe = _LONG_SOUND
    budget = _budget(Effort(effort), max_steps, max_seconds, target_psnr_db)
    return _config(recipe, signal.grid_shape, signal.channels, Effort(effort), budget, seed)


def image_config(
    grid_shape: tuple[int, ...],
    channels: int,
    effort: Effort | str = Effort.BALANCED,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    target_psnr_db: float | None = None,
) -> FitConfig:
    """The configuration for an image signal.

    Args:
        grid_shape: height and width of the image, in pixels.
        channels: number of channels of the image; more of them get a larger network.
        effort: how much time may be spent; it decides the size of the network and the number of steps.
        seed: seed of the fit, >= 0.
        max_steps: largest number of steps; None for that of the effort.
        max_seconds: longest time in steps, in seconds; None for no limit.
        target_psnr_db: quality in dB at which the fit stops; None for no target.

    Returns:
        A configuration that `tuner.fit.fit` takes as it is.
    """
    effort = Effort(effort)
    budget = _budget(effort, max_steps, max_seconds, target_psnr_db)
    return _config(_PICTURE, grid_shape, channels, effort, budget, seed)


def eikonal_config(config: FitConfig) -> FitConfig:
    """The same fit of a distance field, followed by six times as many steps on its surface (`tuner.fit.sines.eikonal`).

    Args:
        config: configuration of the same distance field from `signal_config`, with the natural gradient.

    Raises:
        ConfigError: if its trainer is another one.
    """
    if not isinstance(config.trainer, NaturalGradientConfig):
        raise ConfigError(f"the trainer is {config.trainer}, expected NaturalGradientConfig: the start of the fit")
    steps = config.budget.max_steps
    return replace(
        config,
        trainer=EikonalConfig(start=config.trainer, start_steps=steps),
        budget=replace(config.budget, max_steps=(1 + DESCENTS_PER_STEP) * steps),
    )


def _config(
    recipe: _Recipe, grid_shape: tuple[int, ...], channels: int, effort: Effort, budget: Budget, seed: int
) -> FitConfig:
    weights = recipe.weights_per_sample[effort] * prod(grid_shape) * sqrt(channels / 3.0)
    if recipe is _LONG_SOUND:
        network = windowed_network(weights, round(grid_shape[0] / WINDOW_SAMPLES), channels)
    else:
        ratio = recipe.frequencies_per_neuron
        neurons = min(max(round(sqrt(weights / ratio)), NEURONS[0]), NEURONS[1])
        network = NetworkConfig(frequencies=min(ratio * neurons, MOST_FREQUENCIES), hidden=(neurons,))
    return FitConfig(
        network=replace(network, **recipe.ranges),
        trainer=NaturalGradientConfig(),
        budget=budget,
        seed=seed,
    )


def windowed_network(weights: float, windows: int, channels: int = 1) -> NetworkConfig:
    """A network of about so many weights, all outputs included, for a line cut into windows."""
    ratio, outputs = FREQUENCIES_PER_SHARED_NEURON, windows * channels
    neurons = round((sqrt(outputs**2 + 4.0 * ratio * weights) - outputs) / (2.0 * ratio))
    neurons = min(max(neurons, NEURONS[0]), MOST_SHARED_NEURONS)
    return NetworkConfig(frequencies=round(ratio * neurons), hidden=(neurons,), windows=windows)


def _budget(effort: Effort, max_steps: int | None, max_seconds: float | None, target_psnr_db: float | None) -> Budget:
    return Budget(
        max_steps=_STEPS[effort] if max_steps is None else max_steps,
        max_seconds=max_seconds,
        target_psnr_db=target_psnr_db,
    )
