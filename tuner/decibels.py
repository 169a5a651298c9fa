"""Errors in decibels: mean squared errors of values in [0, 1], and the words in which any decibel is said."""

from enum import StrEnum
from math import log10

# Stands for a perfect copy: a root mean square error of 2^-24, the rounding error of a float32 near 1.
PSNR_CEILING_DB = 20.0 * log10(2.0**24)


def mse_to_psnr_db(mse: float) -> float:
    """10 log10(1 / MSE) in dB, at most `PSNR_CEILING_DB`."""
    return PSNR_CEILING_DB if mse <= 2.0**-48 else -10.0 * log10(mse)


class Ratio(StrEnum):
    """What the power of an error is compared with: the square of the range of values, or the power of the signal."""

    PSNR = "PSNR"
    SNR = "SNR"


def in_decibels(value: float, ratio: Ratio = Ratio.PSNR, *, digits: str = ".2f") -> str:
    """A quality as every sentence, line and error says it: a sound has two that are far apart, so each is named.

    Example:
        >>> in_decibels(34.104), in_decibels(12.5, Ratio.SNR), in_decibels(35.0, digits="g")
        ('34.10 dB PSNR', '12.50 dB SNR', '35 dB PSNR')

    Args:
        value: the quality in dB.
        ratio: what the error was compared with.
        digits: how the number is formatted, as a format specification of Python.
    """
    return f"{value:{digits}} dB {ratio}"
