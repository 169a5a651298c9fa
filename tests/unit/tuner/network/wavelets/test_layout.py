"""The layout counts what the arrays of a network hold, and nothing else of it has to be known."""

import subprocess
import sys
from itertools import chain
from math import prod
from pathlib import Path

import pytest

from tests.wavelets import random_wavelets
from tuner.errors import ConfigError
from tuner.network.wavelets.differences import difference_kinds
from tuner.network.wavelets.layout import GROUPS, Layout, Level, group_of, is_high, most_scales


def test_a_picture_has_three_orientations_of_every_scale_and_colour() -> None:
    layout = Layout((41, 60), 5, 3)
    low, *levels = layout.levels
    assert (low.spacing, low.field, low.shape) == (32, 0, (3, 2, 2))
    assert [level.spacing for level in levels] == [32, 16, 8, 4, 2]
    assert [level.field for level in levels] == [0, 0, 1, 2, 3]
    assert [level.shape for level in levels][-1] == (9, 21, 30)
    assert layout.latents == sum(prod(level.shape) for level in layout.levels)
    assert (layout.fields, layout.field_channels) == (4, 12)
    assert [layout.channels_of(field) for field in (0, 3)] == [slice(0, 3), slice(9, 12)]


@pytest.mark.parametrize("scales", [1, 2, 3, 4, 9])
def test_fine_levels_have_fields_of_their_own(scales: int) -> None:
    layout = Layout((500,), scales, 1)
    found = [level.field for level in layout.levels]
    assert found == sorted(found)
    assert found[0] == 0
    assert set(found[1:]) | {0} == set(range(layout.fields))
    assert found[-1] == layout.fields - 1


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_inputs_are_fields_sums_and_differences(dimensions: int) -> None:
    layout = Layout((7,) * dimensions, 2, 3)
    assert layout.differences == len(difference_kinds(dimensions))
    assert layout.summed_inputs == 3 + 2
    parameters = random_wavelets((7,) * dimensions, scales=2)
    assert parameters.hidden[0].weight.shape[1] == 2 * 3 + layout.inputs
    assert parameters.skip.shape == (3, layout.field_channels)
    assert parameters.weight_count - sum(tensor.size for tensor in parameters.tensors()) == layout.latents


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_subbands_stand_colour_by_colour_and_split_along_the_first_axis(dimensions: int) -> None:
    low, level = Layout((8,) * dimensions, 1, 2).levels
    kinds = 2**dimensions - 1
    assert [level.subband(position) for position in range(level.subbands)] == [
        (colour, orientation) for colour in (0, 1) for orientation in range(1, kinds + 1)
    ]
    assert [low.subband(position) for position in (0, 1)] == [(0, 0), (1, 0)]
    assert low.alike_along_first_axis() == [[0]]
    for some in level.alike_along_first_axis():
        assert len({is_high(orientation, 0, dimensions) for orientation in some}) == 1
    assert sorted(chain(*level.alike_along_first_axis())) == list(range(1, kinds + 1))
    assert len(level.alike_along_first_axis()) == (1 if dimensions == 1 else 2)


def test_every_level_and_colour_has_a_group_of_tables() -> None:
    levels = Layout((300, 300), 5, 3).levels
    assert [group_of(level, 0) for level in levels] == [0, 5, 5, 5, 3, 1]
    assert [group_of(level, 2) for level in levels] == [0, 6, 6, 6, 4, 2]
    assert {group_of(level, colour) for level in levels for colour in range(3)} == set(range(GROUPS))


def test_numbers_that_would_fill_the_memory_are_only_counted() -> None:
    """A file may claim as many axes as a byte holds; the limits see the count before anything is made of it."""
    layout = Layout((1,) * 255, 16, 255)
    assert layout.latents == 255 + 16 * 255 * (2**255 - 1)
    assert layout.inputs == 4 + 254 + 255 * 258 // 2
    assert isinstance(layout.levels[0], Level)


@pytest.mark.parametrize("settings", [((), 1, 1), ((4,), 0, 1), ((4,), 1, 0)])
def test_what_has_no_subbands_is_refused(settings: tuple[tuple[int, ...], int, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Layout(*settings)


def test_scales_follow_the_longest_axis() -> None:
    assert [most_scales(shape) for shape in ((1, 1), (16,), (40, 3), (256, 2), (9999,))] == [1, 1, 2, 5, 5]
    assert [most_scales((side,) * 3) for side in (4, 20, 80, 500)] == [1, 2, 4, 4]


def test_the_layout_needs_no_arrays() -> None:
    code = "import sys, tuner.network.wavelets.layout; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[5]
    )
    assert done.stdout == "set()\n"
