"""Latents in planes with margins of zeros, each plane in one line: what is around a node is so many places from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from tuner.network.wavelets.layout import Level

_MARGIN = 2  # of what is seen around a node, along each axis; 8 along a line
_MARGIN_OF_LINES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Where the nodes of a level are in planes with a margin of zeros, each (places,) in one line.

    So an offset is a number of places, and whatever is beyond a border is read as zero.

    Attributes:
        level: level whose nodes these are.
        margin: number of zeros before and after the nodes, along each axis.
        strides: number of places that a step takes along each axis.
        places: number of places of a plane.
        first: place of the first node.
        nodes: how many places each node is from the first, (nodes,).
        parents: the same of each node's parent in the planes of the level before, (nodes,).
    """

    level: Level
    margin: int
    strides: tuple[int, ...]
    places: int
    first: int
    nodes: Tensor
    parents: Tensor

    def shift(self, offset: tuple[int, ...]) -> int:
        """Number of places that an offset takes."""
        return sum(step * stride for step, stride in zip(offset, self.strides, strict=True))

    def taken(self, line: Tensor, nodes: Tensor, shift: int = 0) -> Tensor:
        """What is so many places from some nodes, which are told by their places from the first."""
        return line[self.first + shift :].index_select(0, nodes)

    def framed(self, values: Tensor) -> Tensor:
        """Planes with their margins, (colours, orientations, places), of (subbands, *nodes)."""
        padded = torch.nn.functional.pad(values, (self.margin, self.margin) * len(self.strides))
        return padded.view(self.level.colours, self.level.orientations, self.places)

    def inner(self, planes: Tensor) -> Tensor:
        """Planes without their margins, (..., *nodes), as a view."""
        sides = [nodes + 2 * self.margin for nodes in self.level.nodes]
        planes = planes.view(*planes.shape[:-1], *sides)
        for axis, nodes in enumerate(self.level.nodes, start=-len(sides)):
            planes = planes.narrow(axis, self.margin, nodes)
        return planes

    def boxes(self, planes: Tensor) -> Tensor:
        """Sums over each node and those next to it, diagonals included; margins hold anything afterwards."""
        return boxes(planes, self.strides)


def frame_of(level: Level, dimensions: int) -> Frame:
    """Places of the nodes of a level in planes with margins."""
    margin = margin_of(dimensions)
    strides, places = list[int](), 1
    for nodes in reversed(level.nodes):
        strides.insert(0, places)
        places *= nodes + 2 * margin
    above = [-(-nodes // 2) for nodes in level.nodes]
    found, parents = torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    for nodes, half in zip(level.nodes, above, strict=True):
        along = torch.arange(nodes)
        found = (found[:, None] * (nodes + 2 * margin) + along).view(-1)
        parents = (parents[:, None] * (half + 2 * margin) + along // 2).view(-1)
    return Frame(level, margin, tuple(strides), places, margin * sum(strides), found, parents)


def margin_of(dimensions: int) -> int:
    """Number of zeros that planes need before and after their nodes."""
    return _MARGIN if dimensions > 1 else _MARGIN_OF_LINES


def boxes(planes: Tensor, strides: Sequence[int]) -> Tensor:
    """Sums over each place and those next to it along all axes; margins hold anything afterwards.

    Args:
        planes: planes in lines, with margins of zeros.
        strides: number of places that a step takes along each axis.
    """
    for stride in strides:
        total = planes.clone()
        total[..., stride:] += planes[..., :-stride]
        total[..., :-stride] += planes[..., stride:]
        planes = total
    return planes


def offsets_before(
    dimensions: int,
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Offsets of what is decoded before a node: those that count one by one, wide ones, all in planes before."""
    if dimensions == 1:
        return [(-1,), (-2,)], [(-back,) for back in range(3, 9)], []
    rest = (0,) * (dimensions - 2)
    near = [
        tuple(-steps if axis == other else 0 for other in range(dimensions))
        for axis in range(dimensions)
        for steps in (1, 2)
    ]
    near += [(*rest, -1, -1), (*rest, -1, 1)]
    wide = [(*rest, -2, -1), (*rest, -2, 1), (*rest, -1, 2), (*rest, -1, -2)]
    ring = [
        offset
        for offset in product((-1, 0, 1), repeat=dimensions)
        if next((each for each in offset[:-2] if each), 0) < 0
    ]
    return near, wide, ring


def cross_offsets(dimensions: int) -> list[tuple[int, ...]]:
    """A node and those one step away along each axis."""
    steps = [
        tuple(step if axis == other else 0 for other in range(dimensions))
        for axis in range(dimensions)
        for step in (-1, 1)
    ]
    return [(0,) * dimensions, *steps]


def shifted(planes: Tensor, shift: int) -> Tensor:
    """The places that are reached by a shift from somewhere in the plane."""
    return planes[..., shift:] if shift >= 0 else planes[..., :shift]


def grown(planes: Tensor, nodes: tuple[int, ...]) -> Tensor:
    """Each value of (colours, *nodes before) at its children, (colours, *nodes)."""
    for axis, count in enumerate(nodes, start=1):
        twice = planes.unsqueeze(axis + 1).expand(*planes.shape[: axis + 1], 2, *planes.shape[axis + 1 :])
        planes = twice.flatten(axis, axis + 1).narrow(axis, 0, count)
    return planes


def halved(planes: Tensor) -> Tensor:
    """The transpose of `grown`."""
    for axis in range(1, planes.ndim):
        if planes.shape[axis] % 2:
            planes = torch.cat([planes, torch.zeros_like(planes.narrow(axis, 0, 1))], axis)
        pairs = planes.reshape(*planes.shape[:axis], -1, 2, *planes.shape[axis + 1 :])
        planes = pairs.select(axis + 1, 0) + pairs.select(axis + 1, 1)
    return planes
