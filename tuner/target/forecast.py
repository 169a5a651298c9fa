"""What a fit will reach, weigh and take, before it is made: plain arithmetic, no arrays, no torch.

Four rules, fitted to 66 networks of 250 to 8,000 weights on pictures of 7,000 to 17,000 samples (photographs, textures,
noise with a falling spectrum) and to the time of 21 more; benchmarks/estimate.py says how well they hold.

    quality   1.7 dB + 0.916 times the PSNR of the best approximation with 0.3 coefficients per weight, after 100 steps
    steps     2.3 dB (1 - (100 / steps)^0.35) on top
    rate      0.46 + 0.168 PSNR - 0.33 log2(weights / samples) - 0.515 log2(loss / 0.3 dB) bits per weight
    work      of a step: 6 ms, each sample 10 ns per neuron and 0.16 ns per neuron squared, 20 ps per frequency cubed

Work is counted in seconds of the processor core that this was measured on; what a machine does in a second is its
speed.
"""

from dataclasses import dataclass
from math import log2

from tuner.network.config import NetworkConfig
from tuner.target.sizes import LEAST_NEURONS, MOST_NEURONS, sized, solve_rising, weight_count

DESIGN_LOSS_DB = 0.4  # of a file that is asked for by target: there a dB costs as much in rounding as in weights
FILE_OVERHEAD_BYTES = 60
LEAST_BITS_PER_WEIGHT = 2.0

# Of a photograph: for signals whose own numbers are not known.
TYPICAL_COMPACTION_DB = (44.0, 36.5, 31.1, 27.3, 24.3, 21.8, 19.6, 17.3, 15.3, 13.7, 12.6, 12.0, 11.6, 11.3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What can be said about fits of one signal.

    Attributes:
        samples: grid points P.
        channels: values per sample.
        compaction_db: from `tuner.signal.compaction`.
    """

    samples: int
    channels: int
    compaction_db: tuple[float, ...] = TYPICAL_COMPACTION_DB

    def psnr_db(self, weights: float, steps: int) -> float:
        """Quality of the unrounded network after so many steps."""
        gain_db: float = 2.3 * (1.0 - (100.0 / steps) ** 0.35)
        return 1.7 + 0.916 * self._compacted_db(0.3 * weights) + gain_db

    def file_bytes(self, weights: float, psnr_db: float, loss_db: float) -> float:
        """Size of the file that loses so much."""
        density = log2(max(weights, 1.0) / self.samples)
        bits = 0.46 + 0.168 * psnr_db - 0.33 * density - 0.515 * log2(loss_db / 0.3)
        return FILE_OVERHEAD_BYTES + weights * max(bits, LEAST_BITS_PER_WEIGHT) / 8.0

    def weights_for_psnr(self, psnr_db: float, steps: int) -> float:
        """Weights whose unrounded network is so good after so many steps."""
        return solve_rising(lambda weights: self.psnr_db(weights, steps), psnr_db, *self.weight_range())

    def weights_for_bytes(self, size: float, steps: int) -> float:
        """Weights whose file has that size at the loss that suits best."""
        return solve_rising(
            lambda weights: self.file_bytes(weights, self.psnr_db(weights, steps), DESIGN_LOSS_DB),
            size,
            *self.weight_range(),
        )

    def weights_for_work(self, work: float, steps: int) -> float:
        """Weights of the largest network for which so many steps are no more than that work."""
        template = NetworkConfig(frequencies=1)
        return solve_rising(
            lambda weights: steps * self.work_per_step(sized(template, weights)), work, *self.weight_range()
        )

    def weight_range(self) -> tuple[float, float]:
        """The fewest and the most weights that make sense: never more than there are numbers in the signal."""
        template = NetworkConfig(frequencies=1)
        least = weight_count(sized(template, 8.0 * LEAST_NEURONS**2), self.channels)
        most = weight_count(sized(template, 2048.0 * MOST_NEURONS), self.channels)
        return float(least), float(max(least + 1, min(most, self.samples * self.channels)))

    def work_per_step(self, network: NetworkConfig) -> float:
        """Work of one step of the natural gradient."""
        neurons, frequencies = max(network.hidden), network.frequencies
        layers = len(network.hidden)
        per_sample = layers * (1e-8 * neurons + 1.6e-10 * neurons**2)
        return 6e-3 + self.samples / network.windows * per_sample + 2e-11 * frequencies**3

    def _compacted_db(self, coefficients: float) -> float:
        curve = self.compaction_db
        halvings = max(0.0, log2(self.samples / max(coefficients, 1e-9)))
        first = min(int(halvings), len(curve) - 2)
        share = min(halvings - first, 1.0)
        return curve[first] + share * (curve[first + 1] - curve[first])
