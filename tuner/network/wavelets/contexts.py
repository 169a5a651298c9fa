"""Which latents of wavelets are alike in magnitude: shares of what is around a latent in its expected magnitude.

Edges run along the axes in which a subband is low-pass, so neighbours along these say most. Beside neighbours in the
subband there are the same place in the same orientation of the coarser scale, in the orientations before, and in the
colour before. A share that counts more than it weighs belongs to latents that are larger by nature. The numbers were
found by regression on photographs. They are part of the file format: the coder (`tuner.codec.wavelets.subbands`) uses
them, and so does the estimate of its bits (`tuner.fit.wavelets.rate`).
"""

from itertools import product

from tuner.network.wavelets.layout import is_high

# Neighbours along an axis in which the subband is low-pass, high-pass, high-pass as in all; in the low-pass band.
_ALONG, _ACROSS, _DIAGONAL, _LOW = 24, 10, 14, 16
CORNER = 7  # neighbours that differ along several axes
PARENT, PARENT_RING = 4, 1  # in the coarser scale: the same place, each of those around
SIBLING, SIBLING_RING, SIBLING_COUNT = 3, 1, 4  # in each orientation before, and what both together count
COLOUR, COLOUR_COUNT = 3, 4  # in the colour before


def parent_count(dimensions: int) -> int:
    """What the coarser scale counts: twice what it weighs, as its latents are larger."""
    around: int = 3**dimensions - 1
    return 2 * (PARENT + PARENT_RING * around)


def neighbour_share(offset: tuple[int, ...], orientation: int) -> int:
    """Of a neighbour in the same subband, at an offset of -1, 0 or 1 along each axis, not all 0."""
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
