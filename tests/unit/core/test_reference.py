"""An independent decoder, in Python by the format page, reads what the core writes."""

import numpy as np
import pytest

from tests.reference import tnr_latents
from tests.unit.core.layouts import random_integers, random_layout
from tuner.core.host import encode_levels, subbands

_MOST_INTEGERS = 1500  # a millisecond or more each


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(8))
def test_the_reference_decoder_agrees(axes: int, seed: int) -> None:
    random = np.random.default_rng([axes, seed])
    layout = random_layout(random, axes)
    while layout.integers() > _MOST_INTEGERS:
        layout = random_layout(random, axes)
    integers = random_integers(random, layout)
    coded, ends = encode_levels(integers, layout)
    levels, found_ends = tnr_latents.decode(coded, list(layout.samples), layout.scales, layout.colours)
    assert found_ends == list(ends)
    found = (subband for level in levels for subband in level)
    for band in subbands(layout):
        nodes = next(found)
        expected = integers[band.first :][: len(nodes)].reshape(band.nodes)
        assert {node: int(expected[node]) for node in np.ndindex(expected.shape)} == nodes
    assert next(found, None) is None
