"""Objects of other libraries as numpy arrays of numbers, or a sentence that says why they are none.

Whatever has numbers in it: arrays of any layout, read-only and memory-mapped ones, lists, tensors on any device, data
frames, labelled arrays. Nothing is guessed: truth values, words, dates and bytes are refused.
"""

from typing import Any

import numpy as np

from tuner.errors import InvalidSignal
from tuner.signal.samples import refuse_masked


def plain_array(given: Any) -> np.ndarray:
    """The numbers of an object.

    Example:
        >>> plain_array([[1, 2], [3, 4]]).shape
        (2, 2)

    Args:
        given: anything that numpy makes an array of integers or floats from, or a torch tensor.

    Returns:
        An array of integers or floats, of any shape; often a view.

    Raises:
        InvalidSignal: if there are no numbers, or some are masked.
    """
    kind = type(given).__name__
    if isinstance(given, bytes | bytearray):
        raise InvalidSignal("bytes are no array of numbers: those of a file are read by tuner.read_signal")
    samples = as_numpy(given)
    if samples.dtype.kind not in "iuf":
        made = f"the {kind} is" if kind == "ndarray" else f"a {kind} makes"
        raise InvalidSignal(
            f"{made} an array of {samples.dtype}, expected integers or floats: convert it, for example with "
            ".astype(numpy.float32)"
        )
    return samples


def as_numpy(given: Any) -> np.ndarray:
    """An object as an array of whatever it holds.

    Raises:
        InvalidSignal: if it makes none, or some elements are masked.
    """
    refuse_masked(given)
    kind = type(given).__name__
    try:
        if type(given).__module__.partition(".")[0] == "torch" and hasattr(given, "detach"):
            given = given.detach().cpu()
            if "bfloat16" in str(given.dtype):  # numpy has none, and no float32 differs from it
                given = given.float()
            given = given.numpy()
        if type(given).__module__.partition(".")[0] == "dask" and hasattr(given, "compute"):
            given = given.compute()  # its own conversion to an array drops the mask
        found = np.asanyarray(given)
    except Exception as error:  # an object's own conversion may raise anything
        raise InvalidSignal(f"a {kind} is no array of numbers: {error}") from error
    refuse_masked(found)
    return np.asarray(found)
