"""Which requests get a network with wavelets where nobody has said, and with which settings. No torch here.

It makes the smaller file of a photograph, a sound, a volume, a clip, a distance field or an array at the sizes that
people ask for; its fixed part is too large for tiny files, and its integers end at some quality. Measurements are in
docs/decisions/0016-wavelet-latents.md and 0017-wavelets-for-every-kind.md.
"""

from dataclasses import dataclass
from math import prod

from tuner.errors import ConfigError
from tuner.fit.presets import Effort, Outline
from tuner.fit.wavelets.config import MOST_AXES, TOO_MANY_AXES, WaveletConfig
from tuner.signal.kind import SignalKind
from tuner.targets.target import Target, TargetKind

_STEPS = {Effort.FAST: 12, Effort.BALANCED: 30, Effort.BEST: 120}
_BITS_PER_CHANNEL = {Effort.FAST: 0.1, Effort.BALANCED: 0.2, Effort.BEST: 0.4}
# A neuron costs some 15 bytes; files of so many bytes at most are best with so few.
_NEURONS = ((4_000.0, 8), (10_000.0, 16), (float("inf"), 24))
_TIMED_STEPS = 100_000  # a limit of time ends the fit, not this
_MOST_LATENTS = 1 << 24  # a reader's limit for a file, unless it is told otherwise


@dataclass(frozen=True, slots=True)
class _Range:
    """Within which a network with wavelets is chosen where nobody has.

    Attributes:
        least_samples: the fewest samples of a grid.
        least_bytes: the smallest file that is asked for by its size; the layers alone take 400 to 700 bytes.
        most_bits: the largest such file, in bits per channel and sample.
        most_psnr_db: the highest quality, in dB, that is asked for as such; above it, not every fit gets there.
        most_values: the most values of a signal.
    """

    least_samples: int
    least_bytes: int
    most_bits: float
    most_psnr_db: float
    most_values: int


_PICTURES = _Range(1 << 13, 2000, 2.5, 48.0, 15 << 20)
_OTHERS = _Range(1 << 11, 1000, 6.0, 56.0, 1 << 23)  # a fit of so many takes 2.5 GB


def wavelets_suit(signal: Outline, target: Target | None) -> bool:
    """Whether a network with wavelets is the better choice for this signal and target."""
    samples = prod(signal.grid_shape)
    allowed = _PICTURES if signal.kind is SignalKind.IMAGE else _OTHERS
    if target is None or len(signal.grid_shape) > MOST_AXES:
        return False
    if samples < allowed.least_samples or samples * signal.channels > allowed.most_values:
        return False
    if target.kind is TargetKind.PSNR_DB:
        return target.value <= allowed.most_psnr_db
    size = target.max_bytes(samples)
    return size is not None and (allowed.least_bytes <= size <= allowed.most_bits * signal.channels * samples / 8.0)


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
        signal: the signal to be fitted, of which only shape and channels play a part.
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
    bits = _BITS_PER_CHANNEL[effort] * signal.channels
    count, psnr_db = steps or _STEPS[effort], None
    match target and target.kind:
        case TargetKind.MAX_ERROR:
            raise ConfigError(
                "a largest error is asked of a network with wavelets, which knows the mean of its errors alone: ask "
                "for the network kind 'sines', or for psnr_db"
            )
        case TargetKind.PSNR_DB:
            assert target is not None  # noqa: S101  as matched
            psnr_db = target.value
        case TargetKind.SECONDS:
            assert target is not None  # noqa: S101
            count = steps or _TIMED_STEPS
            seconds = min(target.value, seconds or target.value)
    max_bytes = None if target is None else target.max_bytes(samples)
    if max_bytes is not None:
        bits = 8.0 * max(max_bytes, 1) / samples
    size = bits * samples / 8.0
    config = WaveletConfig(
        bits_per_sample=bits if psnr_db is None else None,
        psnr_db=psnr_db,
        steps=count,
        max_seconds=seconds,
        widths=(next(neurons for most, neurons in _NEURONS if size <= most),),
        seed=seed,
    )
    _check_readable(config, signal)
    return config


def _check_readable(config: WaveletConfig, signal: Outline) -> None:
    """A file that readers would refuse is not begun."""
    if config.weight_count(signal.grid_shape, signal.channels) > _MOST_LATENTS:
        raise ConfigError(
            f"the signal has {prod(signal.grid_shape)} samples, too many for the latents of a network with "
            "wavelets: ask for the network kind 'sines'"
        )
