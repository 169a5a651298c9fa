"""Which version of each tile goes into the file: the one that serves all of them best at one worth of a bit.

Of every fit several versions are kept, which differ by how its latents were rounded. Where bits and error of a tile
make a convex line, the versions on it are those that some worth of a bit chooses, and going along all lines from the
steepest part to the flattest makes the best file of every size (Shoham and Gersho, 1988): it meets a limit to within
the bytes by which two versions of one tile differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tuner.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Version:
    """One tile, rounded in one way.

    Attributes:
        packed: bytes of the tile as they stand in a file.
        squares: sum of the squared errors of its samples and channels, nothing clipped.
    """

    packed: bytes
    squares: float


@dataclass(frozen=True, slots=True)
class _Move:
    """From one version of a tile to the next larger one that is worth it."""

    tile: int
    to: int
    bytes: int
    gain: float

    @property
    def slope(self) -> float:
        """Squared error that a byte takes away."""
        return self.gain / self.bytes


def within_bytes(tiles: Sequence[Sequence[Version]], most: int) -> list[Version]:
    """The versions with the least error that have so many bytes together.

    Args:
        tiles: versions of each tile.
        most: number of bytes of all tiles; where the smallest versions have more, they are what comes back.
    """
    chosen, left = _smallest(tiles), float(most)
    left -= sum(len(versions[at].packed) for versions, at in zip(tiles, chosen, strict=True))
    closed: set[int] = set()
    for move in _moves(tiles):
        if move.tile in closed:
            continue
        if move.bytes > left:
            closed.add(move.tile)  # what follows on its line is no better
            continue
        chosen[move.tile], left = move.to, left - move.bytes
    return [versions[at] for versions, at in zip(tiles, chosen, strict=True)]


def within_file(
    tiles: Sequence[Sequence[Version]], most: int, budget: int, size: Callable[[list[Version]], int]
) -> list[Version]:
    """The versions with the least error of which the whole file has so many bytes.

    Args:
        tiles: versions of each tile.
        most: number of bytes of the file; where that of the smallest versions has more, they are what comes back.
        budget: number of bytes of all tiles with which the file should come to that, to begin with.
        size: tells the number of bytes of the file of some versions, which depends a little on which they are, as the
            lengths in its index do.
    """
    while True:
        chosen = within_bytes(tiles, budget)
        excess, packed = size(chosen) - most, sum(len(each.packed) for each in chosen)
        if excess <= 0 or packed > budget:
            return chosen
        budget = packed - excess  # not budget - excess, of which the same may come again


def within_squares(tiles: Sequence[Sequence[Version]], most: float) -> list[Version]:
    """The versions with the fewest bytes that have no more error together.

    Args:
        tiles: versions of each tile.
        most: sum of the squared errors of all tiles; where the best versions have more, they are what comes back.
    """
    chosen = _smallest(tiles)
    squares = sum(versions[at].squares for versions, at in zip(tiles, chosen, strict=True))
    for move in _moves(tiles):
        if squares <= most:
            break
        chosen[move.tile], squares = move.to, squares - move.gain
    return [versions[at] for versions, at in zip(tiles, chosen, strict=True)]


def _smallest(tiles: Sequence[Sequence[Version]]) -> list[int]:
    if any(not versions for versions in tiles):
        raise ConfigError("a tile has no version, expected one at least: fit those that are missing")
    return [_line(versions)[0] for versions in tiles]


def _moves(tiles: Sequence[Sequence[Version]]) -> list[_Move]:
    """All moves along all lines, the most worth first; those of one tile stay in their order."""
    moves = []
    for number, versions in enumerate(tiles):
        line = _line(versions)
        for before, after in pairwise(line):
            small, large = versions[before], versions[after]
            moves.append(
                _Move(number, after, len(large.packed) - len(small.packed), small.squares - large.squares),
            )
    return sorted(moves, key=lambda move: (-move.slope, move.tile))


def _line(versions: Sequence[Version]) -> list[int]:
    """Places of the versions on the lower convex line of error by bytes, the smallest first."""
    line: list[int] = []
    for at in sorted(range(len(versions)), key=lambda at: (len(versions[at].packed), versions[at].squares)):
        if line and versions[at].squares >= versions[line[-1]].squares:
            continue
        while len(line) > 1 and _slope(versions, line[-2], line[-1]) <= _slope(versions, line[-2], at):
            line.pop()
        line.append(at)
    return line


def _slope(versions: Sequence[Version], small: int, large: int) -> float:
    return (versions[small].squares - versions[large].squares) / (
        len(versions[large].packed) - len(versions[small].packed)
    )
