"""A fit from the keywords that a program hands on when it saves a file."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

from tuner.errors import FitError
from tuner.signal.signal import Signal

# Those arguments of `tuner.represent` that can be said when a file is saved.
OPTIONS: Final = (
    "psnr_db",
    "max_error",
    "bytes",
    "bits_per_sample",
    "seconds",
    "effort",
    "network",
    "max_steps",
    "max_loss_db",
    "seed",
    "device",
)


def asked(signal: Signal, options: Mapping[str, Any], *, must_meet: bool = False) -> bytes:
    """Fit a signal as the options say.

    Args:
        signal: samples to be fitted.
        options: keywords of the program that saves; those that `tuner.represent` does not know are left to it.
        must_meet: whether a target that was missed is an error; otherwise it is a warning.

    Returns:
        The content of the .tnr file.

    Raises:
        TunerError: if the options contradict each other, or the samples cannot be fitted.
        FitError: if the target was missed and must not be.
        ImportError: if what a fit needs is not installed.
    """
    try:
        import torch  # noqa: F401  reading files needs none
    except ImportError as error:
        raise ImportError("writing a .tnr file needs torch: pip install 'tuner-neural[fit]'") from error
    from tuner.fitting import represent

    known = {name: options[name] for name in OPTIONS if name in options}
    result = represent(signal, progress=False, **known)
    if not result.is_met and must_meet:
        raise FitError(result.message)
    if not result.is_met:
        warnings.warn(result.message, UserWarning, stacklevel=2)
    return result.content
