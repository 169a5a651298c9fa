"""A network of wavelets that learns nothing: a sum of fields, whose latents are the coefficients of the samples.

It has no sines to speak of, all their weights being zero, so that integers of any size are exact in it, and files that
are too small for the layers of a network that learns do without them (docs/decisions/0025-large-integers-of-wavelets.md
has when it is the better one). One number is to be found, the quantisation step of its latents.
"""

from math import exp, inf, log

import torch
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.fit.deadline import Deadline
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rounded import FileBits, RoundedNetwork, as_parameters
from tuner.fit.wavelets.start import LARGEST_STEP, SMALLEST_STEP, in_steps
from tuner.fit.wavelets.step_sizes import curvatures_without_sines, steps_of_curvatures
from tuner.fit.wavelets.trade import trade_of_step
from tuner.fit.wavelets.weights import Weights

# How often the samples less what their coefficients give are analysed again.
_REFINEMENTS = 8
# Steps of the latents are powers of this number, whatever is asked for: requests that differ by little choose among the
# same files, and none is worse for being allowed more bytes.
STEP_RATIO = exp(1.0 / 256.0)
# How often a step is tried, how near its logarithm must come, how far it goes at once, and how much of it the logarithm
# of the size is.
_TRIES, _NEAR_ENOUGH, _LARGEST_EXCESS, _SIZE_SLOPE = 10, 0.01, 3.0, 0.8
# The weights are rounded before the latents are made. Files hold 2^29; in float32 sums of values so large still tell
# neighbouring integers apart, with four bits to spare.
_LARGEST_CODE = 2.0**20
# Number of the tensor that makes channels of the fields.
_SKIP = -3


class ExactNetwork:
    """Networks that learn nothing of one signal, one for every step of the latents.

    Args:
        config: size or quality to aim for.
        passes: signal, ready for passes over it; they show other fields afterwards.
        like: weights of the shapes of the network.
        colours: combinations of channels that the subbands are of, one a column, (C, K).
        file_bits: returns the size in bits of the file that a network makes; None if nobody can tell.
        deadline: moment after which coefficients are not refined, and the first step is taken as it is; None for none.
    """

    def __init__(
        self,
        config: WaveletConfig,
        passes: GridPasses,
        like: Weights,
        colours: Tensor,
        file_bits: FileBits | None,
        deadline: Deadline | None = None,
    ) -> None:
        self._config, self._passes, self._like, self._colours = config, passes, like, colours
        self._file_bits, self._deadline = file_bits, deadline or Deadline(None)
        self._coefficients = self._analyse()
        self._largest = max(float(_mixed(colours.T, each).abs().max()) for each in self._coefficients)
        self._passes.show_fields([_mixed(colours.T, each) for each in self._coefficients])
        self._curvatures = curvatures_without_sines(passes, len(like.tensors()))  # with latents in steps of 1

    def best_step(self, first: float) -> float:
        """The step of the latents whose file has the size, or whose values have the quality, that is wanted.

        Estimates of bits know little of integers so large; the file itself tells.

        Args:
            first: step to begin from.
        """
        low, high, shift, slope = log(SMALLEST_STEP), log(LARGEST_STEP), log(first), 1.0
        before: tuple[float, float] | None = None
        best = (inf, shift)
        for _ in range(_TRIES):
            if self._deadline.is_over:
                break
            excess = self._excess(exp(shift))
            best = min(best, (abs(excess), shift))
            if abs(excess) < _NEAR_ENOUGH:
                break
            low, high = (shift, high) if excess > 0.0 else (low, shift)
            if before is not None and (before[1] - excess) * (shift - before[0]) > 0.0:
                slope = (before[1] - excess) / (shift - before[0])
            before = (shift, excess)
            following = shift + excess / slope
            shift = following if low < following < high else (low + high) / 2.0
        return exp(best[1])

    def rounded(self, step: float) -> RoundedNetwork:
        """The network whose latents have a step.

        Args:
            step: step of the latents, of which the nearest power of `STEP_RATIO` is taken.
        """
        step_sizes, weights, found = self.parts(step)
        mse = self._mse(weights, found)
        parameters = as_parameters(self._config, self._passes, weights, found)
        return RoundedNetwork(parameters=parameters, step_sizes=step_sizes, mse=mse)

    def parts(self, step: float) -> tuple[tuple[float, ...], Weights, list[Tensor]]:
        """Step sizes and weights as a file will hold them, and the latents of those very weights.

        Args:
            step: step of the latents, of which the nearest power of `STEP_RATIO` is taken.
        """
        step = STEP_RATIO ** round(log(step) / log(STEP_RATIO))
        # A finer step would need larger integers than there are.
        step = max(step, 1.01 * self._largest / _LARGEST_CODE)
        step = min(step, 4.0 * max(self._largest, SMALLEST_STEP))  # all is zero then; no step beyond 2^32 is held
        passes, weights = self._passes, self._with_colours(step * self._colours)
        trade = trade_of_step(step, passes.channels) / passes.points
        largest = [float(tensor.abs().max()) if tensor.numel() else 0.0 for tensor in weights.tensors()]
        curvatures = list(self._curvatures)
        curvatures[_SKIP] /= step**2
        step_sizes = steps_of_curvatures(curvatures, largest, passes.channels, trade)
        weights = weights.rounded(step_sizes)
        unmixed = torch.linalg.pinv(weights.skip[:, : passes.layout.colours].double()).float()
        found = in_steps([_mixed(unmixed, each) for each in self._coefficients], 1.0, _LARGEST_CODE)
        return step_sizes, weights, found

    def _mse(self, weights: Weights, latents: list[Tensor]) -> float:
        self._passes.show_fields(latents)
        return self._passes.loss(weights)

    def _excess(self, step: float) -> float:
        """How much finer than is wanted such a step is, as a logarithm, about."""
        step_sizes, weights, found = self.parts(step)
        wanted, wanted_db = self._config.bits_per_sample, self._config.psnr_db
        if wanted_db is not None:
            excess = (mse_to_psnr_db(self._mse(weights, found)) - wanted_db) * log(10.0) / 20.0
        elif self._file_bits is not None and wanted is not None:
            size = self._file_bits(as_parameters(self._config, self._passes, weights, found), step_sizes)
            excess = log(size / (wanted * self._passes.points)) / _SIZE_SLOPE
        else:
            excess = 0.0
        return max(-_LARGEST_EXCESS, min(_LARGEST_EXCESS, excess))

    def _analyse(self) -> list[Tensor]:
        """Coefficients of the samples; their analysis alone leaves a little of them, which is analysed again."""
        passes = self._passes
        weights = self._with_colours(torch.eye(passes.channels))
        found = passes.subbands.analyse(passes.targets_CP)
        for _ in range(_REFINEMENTS):
            if self._deadline.is_over:
                break
            passes.show_fields(found)
            found = [a + b for a, b in zip(found, passes.subbands.analyse(passes.missing(weights)), strict=True)]
        return found

    def _with_colours(self, colours: Tensor) -> Weights:
        """Weights of a sum of fields: zero, but for those that make channels of the colours of the fields."""
        weights = self._like.rounded((1.0,) * len(self._like.tensors()))
        for tensor in weights.tensors():
            tensor.zero_()
        weights.skip.copy_(colours.repeat(1, self._passes.layout.fields))
        return weights


def _mixed(matrix: Tensor, coefficients: Tensor) -> Tensor:
    """Coefficients whose colours a matrix makes of other colours."""
    return (matrix @ coefficients.reshape(len(matrix), -1)).view(coefficients.shape)
