"""Which requests get a modulated network, and which one. No torch here.

It makes the smaller file of a photograph, a sound, a volume, a clip, a distance field or an array at the sizes that
people ask for; its fixed part is too large for tiny files, and its integers end at some quality. Measurements are in
docs/decisions/0016-wavelet-latents.md and 0017-wavelets-for-every-kind.md. Called by the worker's translation, by
`tuner.targets.estimate` and by the command line.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import prod

from tuner.errors import ConfigError
from tuner.fit.presets import Effort, Outline
from tuner.fit.wavelets.config import MOST_AXES, TOO_MANY_AXES, WaveletConfig
from tuner.signal.kind import SignalKind
from tuner.targets.ask import Target, TargetKind


class NetworkKind(StrEnum):
    """What kind of network is fitted."""

    TUNER = "tuner"
    MODULATED = "modulated"


_STEPS = {Effort.FAST: 12, Effort.BALANCED: 30, Effort.BEST: 120}
_BITS_PER_CHANNEL = {Effort.FAST: 0.1, Effort.BALANCED: 0.2, Effort.BEST: 0.4}
# A neuron costs some 15 bytes; files of so many bytes at most are best with so few.
_NEURONS = ((4_000.0, 8), (10_000.0, 16), (float("inf"), 24))
_TIMED_STEPS = 100_000  # a limit of time ends the fit, not this
_MOST_LATENTS = 1 << 24  # a reader's limit for a file, unless it is told otherwise


@dataclass(frozen=True, slots=True)
class _Range:
    """Within which a modulated network is chosen where nobody has.

    Attributes:
        least_samples: of the grid.
        least_bytes: of a file asked for by its size; the layers alone take 400 to 700.
        most_bits: of such a file, per channel and sample.
        most_psnr_db: of a file asked for by its quality; above, not every fit gets there.
        most_values: of the signal.
    """

    least_samples: int
    least_bytes: int
    most_bits: float
    most_psnr_db: float
    most_values: int


_PICTURES = _Range(1 << 13, 2000, 2.5, 48.0, 15 << 20)
_OTHERS = _Range(1 << 11, 1000, 6.0, 56.0, 1 << 23)  # a fit of so many takes 2.5 GB


def wavelets_for(
    kind: NetworkKind | str | None,
    outline: Outline,
    effort: Effort | str,
    target: Target | None,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    max_seconds: float | None = None,
) -> WaveletConfig | None:
    """The modulated network that a request gets; None if it gets one without latents.

    Args:
        kind: what was asked for; None to choose what suits.
        outline: of the signal.
        effort: decides the number of steps and, where no target says it, the size.
        target: of the fit.
        seed: of the fit, >= 0.
        max_steps: instead of the effort's.
        max_seconds: of training, or None.

    Raises:
        ConfigError: if a modulated network was asked for and cannot have this target, or the signal is too large.
    """
    if kind is None:
        kind = NetworkKind.MODULATED if target is not None and _suits(outline, target) else NetworkKind.TUNER
    if kind == NetworkKind.TUNER:
        return None
    if len(outline.grid_shape) > MOST_AXES:
        raise ConfigError(TOO_MANY_AXES.format(len(outline.grid_shape)))
    effort, samples = Effort(effort), prod(outline.grid_shape)
    bits = _BITS_PER_CHANNEL[effort] * outline.channels
    steps, psnr_db = max_steps or _STEPS[effort], None
    match target and target.kind:
        case TargetKind.MAX_ERROR:
            raise ConfigError(
                "a largest error is asked of a modulated network, which knows the mean of its errors alone: ask for "
                "the network kind 'tuner', or for psnr_db"
            )
        case TargetKind.PSNR_DB:
            assert target is not None  # noqa: S101  as matched
            psnr_db = target.value
        case TargetKind.SECONDS:
            assert target is not None  # noqa: S101
            steps = max_steps or _TIMED_STEPS
            max_seconds = min(target.value, max_seconds or target.value)
    max_bytes = None if target is None else target.max_bytes(samples)
    if max_bytes is not None:
        bits = 8.0 * max(max_bytes, 1) / samples
    size = bits * samples / 8.0
    config = WaveletConfig(
        bits_per_sample=bits if psnr_db is None else None,
        psnr_db=psnr_db,
        steps=steps,
        max_seconds=max_seconds,
        widths=(next(neurons for most, neurons in _NEURONS if size <= most),),
        seed=seed,
    )
    _check_readable(config, outline)
    return config


def _suits(outline: Outline, target: Target) -> bool:
    samples = prod(outline.grid_shape)
    allowed = _PICTURES if outline.kind is SignalKind.IMAGE else _OTHERS
    if len(outline.grid_shape) > MOST_AXES or not (
        samples >= allowed.least_samples and samples * outline.channels <= allowed.most_values
    ):
        return False
    if target.kind is TargetKind.PSNR_DB:
        return target.value <= allowed.most_psnr_db
    size = target.max_bytes(samples)
    return size is not None and (allowed.least_bytes <= size <= allowed.most_bits * outline.channels * samples / 8.0)


def _check_readable(config: WaveletConfig, outline: Outline) -> None:
    """A file that readers would refuse is not begun."""
    if config.weight_count(outline.grid_shape, outline.channels) > _MOST_LATENTS:
        raise ConfigError(
            f"the signal has {prod(outline.grid_shape)} samples, too many for the latents of a modulated network: ask "
            "for the network kind 'tuner'"
        )
