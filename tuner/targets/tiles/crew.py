"""Others who fit tiles of the same signal at the same time: what a search asks of whoever knows them.

A search finds the step of the latents alone and offers the tiles; then it fits some of them itself and takes what
others have made of the rest. Since a tile follows from its samples and the settings that all share, the file has the
same bytes whoever fitted what.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tuner.fit.state import FitState

# Tiles that one takes at a time: a lost worker costs no more. With fewer in all, parts are smaller.
_MOST_TILES, _LEAST_PARTS = 8, 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some tiles that are fitted with one step of the latents.

    Attributes:
        search: fingerprint of everything that the bytes of a tile follow from beside the signal, in hexadecimal.
        latent_step: step of the latents of all tiles.
        tiles: numbers of the tiles.
    """

    search: str
    latent_step: float
    tiles: tuple[int, ...]


@runtime_checkable
class Crew(Protocol):
    """Whoever else fits tiles, as a search sees them."""

    def offer(self, parts: Sequence[Part]) -> None:
        """Let others take parts from now on; an earlier search may have offered the same ones."""

    def take(self) -> Part | None:
        """A part that nobody else has; None if none is left."""

    def finish(self, state: FitState) -> None:
        """The part that was taken last is fitted.

        Args:
            state: what came of it, as a checkpoint of the search with these tiles alone.
        """

    def finished(self) -> Iterator[FitState]:
        """What others have finished since this was last asked; what is lost or damaged is left out."""

    def is_at_work(self) -> bool:
        """Whether others hold parts; returns after a pause if so."""


def parts_of(search: str, latent_step: float, tiles: Sequence[int]) -> list[Part]:
    """Tiles in parts of neighbours.

    Args:
        search: fingerprint of the search.
        latent_step: step of the latents of all tiles.
        tiles: numbers of the tiles, in order.
    """
    length = max(1, min(_MOST_TILES, len(tiles) // _LEAST_PARTS))
    return [
        Part(search=search, latent_step=latent_step, tiles=tuple(tiles[start : start + length]))
        for start in range(0, len(tiles), length)
    ]
