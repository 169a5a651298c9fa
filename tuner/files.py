"""Files that are either whole or absent. Used by `Representation.save` and the command line."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write to a temporary neighbour, then rename it: whoever looks sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
