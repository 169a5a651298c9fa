"""The step of the latents with which all tiles together will meet a target, from a survey of all and a few fits.

The survey tells how the bits, or the squared error, of the whole compare with those of a few tiles, whatever the step
is; the fits of the few tell the factor between survey and fit, and how that changes with the step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import exp, log

import numpy as np

from tuner.fit.wavelets.survey import foreseen_bits, foreseen_squares
from tuner.shapes import DoubleArray
from tuner.targets.tiles.tile import FittedTile

STEPS = (1e-6, 1e3)
_BISECTIONS = 40
# Logarithm by which the next step must differ for the few to be fitted once more, and at most how often they are.
_NEAR, _ROUNDS = 0.04, 2
_MOST_BEND = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What all tiles together should come to.

    Attributes:
        is_size: whether bytes are counted; if not, squared errors are.
        value: number of bytes, or sum of squared errors, of all tiles.
        fixed: number of bytes of each tile that do not depend on the step, or 0.
    """

    is_size: bool
    value: float
    fixed: float = 0.0

    def foreseen(self, counts: DoubleArray, step: float) -> float:
        """What some coefficients come to, up to a factor."""
        return foreseen_bits(counts, step) / 8.0 if self.is_size else foreseen_squares(counts, step)

    def of(self, fits: list[FittedTile]) -> float:
        """What some fits came to, without what is fixed."""
        versions = [each.versions[each.own] for each in fits]
        found = sum(len(each.packed) if self.is_size else each.squares for each in versions)
        return max(found - self.fixed * len(fits), 1e-12)


def pilot_step(
    goal: Goal, surveys: dict[int, DoubleArray], pilots: list[int], fit: Callable[[float, int], FittedTile]
) -> float:
    """The step of the latents for all tiles.

    Args:
        goal: what all tiles together should come to.
        surveys: sizes of the coefficients of every tile, by its number.
        pilots: numbers of the tiles that are fitted.
        fit: fits a tile, given by its number, with a step.
    """
    whole: DoubleArray = np.sum(list(surveys.values()), axis=0)
    part: DoubleArray = np.sum([surveys[number] for number in pilots], axis=0)
    wanted = max(goal.value - goal.fixed * len(surveys), goal.value / 8.0)

    def step_of(factor: Callable[[float], float]) -> float:
        low, high = map(log, STEPS)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2.0
            found = factor(exp(middle)) * goal.foreseen(whole, exp(middle))
            is_too_coarse = found < wanted if goal.is_size else found > wanted
            low, high = (low, middle) if is_too_coarse else (middle, high)
        return exp((low + high) / 2.0)

    step, known = step_of(lambda _: 1.0), []
    for _ in range(_ROUNDS):
        fits = [fit(step, number) for number in pilots]
        known.append((log(step), log(goal.of(fits) / max(goal.foreseen(part, step), 1e-12))))
        at, factor = known[-1]
        bend = 0.0
        if len(known) > 1:
            bend = max(-_MOST_BEND, min(_MOST_BEND, (factor - known[0][1]) / (at - known[0][0])))
        following = step_of(partial(_factor, at=at, factor=factor, bend=bend))
        if abs(log(following / step)) < _NEAR:
            return step  # whose fits are there already
        step = following
    return step


def _factor(step: float, *, at: float, factor: float, bend: float) -> float:
    """Between survey and fit, at a step."""
    return exp(factor + bend * (log(step) - at))
