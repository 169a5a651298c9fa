"""Files drawn from a seed, decoded by wasmtime and by Node: how many of them differ in an integer or in a value."""

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.build import MODULE
from tests.unit.core.layouts import random_integers, random_layout
from tests.wavelets import random_wavelets
from tuner.core.host import Layout, decode, encode_levels
from tuner.core.synthesis import Network, values

PROGRAM = Path(__file__).with_name("digests.mjs")


@dataclass(frozen=True, slots=True)
class Case:
    """A file as the core is given it, and what this engine makes of it.

    Attributes:
        pieces: description, coded bytes, number of levels that are wanted (0 for all), network.
        digests: SHA-256 of the integers and of the values, as Node prints them.
        samples: number of samples of the signal.
    """

    pieces: tuple[bytes, ...]
    digests: str
    samples: int

    def packed(self) -> bytes:
        """The pieces behind their lengths."""
        return np.array([len(piece) for piece in self.pieces], dtype="<u4").tobytes() + b"".join(self.pieces)


def cases(count: int, seed: int) -> Iterator[Case]:
    """Layouts of one to four axes with integers of all kinds, whole and cut at a level, and networks of all sizes."""
    for number in range(count):
        random = np.random.default_rng([seed, number])
        layout = random_layout(random, 1 + number % 4)
        coded, ends = encode_levels(random_integers(random, layout), layout)
        level = int(random.integers(0, 2 * layout.scales))  # half of the time all of them
        levels, coded = (level, coded[: ends[level - 1]]) if 1 <= level <= layout.scales else (0, coded)
        yield _case(random, layout, coded, levels)


def _case(random: np.random.Generator, layout: Layout, coded: bytes, levels: int) -> Case:
    like = random_wavelets(
        layout.samples,
        scales=layout.scales,
        colours=layout.colours,
        channels=int(random.integers(1, 5)),
        widths=tuple(random.integers(1, 12, size=random.integers(1, 4)).tolist()),
        frequencies=int(random.integers(1, 3)),
        seed=int(random.integers(1 << 30)),
    )
    network = Network(period=like.period, frequencies=like.frequencies, factors=like.gains, tensors=like.tensors())
    return case_of(layout, network, coded, levels)


def case_of(layout: Layout, network: Network, coded: bytes, levels: int = 0) -> Case:
    """A file as the core is given it, decoded by this engine.

    Args:
        layout: subbands of the file.
        network: what turns their sums into values.
        coded: coded integers, as far as the levels go.
        levels: number of levels that are wanted, 0 for all.
    """
    integers = decode(coded, layout, levels=levels or None)
    found = values([integers], layout, network)
    digests = [hashlib.sha256(array.tobytes()).hexdigest() for array in (integers, found)]
    wanted = np.array([levels], dtype="<u4").tobytes()
    return Case((layout.description(), coded, wanted, network.words()), " ".join(digests), int(np.prod(layout.samples)))


def disagreements(drawn: list[Case], folder: Path) -> list[int]:
    """The numbers of the cases of which Node makes something else.

    Args:
        drawn: cases to be tried.
        folder: where the file that Node reads is put.
    """
    path = folder / "cases"
    path.write_bytes(b"".join(case.packed() for case in drawn))
    printed = subprocess.run(["node", PROGRAM, MODULE, path], capture_output=True, check=True, text=True).stdout
    found = printed.splitlines()
    if len(found) != len(drawn):
        raise RuntimeError(f"Node answered for {len(found)} of {len(drawn)} files")
    return [number for number, (case, digests) in enumerate(zip(drawn, found, strict=True)) if case.digests != digests]
