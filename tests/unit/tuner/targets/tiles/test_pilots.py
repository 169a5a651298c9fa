"""The step that suits the whole, from a survey and fits that follow a law of their own."""

import numpy as np
import pytest

from tuner.fit.wavelets.survey import BINS, foreseen_bits, foreseen_squares
from tuner.shapes import DoubleArray
from tuner.targets.tiles.pilots import Goal, pilot_step
from tuner.targets.tiles.tile import FittedTile
from tuner.targets.tiles.versions import Version


def surveys() -> dict[int, DoubleArray]:
    """Of some tiles, a few of them with ten times as many large coefficients as others."""
    random, octaves = np.random.default_rng(0), np.arange(BINS) / 4 - 24
    busy = np.where(random.random(64) < 0.2, 10.0, 1.0)
    return {n: busy[n] * 3000 * np.exp(-((octaves + 6) ** 2) / random.uniform(4, 12)) for n in range(64)}


def fitted(counts: DoubleArray, step: float) -> FittedTile:
    """Fits are smaller and better than their survey, by factors that change with the step."""
    packed = bytes(round(100 + 0.8 * step**0.1 * foreseen_bits(counts, step) / 8))
    version = Version(packed, 0.7 * step**-0.1 * foreseen_squares(counts, step))
    return FittedTile(versions=(version,), own=0, steps=1, seconds=0.0)


@pytest.mark.parametrize("is_size", [True, False])
@pytest.mark.parametrize("wanted_step", [0.02, 0.1, 0.6])
def test_the_whole_comes_to_its_goal_after_few_fits(is_size: bool, wanted_step: float) -> None:
    found, made = surveys(), []
    at_best = [fitted(each, wanted_step).versions[0] for each in found.values()]
    value = sum(len(each.packed) if is_size else each.squares for each in at_best)

    def fit(step: float, number: int) -> FittedTile:
        made.append(number)
        return fitted(found[number], step)

    goal = Goal(is_size=is_size, value=float(value), fixed=100.0 if is_size else 0.0)
    step = pilot_step(goal, found, [5, 20, 40, 60], fit)
    assert step == pytest.approx(wanted_step, rel=0.04)
    assert len(made) <= 8
