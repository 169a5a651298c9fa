"""Input frequencies: integers, distinct, never zero, within Nyquist on every axis."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuner.errors import ConfigError
from tuner.network.sines.frequencies import axis_limits, choose_frequencies
from tuner.shapes import IntArray
from tuner.signal.grid import Grid


def choose(
    count: int,
    shape: tuple[int, ...],
    period: float = 2.5,
    *,
    low_share: float = 0.7,
    low_limit: float = 0.05,
    band_limit: float = 1 / 3,
    seed: int = 0,
) -> IntArray:
    nyquist = Grid(shape, period).nyquist
    return choose_frequencies(
        count, nyquist, low_share=low_share, low_limit=low_limit, band_limit=band_limit, seed=seed
    )


@given(
    count=st.integers(3, 300),
    shape=st.lists(st.integers(1, 600), min_size=1, max_size=3),
    period=st.sampled_from([2.1, 2.25, 3.0, 4.0]),
    low_share=st.floats(0, 1),
    band=st.floats(0.05, 1.0),
    seed=st.integers(0, 9),
)
@example(count=3, shape=[240], period=2.25, low_share=0.0, band=0.6, seed=0)
@settings(max_examples=60, deadline=None)
def test_frequencies_of_any_grid(
    count: int, shape: list[int], period: float, low_share: float, band: float, seed: int
) -> None:
    chosen = choose(
        count, tuple(shape), period, low_share=low_share, low_limit=min(0.05, band), band_limit=band, seed=seed
    )
    assert chosen.dtype == np.int32
    assert chosen.any(axis=1).all(), "zero is no frequency"
    both = np.concatenate([chosen, -chosen])
    assert len(np.unique(both, axis=0)) == len(both), "k and -k are one frequency"
    for d, samples in enumerate(shape):
        # The unit vector is there even if an axis is too short to show a single wave.
        # In the order of the definition, a fraction of the Nyquist index: in another one 0.6 of 135 is less than 81.
        assert np.abs(chosen[:, d]).max() <= max(1, band * (period * samples / 4))
    for unit in np.eye(len(shape), dtype=np.int32):
        assert (chosen == unit).all(axis=1).any()
    available = (np.prod([2 * limit + 1 for limit in axis_limits(Grid(tuple(shape), period).nyquist, band)]) - 1) // 2
    assert len(chosen) == min(count, available)


def test_limits_are_fractions_of_each_axis_own_nyquist() -> None:
    """A wide picture gets wider frequencies along its width, so that nothing is distorted."""
    for period in (2.1, 3.0, 4.0):
        chosen = choose(400, (128, 512), period, band_limit=1.0)
        reach = np.abs(chosen).max(axis=0)
        np.testing.assert_allclose(reach / np.array([128, 512]), period / 4, rtol=0.05)


def test_low_share_of_the_frequencies_lies_in_the_low_box() -> None:
    shape, period, limit = (256, 256), 2.5, 0.2
    low = axis_limits(Grid(shape, period).nyquist, limit)
    for share in (0.25, 0.75):
        chosen = choose(200, shape, period, low_share=share, low_limit=limit)
        inside = (np.abs(chosen) <= low).all(axis=1)
        assert abs(inside.mean() - share) < 0.02


def test_an_exhausted_low_box_is_taken_whole_and_the_grid_gives_the_rest() -> None:
    chosen = choose(300, (128, 128), 2.5, low_share=1.0, low_limit=0.05)
    inside = (np.abs(chosen) <= 4).all(axis=1)
    assert inside.sum() == (9 * 9 - 1) // 2
    assert len(chosen) == 300


def test_the_high_grid_is_sparse_and_has_few_distinct_rows() -> None:
    chosen = choose(364, (512, 512), 2.5)
    assert len(np.unique(np.abs(chosen[:, 1]))) < 50


def test_the_same_seed_gives_the_same_frequencies_and_another_gives_others() -> None:
    np.testing.assert_array_equal(choose(100, (90, 60), low_limit=0.2), choose(100, (90, 60), low_limit=0.2))
    other = choose(100, (90, 60), low_limit=0.2, seed=1)
    assert (choose(100, (90, 60), low_limit=0.2) != other).any()


def test_a_picture_of_one_pixel_still_has_frequencies() -> None:
    assert len(choose(64, (1, 1))) == 4


def test_fewer_frequencies_than_axes_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        choose(1, (16, 16))
