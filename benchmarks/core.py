"""What the core's coder makes of the integers of files that exist, against the bytes they take in them today.

For every file: bytes of today's latents with their tables, bytes of the same integers from the core, checked by reading
them back, and the time of one core of the machine that reading them takes. Run as
`python -m benchmarks.core FILE.tnr ...`; files whose latents are not wavelets are named and left out.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from tuner.codec.core.host import Layout, decode, encode
from tuner.codec.decode import load
from tuner.codec.integers.entropy import IntegerEncoder
from tuner.codec.wavelets.subbands import pack_subbands
from tuner.network.wavelets.parameters import WaveletParameters

_REPEATS = 7


def measure(path: Path) -> dict[str, Any] | None:
    """Figures of one file; None if it has no wavelet latents.

    Args:
        path: a .tnr file.

    Raises:
        RuntimeError: if the core does not give back what it was given.
    """
    parameters = load(path).parameters
    if not isinstance(parameters, WaveletParameters):
        return None
    coder = IntegerEncoder()
    tables = len(pack_subbands(parameters.layout, parameters.latents, coder))
    today = tables + len(coder.words())
    layout = Layout(parameters.layout.grid_shape, parameters.layout.colours, parameters.layout.scales)
    integers = np.concatenate([latents.reshape(-1) for latents in parameters.latents])
    coded = encode(integers, layout)
    if not np.array_equal(decode(coded, layout), integers):
        raise RuntimeError(f"{path}: the core does not give back the integers of this file")
    seconds = []
    for _ in range(_REPEATS):
        start = time.process_time()
        decode(coded, layout)
        seconds.append(time.process_time() - start)
    return {
        "file": path.stem,
        "file_bytes": path.stat().st_size,
        "integers": integers.size,
        "nonzero": int(np.count_nonzero(integers)),
        "table_bytes": tables,
        "today_bytes": today,
        "core_bytes": len(coded),
        "saved_percent": 100.0 * (1.0 - len(coded) / today),
        "decode_ms": 1000.0 * min(seconds),
    }


def main() -> None:
    """Print one line for every file, and the mean."""
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
            f"{row['file']:16} {row['integers']:9} integers, {row['nonzero']:7} not 0: {row['today_bytes']:7} bytes "
            f"today, {row['core_bytes']:7} by the core, {row['saved_percent']:5.2f} % less, {row['decode_ms']:4.0f} ms"
        )
    if rows:
        print(f"mean: {np.mean([row['saved_percent'] for row in rows]):.2f} % less")  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
