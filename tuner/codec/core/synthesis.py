"""Inverse wavelets in the core: the fields of a wavelet network on the samples of its signal."""

from math import prod

import numpy as np

from tuner.codec.core.host import Integers, Layout, Limits, _Instance, _needs
from tuner.errors import LimitExceeded
from tuner.shapes import FloatArray

_OWN_FIELDS = 3
# Instructions of WebAssembly for each sample of a channel and axis, about five times what is needed.
_SAMPLE_FUEL = 2000


def fields(integers: Integers, layout: Layout, limits: Limits = Limits()) -> FloatArray:
    """The sums of wavelets on the samples, float32 (fields x colours, *samples).

    Args:
        integers: coefficients of all subbands in the order of the core, int32.
        layout: subbands that the integers belong to.
        limits: what the call may use.

    Raises:
        LimitExceeded: if work or memory does not suffice.
    """
    fuel, memory = _needs(layout, 0)
    channels = layout.colours * (1 + min(layout.scales, _OWN_FIELDS))
    samples = prod(layout.samples)
    fuel += _SAMPLE_FUEL * (channels * samples + 1) * len(layout.samples)
    memory += 4 * (channels + 1) * samples
    allowed = Limits(
        fuel=fuel if limits.fuel is None else limits.fuel, memory=memory if limits.memory is None else limits.memory
    )
    instance = _Instance(layout, 0, allowed)
    instance.write(integers.astype("<i4").tobytes(), instance.call("core_integers"))
    address = instance.call("core_fields")
    if not address:
        raise LimitExceeded("the memory allowed is too small for the fields: allow more, or take a smaller signal")
    found = np.frombuffer(instance.read(address, 4 * channels * samples), dtype="<f4")
    return found.astype(np.float32).reshape(channels, *layout.samples)
