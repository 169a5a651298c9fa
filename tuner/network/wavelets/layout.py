"""Which subbands the latents of a network have, and which field each adds to: arithmetic only, no arrays.

Called by all that handles wavelet latents, and by estimates, which must be quick to start.
"""

from itertools import combinations
from math import prod

# Along the longest axis, by the number of axes: the third one makes coarse levels cheap to go on from, and their
# integers grow by a half more with every scale.
_LEAST_NODES, _LEAST_NODES_OF_SOLIDS = 8, 5
_MOST_SCALES, _MOST_SCALES_OF_SOLIDS = 5, 4
# The finest scales have a field of their own; the coarser ones share the first.
_COARSEST_FIELD = 8


def scale_spacings(scales: int) -> tuple[int, ...]:
    """Spacings of the high-pass scales, coarsest first: 2^scales to 2."""
    return tuple(1 << scale for scale in range(scales, 0, -1))


def most_scales(grid_shape: tuple[int, ...]) -> int:
    """As many scales as leave the longest axis some eight nodes, 1 to 5; of solids some five nodes, 1 to 4."""
    is_solid = len(grid_shape) > 2
    nodes, most = (_LEAST_NODES_OF_SOLIDS, _MOST_SCALES_OF_SOLIDS) if is_solid else (_LEAST_NODES, _MOST_SCALES)
    return min(most, max(1, (max(grid_shape) // nodes).bit_length() - 1))


def orientations(dimensions: int) -> int:
    """Kinds of high-pass functions of one scale: every combination of low and high but low along all axes."""
    return (1 << dimensions) - 1


def is_high(orientation: int, axis: int, dimensions: int) -> bool:
    """Whether the functions of an orientation, 1 to 2^D - 1, are high-pass along an axis; 0 is low along all."""
    return bool(orientation >> (dimensions - 1 - axis) & 1)


def field_of(spacing: int, scales: int) -> int:
    """The field that a scale's high-pass functions add to; the low-pass functions add to field 0."""
    fields = field_count(scales)
    return max(0, fields - (spacing.bit_length() - 1))


def field_count(scales: int) -> int:
    """Fields of a network with so many scales."""
    return 1 + min(scales, _COARSEST_FIELD.bit_length() - 1)


def wavelet_layout(dimensions: int, scales: int, colours: int) -> list[tuple[int, int]]:
    """(spacing, channels) of the low-pass level and of every scale, coarsest first."""
    spacings = scale_spacings(scales)
    return [(spacings[0], colours), *((spacing, colours * orientations(dimensions)) for spacing in spacings)]


def latent_count(grid_shape: tuple[int, ...], levels: list[tuple[int, int]]) -> int:
    """Latents of levels given as (spacing, channels)."""
    return sum(channels * prod(-(-samples // spacing) for samples in grid_shape) for spacing, channels in levels)


def difference_kinds(dimensions: int) -> list[tuple[tuple[int, ...], int]]:
    """Axes and order of every difference: first and second along each axis, then first along both axes of each pair."""
    axes = range(dimensions)
    return [
        *(((axis,), 1) for axis in axes),
        *(((axis,), 2) for axis in axes),
        *((pair, 1) for pair in combinations(axes, 2)),
    ]


def modulation_count(dimensions: int, fields: int, colours: int) -> int:
    """M of a network that sees differences: fields of the first colour, sums of each other one, differences."""
    return fields + colours - 1 + len(difference_kinds(dimensions))
