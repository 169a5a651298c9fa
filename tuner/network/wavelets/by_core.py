"""A wavelet network on any grid, at points, and its derivatives, by the core: the same bits on every machine.

Within 2e-5 of the greatest value of what numpy in single precision gives, derivatives of theirs.
"""

from collections.abc import Sequence

from tuner.core.evaluation import Evaluation, evaluation_memory
from tuner.core.host import Layout
from tuner.core.synthesis import Network
from tuner.errors import LimitExceeded
from tuner.network.wavelets.fields import even_coordinates
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray

# Beyond this numpy's tiles, in which no more is held at once, serve better.
_MOST_MEMORY = 1 << 30


def values_on_grid(parameters: WaveletParameters, axes: Sequence[FloatArray]) -> FloatArray | None:
    """Values on the product of some axes, or None if the network is beyond what the core takes.

    Args:
        parameters: numbers of the network.
        axes: coordinates along each dimension, float (N_d,), ascending.
    """
    try:
        core = _evaluation(parameters)
        return None if core is None else core.on_grid([even_coordinates(axis) for axis in axes])
    except LimitExceeded:  # addresses can be fewer than that
        return None


def values_at(parameters: WaveletParameters, coords_PD: FloatArray) -> FloatArray | None:
    """Values at any points, float32 (P, C), or None as above."""
    try:
        core = _evaluation(parameters)
        return None if core is None else core.at(coords_PD)
    except LimitExceeded:
        return None


def gradients_at(parameters: WaveletParameters, coords_PD: FloatArray) -> FloatArray | None:
    """Exact derivatives at any points, float32 (P, C, D), or None as above."""
    try:
        core = _evaluation(parameters)
        return None if core is None else core.gradients(coords_PD)
    except LimitExceeded:
        return None


def _evaluation(parameters: WaveletParameters) -> Evaluation | None:
    network = Network(
        period=parameters.period,
        frequencies=parameters.frequencies,
        factors=parameters.gains,
        tensors=parameters.tensors(),
    )
    layout = Layout(parameters.grid_shape, parameters.layout.colours, parameters.layout.scales)
    if not (layout.fits and network.fits) or evaluation_memory(network, layout) > _MOST_MEMORY:
        return None
    return Evaluation(network, layout, parameters.latents)
