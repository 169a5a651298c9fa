"""A network of sines evaluated by the core: the same bits on every machine, and what the core does not take by numpy.

Within 2e-5 of the greatest value of what numpy in single precision gives, derivatives of theirs. The numpy module takes
0.5 to 1 times as long on one thread, and is what fits use while they compare values with each other.
"""

from collections.abc import Sequence

from tuner.core.evaluation import Evaluation, SineNetwork, evaluation_memory
from tuner.errors import LimitExceeded
from tuner.network.sines import synthesis as in_numpy
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import gradients_on_grid, products_per_sample
from tuner.shapes import FloatArray

__all__ = ["gradients_at", "gradients_on_grid", "products_per_sample", "values_at", "values_on_grid"]

# Copies of the weights, each in four lanes.
_MOST_MEMORY = 1 << 30


def values_at(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C), not limited to any range."""
    try:
        core = _evaluation(parameters)
        return in_numpy.values_at(parameters, coords_PD) if core is None else core.at(coords_PD)
    except LimitExceeded:  # addresses can be fewer than that
        return in_numpy.values_at(parameters, coords_PD)


def gradients_at(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    """Exact derivatives at any points, float32 (P, C, D), per unit of the coordinate."""
    try:
        core = _evaluation(parameters)
        return in_numpy.gradients_at(parameters, coords_PD) if core is None else core.gradients(coords_PD)
    except LimitExceeded:
        return in_numpy.gradients_at(parameters, coords_PD)


def values_on_grid(parameters: SineParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values on the product of the given axes, float32 (*shape, C), not limited to any range."""
    try:
        core = _evaluation(parameters)
        return in_numpy.values_on_grid(parameters, axes) if core is None else core.on_grid(axes)
    except LimitExceeded:
        return in_numpy.values_on_grid(parameters, axes)


def _evaluation(parameters: SineParameters) -> Evaluation | None:
    network = SineNetwork(
        period=parameters.period,
        frequencies=parameters.frequencies,
        phases=parameters.phases,
        tensors=[
            *(array for layer in parameters.hidden for array in (layer.weight, layer.bias)),
            parameters.readout_weight,
            parameters.readout_bias,
        ],
    )
    return Evaluation(network) if network.fits and 20 * evaluation_memory(network, None) <= _MOST_MEMORY else None
