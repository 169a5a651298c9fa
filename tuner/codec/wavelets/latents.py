"""Latent grids to bits and back: each integer with a table chosen by the magnitudes of its neighbours.

Where the nodes around are zero, the next one probably is, too. A level is coded after the coarser one, its channels in
order, and each channel in 2^D passes, one for each parity of the node's indices: every pass knows some neighbours of
each of its nodes, the parent in the coarser level, and the same node of the first channel. Within a pass no node
depends on another, so that numpy computes all contexts of a pass at once and the range coder runs once per context.
Contexts are integers throughout. Called by `tuner.codec.wavelets.chunk`; FORMAT.md section 6 is the specification.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from tuner.codec.file.primitives import ByteReader
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder
from tuner.codec.wavelets.tables import TableSet, fit_tables, pack_tables, unpack_tables
from tuner.network.wavelets.parameters import LatentLevel, level_nodes

# Shares of face neighbours, of other neighbours, of the parent and of the first channel in the mean magnitude.
_FACE, _CORNER, _PARENT, _FIRST = 20, 14, 7, 5
# Mean magnitudes, in units of 1/64, at which one class ends and the next begins. One more class: nothing is known.
_THRESHOLDS = np.array([3, 6, 13, 19, 29, 42, 58, 83, 128, 192, 320, 512])
CLASSES = len(_THRESHOLDS) + 2
# Tables are shared by all levels; the first pass of a channel and the channels after the first have their own.
TABLE_SETS = 4


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """Nodes of one channel that are coded together.

    Attributes:
        nodes: selects them from the channel.
        table_set: which tables they use.
        classes: of each, 0 to CLASSES - 1.
    """

    nodes: tuple[slice, ...]
    table_set: int
    classes: np.ndarray


def pack_latents(levels: tuple[LatentLevel, ...], coder: IntegerEncoder) -> bytes:
    """Append the codes of all levels to the coder; return the tables."""
    passes = [
        (level.codes[channel][part.nodes], part)
        for number, level in enumerate(levels)
        for channel in range(level.channels)
        for part in _passes(levels[number - 1] if number else None, level, channel)
    ]
    values: list[list[list[np.ndarray]]] = [[[] for _ in range(CLASSES)] for _ in range(TABLE_SETS)]
    for codes, part in passes:
        for number in np.unique(part.classes).tolist():
            values[part.table_set][number].append(codes[part.classes == number])
    tables = [fit_tables(by_class) for by_class in values]
    for codes, part in passes:
        for number in np.unique(part.classes).tolist():
            coder.put(codes[part.classes == number], tables[part.table_set][number].table())
    return pack_tables(tables)


def unpack_latent_tables(reader: ByteReader) -> list[TableSet]:
    """Read the tables that `pack_latents` returned; raises `CorruptFile` if one is out of range."""
    return unpack_tables(reader, TABLE_SETS, CLASSES)


def take_latents(
    coder: IntegerDecoder,
    tables: list[TableSet],
    grid_shape: tuple[int, ...],
    layout: list[tuple[int, int]],
) -> tuple[LatentLevel, ...]:
    """Decode the codes of all levels.

    Args:
        coder: at the first latent.
        tables: from `unpack_latent_tables`.
        grid_shape: of the signal.
        layout: (spacing, channels) of each level, coarsest first; checked against the limits.
    """
    integer_tables = [[table.table() for table in tables_of_set] for tables_of_set in tables]
    levels: list[LatentLevel] = []
    for spacing, channels in layout:
        codes = np.zeros((channels, *level_nodes(grid_shape, spacing)), dtype=np.int32)
        level = LatentLevel(spacing=spacing, codes=codes)
        for channel in range(channels):
            for part in _passes(levels[-1] if levels else None, level, channel):
                taken = np.empty(part.classes.shape, dtype=np.int32)
                for number in np.unique(part.classes).tolist():
                    members = part.classes == number
                    taken[members] = coder.take(int(members.sum()), integer_tables[part.table_set][number])
                codes[channel][part.nodes] = taken
        levels.append(level)
    return tuple(levels)


def _passes(parent: LatentLevel | None, level: LatentLevel, channel: int) -> Iterator[_Pass]:
    """The passes of a channel; what a pass selects must be in `level.codes` before the next one is asked for."""
    codes = level.codes[channel]
    dimensions = codes.ndim
    outside, known_outside = _elsewhere(parent, level, channel)
    magnitudes = np.zeros([nodes + 2 for nodes in codes.shape], dtype=np.int64)
    known = np.zeros_like(magnitudes)
    inner = (slice(1, -1),) * dimensions
    for parity in sorted(product((0, 1), repeat=dimensions), key=lambda bits: (any(bits), -sum(bits), bits)):
        nodes = tuple(slice(bit, None, 2) for bit in parity)
        total, weight = outside[nodes].copy(), np.full(outside[nodes].shape, known_outside)
        for offset in product((-1, 0, 1), repeat=dimensions):
            if any(offset):
                share = _FACE if sum(map(abs, offset)) == 1 else _CORNER
                where = tuple(
                    slice(1 + bit + step, 1 + samples + step, 2)
                    for bit, step, samples in zip(parity, offset, codes.shape, strict=True)
                )
                total += share * magnitudes[where]
                weight += share * known[where]
        classes = np.searchsorted(_THRESHOLDS, 64 * total // np.maximum(weight, 1), side="right")
        classes[weight == 0] = CLASSES - 1
        yield _Pass(nodes, 2 * (channel > 0) + (not any(parity)), classes)
        magnitudes[inner][nodes] = np.abs(codes[nodes])
        known[inner][nodes] = 1


def _elsewhere(parent: LatentLevel | None, level: LatentLevel, channel: int) -> tuple[np.ndarray, int]:
    """What the coarser level and the first channel add to the magnitudes around each node, and their share."""
    shape = level.codes.shape[1:]
    total, weight = np.zeros(shape, dtype=np.int64), 0
    if parent is not None:
        above = np.abs(parent.codes[channel if channel < parent.channels else 0].astype(np.int64))
        indices = [
            np.minimum(np.arange(nodes) * level.spacing // parent.spacing, limit - 1)
            for nodes, limit in zip(shape, above.shape, strict=True)
        ]
        total += _PARENT * above[np.ix_(*indices)]
        weight += _PARENT
    if channel > 0:
        total += _FIRST * np.abs(level.codes[0].astype(np.int64))
        weight += _FIRST
    return total, weight
