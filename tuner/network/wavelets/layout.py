"""The subbands of a wavelet network: which there are, how many latents each has, and which field each adds to.

A latent is the integer coefficient of one wavelet; a field is a sum of wavelets that the network's sines read.

A signal is split into a low-pass level, whose wavelets are as wide as 2^scales samples, and one level for each spacing
from there down to 2, with a subband for every orientation: every way to be high-pass along some of the axes. The
levels add up to a few fields: coarse levels share one, the finest have one each. Arithmetic only, no arrays, so that
estimates, which must be quick to start, can count latents and weights.
"""

from dataclasses import dataclass
from math import prod

from tuner.errors import ConfigError

# Nodes that the coarsest level keeps along the longest axis; fewer for solids, whose coarse levels are cheap. They have
# fewer scales, too: their integers grow by 2^(3/2) with every scale, those of pictures by 2.
_LEAST_NODES, _LEAST_NODES_OF_SOLIDS = 8, 5
_MOST_SCALES, _MOST_SCALES_OF_SOLIDS = 5, 4
# How many of the finest levels have a field of their own; the coarser ones share the first field.
_OWN_FIELDS = 3
# Low-pass, then the first colour and the others of the finest level, of the next, and of all coarser ones.
GROUPS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Subbands that share one grid of nodes: the low-pass level, or all orientations of one spacing.

    Attributes:
        number: position among the levels, coarsest first; 0 is the low-pass level.
        spacing: samples per node along every axis, a power of two.
        field: number of the field that the subbands add to.
        colours: number of colours (combinations of channels), each with subbands of its own.
        orientations: number of subbands for each colour, 1 in the low-pass level and 2^D - 1 in others.
        nodes: number of nodes along each axis.
    """

    number: int
    spacing: int
    field: int
    colours: int
    orientations: int
    nodes: tuple[int, ...]

    @property
    def is_low(self) -> bool:
        """Whether this is the low-pass level."""
        return self.number == 0

    @property
    def subbands(self) -> int:
        """Number of subbands: those of the first colour, orientation by orientation, then those of the next colour."""
        return self.colours * self.orientations

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level's latents, (subbands, *nodes)."""
        return (self.subbands, *self.nodes)

    @property
    def latents(self) -> int:
        """Number of latents in all subbands together."""
        return prod(self.shape)

    @property
    def first_orientation(self) -> int:
        """The orientation of the first subband of each colour: 0, low-pass along all axes, in the low-pass level."""
        return 0 if self.is_low else 1

    def subband(self, position: int) -> tuple[int, int]:
        """Colour and orientation of the subband at a position in the level."""
        colour, orientation = divmod(position, self.orientations)
        return colour, orientation + self.first_orientation

    def alike_along_first_axis(self) -> list[list[int]]:
        """The orientations that are low-pass along the first axis, then those that are high-pass; no empty list."""
        dimensions = len(self.nodes)
        numbers = range(self.first_orientation, self.first_orientation + self.orientations)
        split = [[each for each in numbers if is_high(each, 0, dimensions) == high] for high in (False, True)]
        return [some for some in split if some]


@dataclass(frozen=True, slots=True)
class Layout:
    """All subbands of a wavelet network, and how many fields and inputs come of them.

    Attributes:
        grid_shape: number of samples of the signal along each axis.
        scales: L, number of spacings with high-pass subbands, at least 1: 2^L, ..., 4, 2 samples per node.
        colours: K, number of colours that have subbands of their own, at least 1.

    Raises:
        ConfigError: if there is no axis, no scale or no colour.
    """

    grid_shape: tuple[int, ...]
    scales: int
    colours: int

    def __post_init__(self) -> None:
        if min(len(self.grid_shape), self.scales, self.colours) < 1:
            raise ConfigError(
                f"{len(self.grid_shape)} axes, {self.scales} scales and {self.colours} colours, expected at least 1 of "
                "each"
            )

    @property
    def dimensions(self) -> int:
        """D, number of axes."""
        return len(self.grid_shape)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The low-pass level, then a level for each spacing, coarsest first."""
        return tuple(self._level(number) for number in range(self.scales + 1))

    @property
    def latents(self) -> int:
        """Number of latents in all levels together."""
        return sum(level.latents for level in self.levels)

    @property
    def fields(self) -> int:
        """Number of fields, each with a channel for every colour."""
        return 1 + min(self.scales, _OWN_FIELDS)

    @property
    def field_channels(self) -> int:
        """U, number of channels of all fields: the colours of field 0, those of field 1, ..."""
        return self.fields * self.colours

    @property
    def summed_inputs(self) -> int:
        """Number of inputs that are fields or sums of them: each field of colour 0, one sum for every other colour."""
        return self.fields + self.colours - 1

    @property
    def differences(self) -> int:
        """Number of differences around a sample: first and second along each axis, mixed for each pair of axes."""
        return self.dimensions * (self.dimensions + 3) // 2

    @property
    def inputs(self) -> int:
        """M, number of inputs that the first sine layer has beside the sines and cosines."""
        return self.summed_inputs + self.differences

    def channels_of(self, field: int) -> slice:
        """The channels of one field among all channels of fields."""
        return slice(field * self.colours, (field + 1) * self.colours)

    def _level(self, number: int) -> Level:
        power = self.scales - max(0, number - 1)
        return Level(
            number=number,
            spacing=1 << power,
            field=max(0, self.fields - power) if number else 0,
            colours=self.colours,
            orientations=(1 << self.dimensions) - 1 if number else 1,
            nodes=tuple(node_count(samples, 1 << power) for samples in self.grid_shape),
        )


def most_scales(grid_shape: tuple[int, ...]) -> int:
    """As many scales as leave the longest axis some eight nodes, 1 to 5; of solids some five nodes, 1 to 4."""
    is_solid = len(grid_shape) > 2
    nodes, most = (_LEAST_NODES_OF_SOLIDS, _MOST_SCALES_OF_SOLIDS) if is_solid else (_LEAST_NODES, _MOST_SCALES)
    return min(most, max(1, (max(grid_shape) // nodes).bit_length() - 1))


def node_count(samples: int, spacing: int) -> int:
    """Number of nodes along an axis of so many samples with one node for every `spacing` of them."""
    return -(-samples // spacing)


def group_of(level: Level, colour: int) -> int:
    """Which latents are counted together with those of a colour in a level: the number of the group, below `GROUPS`."""
    return 0 if level.is_low else 1 + 2 * min(level.spacing.bit_length() - 2, 2) + (colour > 0)


def is_high(orientation: int, axis: int, dimensions: int) -> bool:
    """Whether wavelets of an orientation, 1 to 2^D - 1, are high-pass along an axis; those of 0 are along none."""
    return bool(orientation >> (dimensions - 1 - axis) & 1)
