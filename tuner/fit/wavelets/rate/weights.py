"""Which weights the coder will have learned: least squares for magnitudes and signs, on the latents as they are."""

from math import log

import torch
from torch import Tensor

# As the coder weighs nodes when it learns: one over this and the sum of the squares of what it sees.
CALM, GUESS_CALM = 4.0, 8.0
# What weights are held to zero by, in nodes.
RIDGE, GUESS_RIDGE = 0.5, 2.0
LARGEST_GUESSED = 3.0
SLOPE_STEPS = 4
LARGEST_SLOPE = 4.0
STEEP = 4.0


def solved(rows: Tensor, target: Tensor, calm: float, ridge: float) -> Tensor:
    """Weights of some inputs, (inputs, nodes), by least squares in which nodes that see much count less."""
    weighted = rows / (rows.square().sum(0) + calm)
    gram = (weighted @ rows.T).double()
    gram.diagonal().add_(ridge)
    solved: Tensor = torch.linalg.solve(gram, (weighted @ target).double()).float()
    return solved


def made_coarse(sums: Tensor) -> tuple[Tensor, Tensor] | None:
    """Leave sums as they are below 4, four units for every doubling from there on: about the classes of the coder.

    Returns:
        Where they were not below, and what the slope there has beyond 1; None if there are none.
    """
    if not len(sums) or float(sums.max()) < STEEP:
        return None
    there = (sums >= STEEP).nonzero()[:, 0]
    large = sums.index_select(0, there)
    sums.index_copy_(0, there, STEEP * large.log2() - STEEP)
    return there, (STEEP / log(2.0)) / large - 1.0


def sign_slope(agreement: Tensor) -> float:
    """How many times a guess its logit is, by the likelihood of signs: Newton's method, with a prior of doubt."""
    slope, agreement = 0.5, agreement.double()
    for _ in range(SLOPE_STEPS):
        miss = torch.sigmoid(-slope * agreement)
        rise = float((agreement * miss).sum()) - slope
        bend = float((agreement.square() * miss * (1.0 - miss)).sum()) + 1.0
        slope = min(max(slope + rise / bend, 0.0), LARGEST_SLOPE)
    return slope
