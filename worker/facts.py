"""What is worth knowing of a result, noted once by the worker, who has it decoded, and read by the api as columns."""

from math import prod
from typing import Any

from tuner.metrics import gradient_psnr_db
from tuner.network.tiles.parameters import TiledParameters
from tuner.representation import Representation
from tuner.signal.grid import Grid
from tuner.signal.large import LargeSignal, as_held, as_large
from tuner.signal.signal import Signal
from tuner.targets.files import File, quality_db
from tuner.targets.tiles.measure import measured_quality

# Derivatives of all channels along both axes lie in memory at once: some 300 bytes a sample.
MAX_SLOPE_SAMPLES = 1 << 22


def file_facts(decoded: Representation, byte_count: int) -> dict[str, Any]:
    """Facts of a compressed file.

    Args:
        decoded: the representation that the file decodes to.
        byte_count: size of the file.
    """
    samples = prod(decoded.grid_shape)
    raw_bytes = samples * decoded.channels * decoded.sample_format.bits // 8
    return {
        "kind": str(decoded.kind),
        "grid_shape": list(decoded.grid_shape),
        "channels": decoded.channels,
        "weights": decoded.parameters.weight_count,
        "products_per_sample": decoded.products_per_sample,
        "bits_per_sample": round(8 * byte_count / samples, 4),
        "compression_ratio": round(raw_bytes / byte_count, 4),
    }


def file_quality_db(signal: Signal | LargeSignal, decoded: Representation, known: File | None) -> float:
    """Quality in dB of what a file decodes to, of a signal in tiles in the memory of some tiles.

    Args:
        signal: the signal that was fitted.
        decoded: the representation that the file decodes to.
        known: what the fit has measured of it; None if nothing.
    """
    if isinstance(decoded.parameters, TiledParameters):
        return measured_quality(as_large(signal), decoded, decoded.parameters.grid).psnr_db
    return quality_db(decoded, as_held(signal), known)


def slope_quality_db(signal: Signal | LargeSignal, decoded: Representation) -> float | None:
    """How well the exact derivatives of a file meet the slopes of its signal: `tuner.metrics.gradient_psnr_db`.

    The authors define it for pictures, grey or in colour; for the rest, and for very large ones, it is None.

    Args:
        signal: the signal that was fitted.
        decoded: the representation that the file decodes to.
    """
    is_picture = len(signal.grid_shape) == 2 and signal.channels in {1, 3, 4}
    if not is_picture or signal.sample_count > MAX_SLOPE_SAMPLES:
        return None
    grid = Grid(signal.grid_shape, decoded.parameters.period)
    gradients = decoded.gradients_on_grid([grid.axis(dimension) for dimension in range(2)])
    return gradient_psnr_db(as_held(signal).values, gradients)
