"""What is worth knowing of a result, noted once by the worker, who has it decoded, and read by the api as columns."""

from math import prod
from typing import Any

from tuner.evaluate import products_per_sample
from tuner.representation import Representation


def file_facts(decoded: Representation, byte_count: int) -> dict[str, Any]:
    """Facts of a compressed file.

    Args:
        decoded: what the file holds.
        byte_count: size of the file.
    """
    samples = prod(decoded.grid_shape)
    raw_bytes = samples * decoded.channels * decoded.sample_format.bits // 8
    return {
        "kind": str(decoded.kind),
        "grid_shape": list(decoded.grid_shape),
        "channels": decoded.channels,
        "weights": decoded.parameters.weight_count,
        "products_per_sample": products_per_sample(decoded.parameters),
        "bits_per_sample": round(8 * byte_count / samples, 4),
        "compression_ratio": round(raw_bytes / byte_count, 4),
    }
