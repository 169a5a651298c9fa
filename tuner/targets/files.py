"""A file and what it is worth: decoded, compared with its signal, and held against a target.

Whoever has decoded a file to the very numbers that were measured before knows what it is worth: the same numbers have
the same values, and evaluating all samples once more would say nothing new.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tuner.codec.decode import decode
from tuner.metrics import written_psnr_db
from tuner.network.parameters import Parameters, are_same
from tuner.representation import Representation
from tuner.signal.signal import Signal
from tuner.targets.target import Target, TargetKind

PSNR_TOLERANCE_DB: Final = 0.1  # by which the result may miss a PSNR


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """A compressed network, measured on the signal.

    Attributes:
        content: the bytes of a .tnr file.
        psnr_db: the PSNR of the signal that it decodes to, as it is written.
        max_error: the largest difference of a sample of that signal, as a share of the range of values.
        network: the numbers whose values were measured.
    """

    content: bytes
    psnr_db: float
    max_error: float
    network: Parameters

    def meets(self, target: Target | None) -> bool:
        """Whether the file is as good as was asked for; over a limit of bytes, no file is ever kept."""
        if target is not None and target.kind is TargetKind.PSNR_DB:
            return self.psnr_db >= target.value - PSNR_TOLERANCE_DB
        if target is not None and target.kind is TargetKind.MAX_ERROR:
            return self.max_error <= target.value
        return True

    def is_better(self, other: "File", target: Target | None) -> bool:
        """Whether this file serves the target better: of two that are good enough, the smaller one does."""
        if target is not None and target.kind.is_quality and self.meets(target) and other.meets(target):
            return len(self.content) < len(other.content)
        if target is not None and target.kind is TargetKind.MAX_ERROR:
            return self.max_error < other.max_error
        return self.psnr_db > other.psnr_db


def measured(content: bytes, signal: Signal) -> File:
    """A file that is there, decoded and compared with the signal."""
    decoded = decode(content)
    return File(content, *worth(decoded.render().values, signal), decoded.parameters)


def quality_db(decoded: Representation, signal: Signal, known: File | None = None) -> float:
    """PSNR in dB of what a file decodes to, as in `File`.

    Args:
        decoded: the representation that the file decodes to.
        signal: the signal that it stands for.
        known: what was measured on this signal before; None if nothing. A file of other numbers, or in another format
            than the signal's, is evaluated anew.
    """
    # Values are limited and written as the file says, not as the signal does.
    written = (decoded.grid_shape, decoded.sample_format, decoded.scaling)
    is_written_alike = written == (signal.grid_shape, signal.sample_format, signal.scaling)
    if known is not None and is_written_alike and are_same(decoded.parameters, known.network):
        return known.psnr_db
    return written_psnr_db(signal.values, decoded.render().values, signal.storage)


def worth(values: np.ndarray, signal: Signal) -> tuple[float, float]:
    """PSNR and largest error of what a representation renders, as in `File`; a file is not needed for it."""
    return written_psnr_db(signal.values, values, signal.storage), max_error(signal, values)


def max_error(signal: Signal, values: np.ndarray) -> float:
    """The largest difference of a value, after both were limited and rounded as they are when written."""
    storage = signal.storage
    if not signal.sample_format.is_integer:
        return float(np.abs(storage.as_written(signal.values).astype(np.float64) - storage.as_written(values)).max())
    # Counted in samples: 1/255 is one level of a picture, exactly.
    written, found = (storage.to_samples(array).astype(np.float64) for array in (signal.values, values))
    return float(np.abs(written - found).max()) / storage.effective.scale
