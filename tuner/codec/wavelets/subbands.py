"""Subbands of wavelets to bits and back: each integer with a table chosen by the magnitudes around it.

Where the wavelets around are zero, the next one probably is, too. Levels are coded from coarse to fine, the subbands of
a level in order, and each subband in 2^D passes, one for each parity of the node's indices: every pass knows some
neighbours of each of its nodes, and all that is around the same place in the coarser level, in the orientations before,
and in the colour before (`tuner.network.wavelets.contexts`). Within a pass no node depends on another, so that numpy
computes all contexts of a pass at once. Contexts are integers throughout. `tuner/codec/format/wavelets.md` is the
specification, and `tuner.fit.wavelets.rate` estimates what comes out of this.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.codec.file.primitives import ByteReader
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder
from tuner.codec.wavelets.tables import TableSet, fit_tables, pack_tables, unpack_tables
from tuner.network.wavelets import contexts as neighbourhood
from tuner.network.wavelets.layout import orientations
from tuner.network.wavelets.parameters import LatentLevel, level_nodes

# Mean magnitudes, in units of 1/256, at which one class ends and the next begins. One more class: nothing is known.
_THRESHOLDS = np.array([1, 3, 7, 13, 20, 30, 42, 58, 80, 110, 150, 210, 300, 430, 640, 1000, 1800])
_UNIT = 256
CLASSES = len(_THRESHOLDS) + 2
# Low-pass, then luma and chroma of the finest scale, the next, and all coarser ones; first passes have their own.
TABLE_SETS = 2 * 7


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """Nodes of one subband that are coded together.

    Attributes:
        nodes: selects them from the subband.
        table_set: which tables they use.
        classes: of each, 0 to CLASSES - 1.
    """

    nodes: tuple[slice, ...]
    table_set: int
    classes: np.ndarray


def pack_subbands(levels: Sequence[LatentLevel], coder: IntegerEncoder) -> bytes:
    """Append the codes of all levels, the low-pass one first, to the coder; return the tables."""
    passes = [
        (level.codes[channel][part.nodes], part)
        for number, level in enumerate(levels)
        for channel in range(level.channels)
        for part in _passes(levels, number, channel)
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


def unpack_subband_tables(reader: ByteReader) -> list[TableSet]:
    """Read the tables that `pack_subbands` returned; raises `CorruptFile` if one is out of range."""
    return unpack_tables(reader, TABLE_SETS, CLASSES)


def take_subbands(
    coder: IntegerDecoder, tables: list[TableSet], grid_shape: tuple[int, ...], layout: list[tuple[int, int]]
) -> tuple[LatentLevel, ...]:
    """Decode the codes of all levels.

    Args:
        coder: at the first latent.
        tables: from `unpack_subband_tables`.
        grid_shape: of the signal.
        layout: (spacing, channels) of each level, coarsest first; checked against the limits.
    """
    integer_tables = [[table.table() for table in tables_of_set] for tables_of_set in tables]
    levels: list[LatentLevel] = []
    for number, (spacing, channels) in enumerate(layout):
        codes = np.zeros((channels, *level_nodes(grid_shape, spacing)), dtype=np.int32)
        levels.append(LatentLevel(spacing=spacing, codes=codes))
        for channel in range(channels):
            for part in _passes(levels, number, channel):
                taken = np.empty(part.classes.shape, dtype=np.int32)
                for each in np.unique(part.classes).tolist():
                    members = part.classes == each
                    taken[members] = coder.take(int(members.sum()), integer_tables[part.table_set][each])
                codes[channel][part.nodes] = taken
    return tuple(levels)


def _passes(levels: Sequence[LatentLevel], number: int, channel: int) -> Iterator[_Pass]:
    """The passes of a subband; what a pass selects must be in `levels` before the next one is asked for."""
    level = levels[number]
    codes = level.codes[channel]
    dimensions, nodes = codes.ndim, codes.shape
    kinds = orientations(dimensions) if number else 1
    colour, position = divmod(channel, kinds)
    elsewhere, count_elsewhere = _elsewhere(levels, number, colour, position, kinds)
    table_set = 2 * _table_set(level.spacing, is_low=number == 0, is_luma=colour == 0)
    magnitudes = np.zeros([samples + 2 for samples in nodes], dtype=np.int32)
    inner = (slice(1, -1),) * dimensions
    for parity in neighbourhood.coding_order(dimensions):
        here = tuple(slice(bit, None, 2) for bit in parity)
        total, count = elsewhere[here].copy(), count_elsewhere
        for offset in neighbourhood.known_neighbours(parity):
            share = neighbourhood.neighbour_share(offset, position + 1 if number else 0)
            where = tuple(
                slice(1 + bit + step, 1 + samples + step, 2)
                for bit, step, samples in zip(parity, offset, nodes, strict=True)
            )
            total += np.int32(share) * magnitudes[where]
            count += share
        if count:
            classes = np.searchsorted(_THRESHOLDS, _UNIT * total // count, side="right")
        else:
            classes = np.full(total.shape, CLASSES - 1)
        yield _Pass(here, table_set + (not any(parity)), classes)
        magnitudes[inner][here] = np.abs(codes[here])


def _elsewhere(
    levels: Sequence[LatentLevel], number: int, colour: int, position: int, kinds: int
) -> tuple[np.ndarray, int]:
    """What is known beside the subband itself: shares times magnitudes at every node, and what they count."""
    codes, channel = levels[number].codes, colour * kinds + position
    nodes, dimensions = codes.shape[1:], codes.ndim - 1
    total, count = np.zeros(nodes, dtype=np.int32), 0
    if number > 1:
        parent = np.abs(levels[number - 1].codes[channel])
        ring = neighbourhood.PARENT_RING
        around = ring * _box(parent) + (neighbourhood.PARENT - ring) * parent
        total += around[np.ix_(*(np.arange(samples) // 2 for samples in nodes))]
        count += neighbourhood.parent_count(dimensions)
    for sibling in range(colour * kinds, channel):
        magnitude, ring = np.abs(codes[sibling]), neighbourhood.SIBLING_RING
        total += ring * _box(magnitude) + (neighbourhood.SIBLING - ring) * magnitude
        count += neighbourhood.SIBLING_COUNT
    if colour:
        total += neighbourhood.COLOUR * np.abs(codes[channel - kinds])
        count += neighbourhood.COLOUR_COUNT
    return total, count


def _box(magnitudes: np.ndarray) -> np.ndarray:
    """Sums over the 3^D nodes around each node, itself included."""
    for axis in range(magnitudes.ndim):
        padded = np.pad(magnitudes, [(1, 1) if other == axis else (0, 0) for other in range(magnitudes.ndim)])
        parts = [np.take(padded, range(step, step + magnitudes.shape[axis]), axis) for step in range(3)]
        magnitudes = parts[0] + parts[1] + parts[2]
    return magnitudes


def _table_set(spacing: int, *, is_low: bool, is_luma: bool) -> int:
    """Of the tables for a subband."""
    return 0 if is_low else 1 + 2 * min(spacing.bit_length() - 2, 2) + (not is_luma)
