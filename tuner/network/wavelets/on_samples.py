"""A wavelet network on the samples of its own signal, by the core: what is asked for most."""

from tuner.core.host import Layout
from tuner.core.synthesis import Network, values, values_memory
from tuner.errors import LimitExceeded
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray

# Beyond this numpy's tiles, which take hardly more than the integers that there are already, serve better.
_MOST_MEMORY = 1 << 30


def values_on_samples(parameters: WaveletParameters, every: int = 1) -> FloatArray | None:
    """Values on samples, float32 (*grid_shape, C), or None if the network is beyond what the core takes.

    Args:
        parameters: numbers of the network.
        every: number of samples along each axis of which one has a value, the one after their middle; 1 for all.
    """
    network = Network(
        period=parameters.period,
        frequencies=parameters.frequencies,
        factors=parameters.gains,
        tensors=parameters.tensors(),
    )
    layout = Layout(parameters.grid_shape, parameters.layout.colours, parameters.layout.scales)
    if not (layout.fits and network.fits) or values_memory(layout, network) > _MOST_MEMORY:
        return None
    try:
        return values(parameters.latents, layout, network, every=every)
    except LimitExceeded:  # addresses can be fewer than that
        return None
