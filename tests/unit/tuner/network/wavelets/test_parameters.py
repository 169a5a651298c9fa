"""What a wavelet network is made of fits together, and its frequencies follow from a seed."""

from dataclasses import replace

import pytest

from tests.wavelets import random_wavelets
from tuner.errors import ConfigError
from tuner.network.wavelets.parameters import seeded_frequencies

FIRST_SIX = [[9, 7], [2, -2], [5, 6], [4, -1], [8, -5], [0, -7]]


def test_seeded_frequencies_never_change() -> None:
    """They are part of the format: other draws would make every file decode to another picture."""
    assert seeded_frequencies(6, 2, 16, 0).tolist() == FIRST_SIX
    assert seeded_frequencies(3, 1, 16, 2**32 - 1).shape == (3, 1)
    with pytest.raises(ConfigError, match="too many"):
        seeded_frequencies(100, 1, 16, 0)


def test_shapes_that_do_not_fit_together_are_refused() -> None:
    parameters = random_wavelets()
    with pytest.raises(ConfigError, match=r"the latents of the levels have the shapes .*, expected \[\(3, 3, 4\)"):
        replace(parameters, latents=parameters.latents[:-1])
    with pytest.raises(ConfigError, match="exponents, expected 11"):
        replace(parameters, exponents=parameters.exponents[1:])
    with pytest.raises(ConfigError, match="a sine layer takes 6 inputs"):
        replace(parameters, hidden=parameters.hidden[1:])
    with pytest.raises(ConfigError, match="the output layer is"):
        replace(parameters, skip=parameters.skip[:, 1:])
