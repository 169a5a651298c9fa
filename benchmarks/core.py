"""What the latents of wavelet files take, and how long reading them, whole files and beginnings of files takes.

For every file: bytes of the file and of its latents, the time of one core of the machine that reading the latents
takes, and the time from bytes to samples. Then what its first 10, 25 and 50 % show, how fast, and, with
`--originals FOLDER` of pictures whose names files begin with, how well: against the whole picture, and against its
means over squares, at the resolution that the beginning has. Run as `python -m benchmarks.core FILE.tnr ...`; files
whose latents are not wavelets are named and left out.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import block_reduce

from tuner.codec.beginning import decode_beginning
from tuner.codec.decode import decode as decode_file
from tuner.core.host import Layout, decode, encode
from tuner.errors import CorruptFile
from tuner.metrics import psnr_db
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray
from tuner.signal.image import read_image

_REPEATS = 7
_SHARES = (0.1, 0.25, 0.5)  # of a file's bytes


def measure(path: Path, originals: Path | None = None) -> dict[str, Any] | None:
    """Figures of one file; None if it has no wavelet latents.

    Args:
        path: a .tnr file.
        originals: folder of PNG images, in which the file's picture has the name that the file's name begins with, up
            to a hyphen; None if quality is not to be measured.

    Raises:
        RuntimeError: if the core does not give back what it was given.
    """
    data = path.read_bytes()
    parameters = decode_file(data).parameters
    if not isinstance(parameters, WaveletParameters):
        return None
    layout = Layout(parameters.layout.grid_shape, parameters.layout.colours, parameters.layout.scales)
    integers = np.concatenate([latents.reshape(-1) for latents in parameters.latents])
    coded = encode(integers, layout)
    if not np.array_equal(decode(coded, layout), integers):
        raise RuntimeError(f"{path}: the core does not give back the integers of this file")
    return {
        "file": path.stem,
        "file_bytes": len(data),
        "latent_bytes": len(coded),
        "integers": integers.size,
        "nonzero": int(np.count_nonzero(integers)),
        "latents_ms": _milliseconds(lambda: decode(coded, layout)),
        "samples_ms": _milliseconds(lambda: decode_file(data).render()),
        "beginnings": [_beginning(data, share, original_of(path, originals)) for share in _SHARES],
    }


def original_of(path: Path, originals: Path | None) -> FloatArray | None:
    """Samples of the picture that a file was made of; None if there is no folder of pictures."""
    return None if originals is None else read_image(originals / f"{path.stem.split('-')[0]}.png").values


def _beginning(data: bytes, share: float, original: FloatArray | None) -> dict[str, Any]:
    """What the first bytes of a file show, at the resolution that they have."""
    part = data[: int(share * len(data))]
    try:
        beginning = decode_beginning(part)
    except CorruptFile as error:
        return {"share": share, "bytes": len(part), "refused": str(error)}
    step = 2**beginning.missing_levels
    small = tuple(-(-count // step) for count in beginning.representation.grid_shape)
    figures = {
        "share": share,
        "bytes": len(part),
        "step": step,
        "ms": round(_milliseconds(lambda: decode_beginning(part).coarse()), 1),
    }
    if original is not None:
        means = block_reduce(original, (step, step, 1), np.mean)
        figures["psnr_whole"] = psnr_db(original, beginning.representation.render().values)
        figures["psnr_means"] = psnr_db(means, beginning.representation.render(small).values)
    return figures


def _milliseconds(work: Callable[[], object]) -> float:
    """Of the processor, the least of several times."""
    seconds = []
    for _ in range(_REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1000.0 * min(seconds)


def main() -> None:
    """Print one line for every file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--originals", type=Path, help="folder of the PNG images that the files were made of")
    parser.add_argument("--json", type=Path, help="where to write the figures, too")
    options = parser.parse_args()
    rows = []
    for path in options.files:
        row = measure(path, options.originals)
        if row is None:
            print(f"{path}: no wavelet latents, left out")  # noqa: T201
            continue
        rows.append(row)
        print(  # noqa: T201
            f"{row['file']:16} {row['file_bytes']:7} bytes, {row['latent_bytes']:7} of {row['integers']:9} latents, "
            f"{row['nonzero']:7} not 0, in {row['latents_ms']:4.0f} ms; samples in {row['samples_ms']:4.0f} ms"
        )
        for part in row["beginnings"]:
            print("    " + ", ".join(f"{name} {value}" for name, value in part.items()))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
