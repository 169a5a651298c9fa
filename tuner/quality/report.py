"""One line on a file and what it reproduces, in the units of the kind of signal. Used by `tuner fit`."""

from math import prod

from tuner.decibels import Ratio, in_decibels
from tuner.metrics import snr_db, written_psnr_db
from tuner.quality.surface import occupancy_iou
from tuner.signal.details import AudioDetails, DistanceDetails
from tuner.signal.signal import Signal


def describe(signal: Signal, reproduction: Signal, size: int) -> str:
    """Size, rate and quality of a file.

    Args:
        signal: the original.
        reproduction: the signal that the file renders to, on the same grid.
        size: size of the file in bytes.

    Returns:
        Such as "1840 bytes, 1.05 bits per sample, 34.10 dB PSNR". Qualities are PSNR of the samples as written; for
        sounds SNR; for distance fields also the overlap of the insides.
    """
    bits = 8 * size
    quality_db = written_psnr_db(signal.values, reproduction.values, signal.storage)
    if isinstance(signal.details, AudioDetails):
        rate = bits * signal.details.sample_rate / signal.sample_count / 1000.0
        noise_db = snr_db(signal.storage.as_written(signal.values), signal.storage.as_written(reproduction.values))
        return f"{size} bytes, {rate:.2f} kbit/s, {in_decibels(noise_db, Ratio.SNR)}"
    line = f"{size} bytes, {bits / prod(signal.grid_shape):.2f} bits per sample, {in_decibels(quality_db)}"
    if isinstance(signal.details, DistanceDetails):
        return f"{line}, insides overlap by {100.0 * occupancy_iou(signal.values, reproduction.values):.1f} %"
    return line
