"""The expansion of a hidden neuron as the paper writes it: one term after the other, with SciPy's Bessel functions."""

from itertools import product
from math import factorial, pi, sin

from scipy.special import jv


def neuron_by_terms(
    x: list[float],
    weights: list[float],
    bias: float,
    phases: list[float],
    frequencies: list[list[int]],
    period: float,
    max_order: int,
) -> float:
    """Sum alpha_k sin(<beta_k, x> + lambda_k) over all k with |k_j| <= max_order (Theorem 1)."""
    total = 0.0
    for orders in product(range(-max_order, max_order + 1), repeat=len(weights)):
        amplitude, angle = 1.0, bias
        for order, weight, phase, frequency in zip(orders, weights, phases, frequencies, strict=True):
            amplitude *= float(jv(order, weight))
            omega_x = sum(2 * pi / period * k * xi for k, xi in zip(frequency, x, strict=True))
            angle += order * (omega_x + phase)
        total += amplitude * sin(angle)
    return total


def bound_by_terms(orders: list[int], bounds: list[float]) -> float:
    """The bound of Theorem 2 for one k."""
    total = 1.0
    for order, bound in zip(orders, bounds, strict=True):
        total *= (abs(bound) / 2) ** abs(order) / factorial(abs(order))
    return total
