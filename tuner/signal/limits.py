"""What is decoded at most, held against a file's header before memory is taken."""

from dataclasses import dataclass
from typing import Final

from tuner.errors import SignalTooLarge

_CHANNELS_OF_ALL_POINTS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalLimits:
    """The largest signal that is read.

    Attributes:
        bytes: size of the file in bytes.
        points: number of points of the grid: pixels, voxels, samples of one channel, pixels of all frames.
        side: the longest side of a picture, of a frame, of a volume.
        channels: values per point.
        frames: number of frames of a video, or of pages of a stack.
        faces: number of triangles of a mesh.
        stored_bytes: size in bytes of all samples as they are stored, once they are unpacked.
    """

    bytes: int = 2**30
    points: int = 2**25
    side: int = 2**14
    channels: int = 32
    frames: int = 2**13
    faces: int = 2**20
    stored_bytes: int = 2**31

    @property
    def values(self) -> int:
        """Points times channels: many points of many channels each are too much together."""
        return _CHANNELS_OF_ALL_POINTS * self.points

    def check(self, name: str, found: int) -> None:
        """Compare a number from a header with the limit of that name.

        Args:
            name: one of the attributes, or `values`.
            found: what the header declares.

        Raises:
            SignalTooLarge: if it is above the limit.
        """
        allowed = getattr(self, name)
        if found > allowed:
            raise SignalTooLarge(
                f"the file has {found} {name.replace('_', ' ')}, expected at most {allowed}: make it smaller, or raise "
                "the limit"
            )


# Of a file whose samples stay as they are stored: 512 x 512 x 512 voxels, or an hour and a half of sound.
STORED_LIMITS: Final = SignalLimits(points=2**28)
