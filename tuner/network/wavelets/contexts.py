"""The context of a wavelet coefficient: how large its neighbours say that it will be, for the estimate of its bits.

Magnitudes of wavelets come in crowds: along the edges of a picture, at the same place in all orientations, in all
colours and in neighbouring scales. The expected magnitude of a coefficient, a latent, is a weighted mean of the
magnitudes around it that a decoder knows by then. Edges run along the axes in which a subband is low-pass, so
neighbours along these say most; then come the same place in the same orientation of the next coarser scale, in the
orientations before, and in the colour before. Each has a share, by which its magnitude is multiplied, and a count, by
which the sum is divided; a count above the share belongs to latents that are larger by nature. The numbers were found
by regression on photographs. The estimate of a fit (`tuner.fit.wavelets.rate`) stands on them; the coder of files,
which is in `core/`, begins with nearly the same shares and learns the rest.
"""

from itertools import product

from tuner.network.wavelets.layout import Level, is_high

# Neighbours along an axis in which the subband is low-pass, high-pass, high-pass as in all; in the low-pass level.
_ALONG, _ACROSS, _DIAGONAL, _LOW = 24, 10, 14, 16
CORNER = 7  # neighbours that differ along several axes
PARENT, PARENT_RING = 4, 1  # in the coarser scale: the same place, each of those around
SIBLING, SIBLING_RING, SIBLING_COUNT = 3, 1, 4  # in each orientation before, and what both together count
COLOUR, COLOUR_COUNT = 3, 4  # in the colour before
# Low-pass, then the first colour and the others of the finest level, of the next, and of all coarser ones.
GROUPS = 7


def parent_count(dimensions: int) -> int:
    """What the coarser scale counts: twice its shares, since latents are larger there."""
    around: int = 3**dimensions - 1
    return 2 * (PARENT + PARENT_RING * around)


def neighbour_share(offset: tuple[int, ...], orientation: int) -> int:
    """Share of a neighbour in the same subband, at an offset of -1, 0 or 1 along each axis, not all 0."""
    dimensions = len(offset)
    axes = [axis for axis, step in enumerate(offset) if step]
    if len(axes) > 1:
        return CORNER
    if orientation == 0:
        return _LOW
    if orientation == (1 << dimensions) - 1:
        return _DIAGONAL
    return _ACROSS if is_high(orientation, axes[0], dimensions) else _ALONG


def coding_order(dimensions: int) -> list[tuple[int, ...]]:
    """Parities of the indices in the order in which the latents of a subband are coded."""
    return sorted(product((0, 1), repeat=dimensions), key=lambda bits: (any(bits), -sum(bits), bits))


def known_neighbours(parity: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Offsets of the neighbours that are coded before a node of this parity."""
    order = coding_order(len(parity))
    before = set(order[: order.index(parity)])
    return [
        offset
        for offset in product((-1, 0, 1), repeat=len(parity))
        if tuple((bit + step) % 2 for bit, step in zip(parity, offset, strict=True)) in before
    ]


def group_of(level: Level, colour: int) -> int:
    """Which latents share tables with those of a colour in a level: the number of the group, below `GROUPS`."""
    return 0 if level.is_low else 1 + 2 * min(level.spacing.bit_length() - 2, 2) + (colour > 0)
