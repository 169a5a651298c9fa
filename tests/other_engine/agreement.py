"""Files drawn from a seed, decoded by wasmtime and by Node: which differ in an integer, a weight or a value."""

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.build import MODULE
from tests.unit.core.layouts import random_integers, random_layout
from tests.unit.core.payloads import random_payload
from tests.wavelets import random_wavelets
from tuner.core.chunks import sine_words
from tuner.core.evaluation import Evaluation
from tuner.core.host import Layout, decode, encode_levels
from tuner.core.synthesis import Network, values

PROGRAM = Path(__file__).with_name("digests.mjs")


@dataclass(frozen=True, slots=True)
class Case:
    """A file as the core is given it, and what this engine makes of it.

    Attributes:
        pieces: description, coded bytes, number of levels that are wanted (0 for all), network, coordinates along each
            axis of a grid, number of these, points. Of a network of sines number of axes, payload and type of its
            chunk, and the first words, instead of the first four.
        digests: SHA-256 of the integers, or of the weights of sines; of the values on the samples, of wavelets; of
            those on the grid, and of the derivatives at the points; as Node prints them.
        samples: number of samples of the signal.
    """

    pieces: tuple[bytes, ...]
    digests: str
    samples: int

    def packed(self) -> bytes:
        """The pieces behind their lengths."""
        return np.array([len(piece) for piece in self.pieces], dtype="<u4").tobytes() + b"".join(self.pieces)


def cases(count: int, seed: int) -> Iterator[Case]:
    """Wavelets of one to four axes with integers of all kinds, whole and cut at a level; every fourth one of sines."""
    for number in range(count):
        random = np.random.default_rng([seed, number])
        if number % 4 == 3:
            yield _case_of_sines(random, 1 + number // 4 % 4)
            continue
        layout = random_layout(random, 1 + (number + number // 4) % 4)
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
    axes, points = _places(layout.samples)
    evaluation = Evaluation(network, layout, [integers])
    arrays = (integers, found, evaluation.on_grid(axes), evaluation.gradients(points))
    pieces = (layout.description(), coded, _word(levels), network.words(), *_packed_places(axes, points))
    return Case(pieces, _digests(*arrays), int(np.prod(layout.samples)))


def _case_of_sines(random: np.random.Generator, axes: int) -> Case:
    drawn = random_payload(random, axes)
    network = drawn.network
    words = sine_words(axes, drawn.start, drawn.chunk, drawn.payload)
    assert words == network.words()
    places, points = _places((int(random.integers(1, 400)) if axes == 1 else 9,) * axes)
    evaluation = Evaluation(network)
    arrays = (np.frombuffer(words, dtype="<u4"), evaluation.on_grid(places), evaluation.gradients(points))
    pieces = (_word(axes), drawn.payload, _word(drawn.chunk), drawn.start, *_packed_places(places, points))
    return Case(pieces, _digests(*arrays), int(np.prod([len(axis) for axis in places])))


def _places(samples: tuple[int, ...]) -> tuple[list[np.ndarray], np.ndarray]:
    """A part of the signal at another scale, uneven along the second axis; and points, some outside."""
    random = np.random.default_rng(samples)
    axes = [np.linspace(-0.9, 0.4, 1 + count * 2 // 3) for count in samples]
    axes[1:2] = [np.sort(random.uniform(-1.0, 1.0, len(axis))) for axis in axes[1:2]]
    return axes, random.uniform(-1.1, 1.1, (300 if len(samples) < 3 else 20, len(samples)))


def _packed_places(axes: list[np.ndarray], points: np.ndarray) -> tuple[bytes, bytes, bytes]:
    counts = [len(axis) for axis in axes] + [1] * (4 - len(axes))
    return np.concatenate(axes).astype("<f8").tobytes(), np.array(counts, dtype="<u4").tobytes(), points.tobytes()


def _word(number: int) -> bytes:
    return np.array([number], dtype="<u4").tobytes()


def _digests(*arrays: np.ndarray) -> str:
    return " ".join(hashlib.sha256(array.tobytes()).hexdigest() for array in arrays)


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
