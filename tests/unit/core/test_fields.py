"""Fields from the core are those of the slow twin in numpy."""

from math import prod

import numpy as np
import pytest

from tests.wavelets import random_wavelets
from tuner.codec.core.host import Layout, Limits
from tuner.codec.core.synthesis import fields
from tuner.errors import LimitExceeded
from tuner.network.wavelets.fields import _wavelet_parts


@pytest.mark.parametrize("shape", [(1000,), (37,), (45, 70), (1, 33), (13, 16, 21), (5, 6, 7, 9)])
@pytest.mark.parametrize("scales", [1, 2, 4, 5])
def test_fields_are_those_of_numpy(shape: tuple[int, ...], scales: int) -> None:
    parameters = random_wavelets(shape, scales=scales)
    layout = parameters.layout
    wanted = np.zeros((layout.field_channels, prod(shape)), dtype=np.float32)
    for part in _wavelet_parts(parameters):
        part.add_to(wanted, 0, shape[0])
    integers = np.concatenate([codes.reshape(-1) for codes in parameters.latents])
    found = fields(integers, Layout(shape, layout.colours, scales)).reshape(wanted.shape)
    assert np.abs(wanted).max() > 0.0
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_too_little_memory_is_said() -> None:
    layout = Layout((64, 64), colours=1, scales=2)
    with pytest.raises(LimitExceeded):
        fields(np.zeros(layout.integers(), dtype=np.int32), layout, Limits(memory=1 << 17))
