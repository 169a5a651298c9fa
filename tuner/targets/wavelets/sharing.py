"""Sizes of a fixed series, for which networks of small signals are trained whatever size was asked for. No torch here.

Two fits for nearly the same size end some 0.2 dB apart, so that of two requests the one for more bytes could get the
worse file. Files of one network do not scatter: requests that lie close together choose among the same networks, and
from one size of the series to the next all but one of them stay (docs/decisions/0050-sizes-that-requests-share.md).
"""

from dataclasses import replace
from math import floor, log

from tuner.fit.wavelets.config import WaveletConfig
from tuner.targets.wavelets.choice import widths_for

_RATIO = 1.04  # of neighbouring sizes: no further does a network serve as well as one that was trained for a size
_NETWORKS = 3


def shared_configs(config: WaveletConfig, max_bytes: int, samples: int, aim: float) -> tuple[WaveletConfig, ...]:
    """Settings of networks for the next sizes of the series below a request, the largest size first.

    Args:
        config: settings of the fit for the size itself.
        max_bytes: size of the file that is asked for.
        samples: number of samples of the signal.
        aim: share of a size that its fit aims at.
    """
    power = floor(log(8.0 * max_bytes) / log(_RATIO) + 1e-9)
    is_chosen = config.widths == widths_for(max_bytes)  # and not named by whoever asks
    return tuple(
        replace(
            config,
            bits_per_sample=aim * bits / samples,
            widths=widths_for(bits / 8.0) if is_chosen else config.widths,
        )
        for bits in (_RATIO ** (power - below) for below in range(_NETWORKS))
    )
