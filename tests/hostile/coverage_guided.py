"""The reader under a fuzzer that sees which lines it reaches: `make fuzz-coverage`, with the extra `fuzz`.

    python -m tests.hostile.coverage_guided build/corpus -runs=100000

The mutators of `tests.hostile.mutate` know where checksums are; this one knows what has not been tried yet. Every input
gets right checksums, so that they do not stand in the way, unless the container cannot be read at all. Options are
those of libFuzzer; a crash leaves its input in the folder it ran in. The corpus begins with the golden files.
"""

import sys
from dataclasses import replace
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tuner.codec", "tuner.network", "tuner.representation"]):
    from tests.golden.make import small_files
    from tests.hostile.lies import checked, chunk
    from tests.hostile.test_hostile_files import decode_within_limits
    from tuner.codec.file.container import read_container
    from tuner.codec.file.header import pack_header, unpack_header
    from tuner.codec.file.primitives import ByteReader
    from tuner.codec.limits import DecodeLimits
    from tuner.errors import FormatError


def main() -> None:
    """Fill the corpus if it is empty, then run until libFuzzer's options say enough."""
    corpus = Path(next((each for each in sys.argv[1:] if not each.startswith("-")), "build/corpus"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(small_files()):
        (corpus / f"golden-{number}.tnr").write_bytes(data)
    atheris.Setup(sys.argv, one_input, custom_mutator=mutated)
    atheris.Fuzz()


def one_input(data: bytes) -> None:
    """What must hold for every input."""
    decode_within_limits(data)


def mutated(data: bytes, most_bytes: int, seed: int) -> bytes:
    """A mutation of the header or of the payload of the network, with checksums that are right."""
    try:
        header, payloads = read_container(data, DecodeLimits())
    except FormatError:
        changed: bytes = atheris.Mutate(data, most_bytes)
        return changed
    kind, payload = next((kind, payload) for kind, payload in payloads.items() if kind < 0x80)
    packed = pack_header(replace(header, chunks=1))
    if seed % 4 == 0:
        try:
            other = unpack_header(ByteReader(checked(atheris.Mutate(packed[:-4], len(packed)))))
            packed = pack_header(replace(other, chunks=1))
        except (FormatError, ValueError):
            pass  # not even a header: try the payload instead
    return packed + chunk(int(kind), atheris.Mutate(payload, most_bytes))


if __name__ == "__main__":
    main()
