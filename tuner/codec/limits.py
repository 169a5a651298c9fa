"""What a reader is ready to spend on a file, checked from its header before memory is taken."""

from dataclasses import dataclass

from tuner.errors import LimitExceeded


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeLimits:
    """The largest file that `decode` accepts.

    Attributes:
        file_bytes: size of the file in bytes.
        chunks: number of chunks of the file.
        chunk_bytes: size of the payload of one chunk in bytes.
        weights: how many numbers the network is made of, frequencies included; each costs 12 bytes while decoding. Of a
            signal in tiles, how many each tile has, and all of those tiles together that are kept.
        tiles: number of tiles of a signal that is cut into tiles.
        axes: number of axes of the grid; the work of a point grows exponentially with it.
        samples: number of points of the grid, the pixels of an image.
        channels: number of values per point.
        values: samples times channels; rendering the signal takes 4 bytes for each.
        work: samples times weights, about the multiplications that rendering the signal takes.
    """

    file_bytes: int = 256 << 20
    chunks: int = 1 << 10
    chunk_bytes: int = 128 << 20
    weights: int = 1 << 24
    tiles: int = 1 << 16
    axes: int = 4
    samples: int = 1 << 28
    channels: int = 64
    values: int = 3 << 27
    work: int = 1 << 44

    def check(self, name: str, asked: int) -> None:
        """Compare a number from the file with the limit of that name.

        Args:
            name: name of the limit, which is one of the attributes.
            asked: number that the file asks for.

        Raises:
            LimitExceeded: if it is above the limit.
        """
        allowed = getattr(self, name)
        if asked > allowed:
            raise LimitExceeded(
                f"the file asks for {asked} {name.replace('_', ' ')}, the limit is {allowed}: "
                f"if you trust the file, decode it with DecodeLimits({name}={asked})"
            )
