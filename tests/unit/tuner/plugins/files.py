"""Golden files of every kind, and what they decode to."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tuner.codec.decode import load

GOLDEN = Path(__file__).parents[3] / "golden"
FILES = sorted(GOLDEN.glob("v*/*.tnr"))
COLOUR, DEEP_GREY, PROFILE = (GOLDEN / "v1" / name for name in ("colour.tnr", "grey16.tnr", "profile.tnr"))
ARRAY, MESH, SOUND, UNEVEN, VIDEO, VOLUME = (
    GOLDEN / "v1-kinds" / f"{name}.tnr" for name in ("array", "mesh", "sound", "uneven", "video", "volume")
)


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def stored(path: Path) -> NDArray[Any]:
    """The samples as they would be written, decoded as a whole."""
    signal = load(path).render()
    samples = signal.storage.to_samples(signal.values)
    return samples if signal.channels > 1 else samples[..., 0]
