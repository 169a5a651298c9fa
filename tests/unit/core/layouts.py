"""Layouts and integers of every shape that the core knows, drawn from a seed."""

import numpy as np

from tuner.core.host import LARGEST_VALUE, Integers, Layout

_LONGEST = {1: 900, 2: 60, 3: 14, 4: 7}


def random_layout(random: np.random.Generator, axes: int) -> Layout:
    """A small layout with so many axes; some of its axes have one sample, some of its scales more than it has."""
    samples = tuple(int(random.integers(1, _LONGEST[axes] + 1)) if random.random() < 0.8 else 1 for _ in range(axes))
    return Layout(samples, colours=int(random.integers(1, 5)), scales=int(random.integers(1, 6)))


def random_integers(random: np.random.Generator, layout: Layout) -> Integers:
    """Integers as fits make them, or as none would: nearly all zero, small, in runs, or as large as can be."""
    count = layout.integers()
    kind = random.integers(5)
    if kind == 0:
        return np.zeros(count, dtype=np.int32)
    if kind == 1:
        return (random.laplace(scale=2.0, size=count) * (random.random(count) < 0.05)).astype(np.int32)
    if kind == 2:
        return np.rint(random.laplace(scale=random.choice([0.3, 3.0, 300.0]), size=count)).astype(np.int32)
    if kind == 3:
        return np.repeat(random.integers(-20, 21, size=count // 16 + 1), 16)[:count].astype(np.int32)
    return random.choice([-LARGEST_VALUE, -1, 0, 0, 1, 5, 127, 128, LARGEST_VALUE], size=count).astype(np.int32)
