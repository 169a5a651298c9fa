"""Lambda: how much squared error a bit is worth, moved until the fit lands on the size or quality that was asked for.

Size and quality are estimates while a fit runs. The bits of the latents come from tables that are simpler than those of
the file (`tuner.fit.wavelets.rate`), those of the weights and the header are guessed, and until its last phase a fit
sees weights before they are rounded. So the estimates are compared with the real numbers now and then, and what was
missing is added from there on.
"""

from math import exp, log10

from tuner.fit.wavelets.config import WaveletConfig

# Lambda in squares of the step of the latents; 0.09 to 0.11 in video coders, and a third of it for three channels.
_OF_STEP_SQUARED = 0.11
# How far lambda moves over a whole fit, in logarithms, while the rate is far from what was asked for; and how far, as a
# share of it, that is. With a whole as far, fits of thirty steps ended 7 % too large, and trimming cost up to 0.9 dB.
_GAIN = 20.0
_LARGEST_MOVE = 0.1
_FAR = 1.0 / 3.0
# As far from a quality, in dB, as a rate that is twice what was asked for is from a rate.
_WHOLE_EXCESS_DB = 1.0
# What a fit gains in quality from its beginning to its end, at one lambda, because its steps become shorter; and one of
# few values, whose fits are short, gains nothing (docs/decisions/0045-many-small-fits.md).
_STILL_TO_COME_DB, _FEW_VALUES = 1.5, 3 << 14
# By how much the logarithm of the bits of the latents grows for a decibel.
_BITS_OF_DB = 0.12
# Until which share of the fit lambda moves: later there is no time left to settle.
_LAST_CORRECTION = 0.92
_LEAST_LATENT_SHARE = 0.25
_LEAST_MSE = 1e-15  # a constant signal has no error at all
_BITS_PER_WEIGHT = 6.5
_HEADER_BITS = 8.0 * 220.0


def trade_of_step(step: float, channels: int) -> float:
    """Lambda, in mean squared error per bit and sample, that suits latents of a step.

    Args:
        step: quantisation step of the latents.
        channels: number of channels of a sample.
    """
    return _OF_STEP_SQUARED * step**2 / channels


class Trade:
    """Lambda, and what moves it.

    Args:
        config: settings of the fit, with the size or quality that is asked for.
        points: number of points of the signal.
        weights: number of weights that are not latents.
        channels: number of channels of a sample.

    Attributes:
        value: lambda, mean squared error per bit and sample, > 0; set it before the first step.
        other_bits: bits of the file beside those that the rate counts for the latents.
        quality_offset_db: gain in dB of rounding as in the file over what a pass of the fit sees.
        share: share of the fit that was done when lambda last moved, in [0, 1].
    """

    def __init__(self, config: WaveletConfig, points: int, weights: int, channels: int) -> None:
        self._wanted_bits = None if config.bits_per_sample is None else config.bits_per_sample * points
        self._wanted_db = config.psnr_db
        self._still_to_come_db = 0.0 if points * channels <= _FEW_VALUES else _STILL_TO_COME_DB
        self.value = 1.0
        self.other_bits = _HEADER_BITS + _BITS_PER_WEIGHT * weights
        self.quality_offset_db = 0.0
        self.share = 0.0

    @property
    def latent_budget(self) -> float:
        """Bits that the latents may take, if a size is asked for."""
        assert self._wanted_bits is not None  # noqa: S101  asked for sizes only
        return max(self._wanted_bits - self.other_bits, _LEAST_LATENT_SHARE * self._wanted_bits)

    def follow(self, latent_bits: float, mse: float, share: float) -> None:
        """Move towards what is asked for.

        Args:
            latent_bits: estimated bits of all latents.
            mse: mean squared error of the last pass.
            share: share of the fit that is done, in [0, 1].
        """
        if self._wanted_db is None:
            excess = latent_bits / self.latent_budget - 1.0
        else:
            expected_db = self._written_db(mse) + self._still_to_come_db * (1.0 - share)
            excess = (expected_db - self._wanted_db) / _WHOLE_EXCESS_DB
        if share < _LAST_CORRECTION:
            # A fit that goes on, with more steps than it had, is at a smaller share of them than before.
            move = max(0.0, min(_GAIN * (share - self.share), _LARGEST_MOVE))
            self.value *= exp(move * max(-1.0, min(1.0, excess / _FAR)))
        self.share = share

    def foreseen_bits(self, latent_bits: float, mse: float) -> float:
        """Bits that the file would take with the quality that is asked for, by what a pass early in the fit shows.

        Args:
            latent_bits: estimated bits of all latents.
            mse: mean squared error of that pass.
        """
        assert self._wanted_db is not None  # noqa: S101  asked for qualities only
        return self.other_bits + latent_bits * exp(_BITS_OF_DB * (self._wanted_db - self._written_db(mse)))

    def _written_db(self, mse: float) -> float:
        return -10.0 * log10(max(mse, _LEAST_MSE)) + self.quality_offset_db

    def numbers(self) -> list[float]:
        """Everything that later moves depend on."""
        return [self.value, self.other_bits, self.quality_offset_db, self.share]

    def restore(self, numbers: list[float]) -> None:
        """Continue from `numbers`."""
        self.value, self.other_bits, self.quality_offset_db, self.share = numbers
