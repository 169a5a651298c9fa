"""A network of wavelets as a file will hold it: weights in whole quantisation steps, integer latents, and its error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.parameters import WaveletParameters, wavelet_parameters

# The size in bits of the file of a network whose tensors have these quantisation steps.
FileBits = Callable[[WaveletParameters, tuple[float, ...]], int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RoundedNetwork:
    """What a file will hold.

    Attributes:
        parameters: weights and latents; every weight is a multiple of its tensor's step already.
        step_sizes: quantisation step of each tensor, in the order of the file.
        mse: mean squared error over all channels of the whole grid, nothing clipped.
    """

    parameters: WaveletParameters
    step_sizes: tuple[float, ...]
    mse: float

    @property
    def psnr_db(self) -> float:
        """The quality in dB that the mean squared error stands for."""
        return mse_to_psnr_db(self.mse)


def as_parameters(
    config: WaveletConfig, passes: GridPasses, weights: Weights, latents: Sequence[Tensor]
) -> WaveletParameters:
    """Weights and latents of a fit as arrays, with what else makes up the network.

    Args:
        config: settings of the fit.
        passes: passes of the fit, which know the frequencies and the gains of the inputs.
        weights: weights of the network, rounded or not.
        latents: whole numbers, one tensor per level, (subbands, *nodes).
    """
    return wavelet_parameters(
        layout=passes.layout,
        period=config.period,
        seed=config.seed,
        reach=config.reach,
        frequencies=passes.frequencies,
        latents=tuple(codes.numpy().astype(np.int32) for codes in latents),
        tensors=weights.arrays(),
        exponents=tuple(passes.gains.log2().int().tolist()),
    )
