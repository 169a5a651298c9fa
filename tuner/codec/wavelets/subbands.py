"""Context coding of wavelet coefficients: subbands of integers to bits and back, each by the magnitudes around it.

Where the wavelets around are zero, the next one probably is, too. Levels are coded from coarse to fine, the subbands of
a level in order, and each subband in 2^D passes, one for each parity of the node's indices: every pass knows some
neighbours of each of its nodes, and all that is around the same place in the coarser level, in the orientations before,
and in the colour before (`tuner.network.wavelets.contexts`). The mean magnitude there is a class, and each class has a
table. Within a pass no node depends on another, so that numpy computes all classes of a pass at once. Classes are
integer arithmetic throughout. `tuner/codec/format/wavelets.md` is the specification, and `tuner.fit.wavelets.rate`
estimates what comes out of this.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.codec.file.primitives import ByteReader
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder
from tuner.codec.wavelets.tables import TableSet, fit_tables, pack_tables, unpack_tables
from tuner.network.wavelets import contexts
from tuner.network.wavelets.layout import Layout
from tuner.shapes import IntArray

# Mean magnitudes, in units of 1/256, at which one class ends and the next begins. One more class: nothing is known.
_THRESHOLDS = np.array([1, 3, 7, 13, 20, 30, 42, 58, 80, 110, 150, 210, 300, 430, 640, 1000, 1800])
_UNIT = 256
CLASSES = len(_THRESHOLDS) + 2
# The first pass of a subband, which knows nothing of it yet, has tables of its own in every group.
TABLE_SETS = 2 * contexts.GROUPS


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """Nodes of one subband that are coded together.

    Attributes:
        nodes: slices that select the nodes from the subband.
        table_set: number of the set of tables that the nodes use.
        classes: the class of each node, which is its table in the set, 0 to CLASSES - 1.
    """

    nodes: tuple[slice, ...]
    table_set: int
    classes: np.ndarray


def pack_subbands(layout: Layout, latents: Sequence[IntArray], coder: IntegerEncoder) -> bytes:
    """Code all latents.

    Args:
        layout: the subbands.
        latents: int32 (subbands, *nodes) for each level.
        coder: what the latents are appended to.

    Returns:
        The tables, as in the file.
    """
    passes = [
        (latents[level.number][position][part.nodes], part)
        for level in layout.levels
        for position in range(level.subbands)
        for part in _passes(layout, latents, level.number, position)
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


def take_subbands(coder: IntegerDecoder, tables: list[TableSet], layout: Layout) -> tuple[IntArray, ...]:
    """Decode all latents.

    Args:
        coder: what holds the latents, the first one next.
        tables: sets of tables from `unpack_subband_tables`.
        layout: the subbands, already checked against the limits.

    Returns:
        int32 (subbands, *nodes) for each level.
    """
    integer_tables = [[table.table() for table in tables_of_set] for tables_of_set in tables]
    latents: list[IntArray] = []
    for level in layout.levels:
        codes = np.zeros(level.shape, dtype=np.int32)
        latents.append(codes)
        for position in range(level.subbands):
            for part in _passes(layout, latents, level.number, position):
                taken = np.empty(part.classes.shape, dtype=np.int32)
                for each in np.unique(part.classes).tolist():
                    members = part.classes == each
                    taken[members] = coder.take(int(members.sum()), integer_tables[part.table_set][each])
                codes[position][part.nodes] = taken
    return tuple(latents)


def _passes(layout: Layout, latents: Sequence[IntArray], number: int, position: int) -> Iterator[_Pass]:
    """The passes of a subband; what a pass selects must be in `latents` before the next one is asked for."""
    level, codes = layout.levels[number], latents[number][position]
    colour, orientation = level.subband(position)
    elsewhere, count_elsewhere = _elsewhere(layout, latents, number, position)
    table_set = 2 * contexts.group_of(level, colour)
    magnitudes = np.zeros([nodes + 2 for nodes in level.nodes], dtype=np.int32)
    inner = (slice(1, -1),) * layout.dimensions
    for parity in contexts.coding_order(layout.dimensions):
        here = tuple(slice(bit, None, 2) for bit in parity)
        total, count = elsewhere[here].copy(), count_elsewhere
        for offset in contexts.known_neighbours(parity):
            share = contexts.neighbour_share(offset, orientation)
            where = tuple(
                slice(1 + bit + step, 1 + nodes + step, 2)
                for bit, step, nodes in zip(parity, offset, level.nodes, strict=True)
            )
            total += np.int32(share) * magnitudes[where]
            count += share
        if count:
            classes = np.searchsorted(_THRESHOLDS, _UNIT * total // count, side="right")
        else:
            classes = np.full(total.shape, CLASSES - 1)
        yield _Pass(here, table_set + (not any(parity)), classes)
        magnitudes[inner][here] = np.abs(codes[here])


def _elsewhere(layout: Layout, latents: Sequence[IntArray], number: int, position: int) -> tuple[np.ndarray, int]:
    """What is known beside the subband itself: shares times magnitudes at every node, and what they count."""
    level, codes = layout.levels[number], latents[number]
    colour, _ = level.subband(position)
    total, count = np.zeros(level.nodes, dtype=np.int32), 0
    if number > 1:
        parent, ring = np.abs(latents[number - 1][position]), contexts.PARENT_RING
        around = ring * _box(parent) + (contexts.PARENT - ring) * parent
        total += around[np.ix_(*(np.arange(nodes) // 2 for nodes in level.nodes))]
        count += contexts.parent_count(layout.dimensions)
    for sibling in range(colour * level.orientations, position):
        magnitude, ring = np.abs(codes[sibling]), contexts.SIBLING_RING
        total += ring * _box(magnitude) + (contexts.SIBLING - ring) * magnitude
        count += contexts.SIBLING_COUNT
    if colour:
        total += contexts.COLOUR * np.abs(codes[position - level.orientations])
        count += contexts.COLOUR_COUNT
    return total, count


def _box(magnitudes: np.ndarray) -> np.ndarray:
    """Sums over the 3^D nodes around each node, itself included."""
    for axis in range(magnitudes.ndim):
        padded = np.pad(magnitudes, [(1, 1) if other == axis else (0, 0) for other in range(magnitudes.ndim)])
        parts = [np.take(padded, range(step, step + magnitudes.shape[axis]), axis) for step in range(3)]
        magnitudes = parts[0] + parts[1] + parts[2]
    return magnitudes
