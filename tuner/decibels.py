"""Mean squared errors in decibels, for values in [0, 1]."""

from math import log10

# Stands for a perfect copy: a root mean square error of 2^-24, the rounding error of a float32 near 1.
PSNR_CEILING_DB = 20.0 * log10(2.0**24)


def mse_to_psnr_db(mse: float) -> float:
    """10 log10(1 / MSE) in dB, at most `PSNR_CEILING_DB`."""
    return PSNR_CEILING_DB if mse <= 2.0**-48 else -10.0 * log10(mse)
