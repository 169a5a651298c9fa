"""Mutated files by the hundred thousand: `make fuzz-codec`, or `python -m tests.hostile.mutate --files 100000`.

Each file is a golden one of any family with some bytes overwritten, cut, repeated or exchanged; two of three have their
checksums made right again, so that the damage reaches the reader behind them. Whatever comes out must be a
representation within the limits or a `FormatError`; the memory of the process is limited, and a file that takes too
long, or memory that grows, counts as a failure. The number of a file is the seed of its mutation: `--first N --files 1`
repeats one.
"""

import argparse
import resource
import sys
from time import perf_counter, process_time

from tests.golden.make import FAMILIES, small_files
from tests.hostile.mutants import mutant
from tests.hostile.test_hostile_files import decode_within_limits, region_within_limits

_MEMORY_BYTES = 1 << 30
_MOST_GROWTH = 256  # MiB of resident memory, over all files
_SLOWEST_SECONDS = 1.0  # of the processor


def main() -> None:
    """Decode so many mutated files, and say how long the slowest took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--family", choices=sorted(FAMILIES), help="golden files of one family only, such as v1-tiles")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    originals = small_files(*([options.family] if options.family else []))
    decode_within_limits(originals[0])  # loads the core
    started, slowest, begun = perf_counter(), 0.0, _resident()
    for number in range(options.first, options.first + options.files):
        data = mutant(number, originals)
        before = process_time()
        try:
            decode_within_limits(data)
            if number % 4 == 0:
                region_within_limits(data)
        except BaseException:
            print(f"file {number} broke the reader: {data.hex()}", file=sys.stderr)  # noqa: T201  for whoever repeats it
            raise
        seconds = process_time() - before
        slowest = max(slowest, seconds)
        if seconds > _SLOWEST_SECONDS:
            sys.exit(f"file {number} took {seconds:.1f} s, expected at most {_SLOWEST_SECONDS}: {data.hex()}")
    took, grown = perf_counter() - started, _resident() - begun
    if grown > _MOST_GROWTH:
        sys.exit(f"memory grew by {grown} MiB, expected at most {_MOST_GROWTH}")
    print(f"{options.files} files, no failure, slowest {slowest:.3f} s, {grown} MiB more, {took:.0f} s in all")  # noqa: T201


def _resident() -> int:
    """The most memory that the process has had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


if __name__ == "__main__":
    main()
