"""Which requests get a network with wavelets where nobody has said, and with which settings. No torch here.

It makes the smaller file of a photograph, a sound, a volume, a clip, a distance field or an array, whatever size or
quality is asked for. Measurements are in docs/decisions/0016-wavelet-latents.md, 0017-wavelets-for-every-kind.md and
0032-one-choice-of-network.md.
"""

from math import prod

from tuner.errors import ConfigError
from tuner.fit.presets import Effort, Outline
from tuner.fit.wavelets.config import MOST_AXES, TOO_MANY_AXES, WaveletConfig
from tuner.signal.kind import SignalKind
from tuner.targets.target import Target, TargetKind
from tuner.targets.wavelets.forecast import FEW_VALUES

_STEPS = {Effort.FAST: 12, Effort.BALANCED: 30, Effort.BEST: 120}
# Of a picture of few values, for a quality: with more, files were no smaller (docs/decisions/0045-many-small-fits.md).
_STEPS_OF_FEW, _PICTURE_AXES = {**_STEPS, Effort.BALANCED: 15}, 2
_BITS_PER_CHANNEL = {Effort.FAST: 0.1, Effort.BALANCED: 0.2, Effort.BEST: 0.4}
_SOUND = 5.0  # times as many for a sound, whose samples are less alike than pixels
# Bytes of a file of which nobody says how large it may be, at least: a small signal is not to be worse for it. Beside a
# header, a byte for each value is enough.
_LEAST_BYTES = {Effort.FAST: 1000, Effort.BALANCED: 2000, Effort.BEST: 4000}
_HEADER_BYTES = 150
# A neuron costs some 15 bytes; files of so many bytes at most are best with so few.
_NEURONS = ((4_000.0, 8), (10_000.0, 16), (float("inf"), 24))
_TIMED_STEPS = 100_000  # a limit of time ends the fit, not this
_MOST_LATENTS = 1 << 24  # a reader's limit for a file, unless it is told otherwise


# Beyond these a fit takes too much memory: one of so many takes 2.5 GB.
_MOST_PICTURE_VALUES, _MOST_VALUES = 15 << 20, 1 << 23


def most_values(kind: SignalKind) -> int:
    """The most values of a signal of a kind that one network of wavelets is fitted to."""
    return _MOST_PICTURE_VALUES if kind is SignalKind.IMAGE else _MOST_VALUES


def wavelets_suit(signal: Outline, target: Target | None) -> bool:
    """Whether a network with wavelets is the better choice for this signal and target.

    It is wherever it can be fitted and the target is not a largest error: over the whole range of sizes and qualities
    no network of sines came near (docs/decisions/0032-one-choice-of-network.md).
    """
    values = prod(signal.grid_shape) * signal.channels
    if len(signal.grid_shape) > MOST_AXES or values > most_values(signal.kind):
        return False
    return target is None or target.kind is not TargetKind.MAX_ERROR


def wavelets_for(
    signal: Outline,
    effort: Effort,
    target: Target | None,
    *,
    seed: int = 0,
    steps: int | None = None,
    seconds: float | None = None,
) -> WaveletConfig:
    """The settings of a network with wavelets for a signal and a target.

    Args:
        signal: the signal to be fitted, of which only kind, shape and channels play a part.
        effort: what decides the number of steps and, where no target says it, the size.
        target: what the file must meet, or None.
        seed: the seed of frequencies and initial weights, at least 0.
        steps: training steps, instead of the effort's.
        seconds: the most seconds of training, or None.

    Raises:
        ConfigError: if such a network cannot have this target, or the signal has too many axes or samples for it.
    """
    if len(signal.grid_shape) > MOST_AXES:
        raise ConfigError(TOO_MANY_AXES.format(len(signal.grid_shape)))
    samples = prod(signal.grid_shape)
    values = samples * signal.channels
    least_bytes = min(_LEAST_BYTES[effort], _HEADER_BYTES + values)
    rate = _BITS_PER_CHANNEL[effort] * (_SOUND if signal.kind is SignalKind.AUDIO else 1.0)
    bits = max(rate * values, 8.0 * least_bytes) / samples
    count, psnr_db = _STEPS[effort] if steps is None else steps, None
    match target and target.kind:
        case TargetKind.MAX_ERROR:
            raise ConfigError(
                "a largest error is asked of a network with wavelets, which knows the mean of its errors alone: ask "
                "for the network kind 'sines', or for psnr_db"
            )
        case TargetKind.PSNR_DB:
            assert target is not None  # noqa: S101  as matched
            psnr_db = target.value
            if steps is None and values <= FEW_VALUES and len(signal.grid_shape) == _PICTURE_AXES:
                count = _STEPS_OF_FEW[effort]
        case TargetKind.SECONDS:
            assert target is not None  # noqa: S101
            count = _TIMED_STEPS if steps is None else steps
            seconds = target.value if seconds is None else min(target.value, seconds)
    max_bytes = None if target is None else target.max_bytes(samples)
    if max_bytes is not None:
        bits = 8.0 * max(max_bytes, 1) / samples
    size = bits * samples / 8.0
    config = WaveletConfig(
        bits_per_sample=bits if psnr_db is None else None,
        psnr_db=psnr_db,
        steps=count,
        max_seconds=seconds,
        widths=widths_for(size),
        seed=seed,
    )
    _check_readable(config, signal)
    return config


def widths_for(size: float) -> tuple[int, ...]:
    """The neurons of each layer that are best in a file of so many bytes."""
    return (next(neurons for most, neurons in _NEURONS if size <= most),)


def _check_readable(config: WaveletConfig, signal: Outline) -> None:
    """A file that readers would refuse is not begun."""
    if config.weight_count(signal.grid_shape, signal.channels) > _MOST_LATENTS:
        raise ConfigError(
            f"the signal has {prod(signal.grid_shape)} samples, too many for the latents of a network with "
            "wavelets: ask for the network kind 'sines'"
        )
