"""What the latents of wavelet files take, and how long reading them and whole files takes.

For every file: bytes of the file and of its latents, the time of one core of the machine that reading the latents
takes, and the time from bytes to samples. Run as `python -m benchmarks.core FILE.tnr ...`; files whose latents are not
wavelets are named and left out.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tuner.codec.decode import decode as decode_file
from tuner.core.host import Layout, decode, encode
from tuner.network.wavelets.parameters import WaveletParameters

_REPEATS = 7


def measure(path: Path) -> dict[str, Any] | None:
    """Figures of one file; None if it has no wavelet latents.

    Args:
        path: a .tnr file.

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
    }


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
    parser.add_argument("--json", type=Path, help="where to write the figures, too")
    options = parser.parse_args()
    rows = []
    for path in options.files:
        row = measure(path)
        if row is None:
            print(f"{path}: no wavelet latents, left out")  # noqa: T201
            continue
        rows.append(row)
        print(  # noqa: T201
            f"{row['file']:16} {row['file_bytes']:7} bytes, {row['latent_bytes']:7} of {row['integers']:9} latents, "
            f"{row['nonzero']:7} not 0, in {row['latents_ms']:4.0f} ms; samples in {row['samples_ms']:4.0f} ms"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
