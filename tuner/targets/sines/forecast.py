"""What a fit will reach, weigh and take, before it is made: plain arithmetic, no arrays, no torch.

Four rules, fitted to 195 networks of 250 to 25,000 weights on pictures of 7,000 to 36,000 samples (the Kodak set
reduced or cropped, textures, drawings, noise with a falling spectrum: none that benchmarks/estimate.py judges by):

    quality   1.6 dB + 0.912 times the PSNR of the best approximation with 0.3 coefficients per weight, after 45 steps;
              and 9 dB times (weights / values)^2.5, because a network of so many weights begins to hold every value
    steps     0.95 dB (1 - (45 / steps)^0.7) on top
    rate      0.68 + 0.168 PSNR - 0.33 log2(weights / samples) - 0.515 log2(loss / 0.3 dB) bits per weight
    work      of a step: 6 ms, each sample 150 ns, 25 ns per neuron and 60 ps per neuron squared, 90 ns per frequency
              squared and 20 ps per frequency cubed
    rounding  of a file: 0.11 s, 15 us per weight, 10 ns per neuron and sample

Work is counted in seconds of the processor core that this was measured on; what a machine does in a second is its
speed.
"""

from dataclasses import dataclass
from math import log2

from tuner.network.sines.config import NetworkConfig
from tuner.targets.sines.sizes import LEAST_NEURONS, MOST_NEURONS, sized, solve_rising, weight_count

DESIGN_LOSS_DB = 0.4  # of a file that is asked for by target: there a dB costs as much in rounding as in weights
COARSEST_LOSS_DB = 10.0  # of a file that is tried
FILE_OVERHEAD_BYTES = 60
LEAST_BITS_PER_WEIGHT = 2.0

# Of a photograph: for signals whose own numbers are not known.
TYPICAL_COMPACTION_DB = (44.0, 36.5, 31.1, 27.3, 24.3, 21.8, 19.6, 17.3, 15.3, 13.7, 12.6, 12.0, 11.6, 11.3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What can be said about fits of one signal.

    Attributes:
        samples: the number of points of the grid (P).
        channels: the number of values per sample.
        compaction_db: the PSNR of the best approximations with ever fewer coefficients, from `tuner.signal.compaction`.
        dimensions: the number of axes of the grid.
    """

    samples: int
    channels: int
    compaction_db: tuple[float, ...] = TYPICAL_COMPACTION_DB
    dimensions: int = 2

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """A grid of about as many samples, with equal sides."""
        return (max(1, round(self.samples ** (1.0 / self.dimensions))),) * self.dimensions

    def psnr_db(self, weights: float, steps: int) -> float:
        """PSNR of the unrounded network after so many steps."""
        gain_db: float = 0.95 * (1.0 - (45.0 / steps) ** 0.7)
        dense_db: float = 9.0 * min(1.2, weights / (self.samples * self.channels)) ** 2.5
        return 1.6 + 0.912 * self.compacted_db(0.3 * weights) + dense_db + gain_db

    def file_bytes(self, weights: float, psnr_db: float, loss_db: float) -> float:
        """Size of the file that loses so much."""
        density = log2(max(weights, 1.0) / self.samples)
        bits = 0.68 + 0.168 * psnr_db - 0.33 * density - 0.515 * log2(loss_db / 0.3)
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

    def smallest_file_bytes(self) -> float:
        """Size of the file of the smallest network, rounded as coarsely as can be."""
        return self.file_bytes(self.weight_range()[0], 20.0, COARSEST_LOSS_DB)

    def work_per_step(self, network: NetworkConfig) -> float:
        """Work of one step of the natural gradient."""
        neurons, frequencies = max(network.hidden), network.frequencies
        layers = len(network.hidden)
        per_sample = 1.5e-7 + layers * (2.5e-8 * neurons + 6e-11 * neurons**2)
        return 6e-3 + self.samples / network.windows * per_sample + 9e-8 * frequencies**2 + 2e-11 * frequencies**3

    def work_per_file(self, network: NetworkConfig) -> float:
        """Work of rounding the weights, once, to lose no more than is allowed."""
        return 0.11 + 1.5e-5 * weight_count(network, self.channels) + 1e-8 * self.samples * max(network.hidden)

    def compacted_db(self, coefficients: float) -> float:
        """PSNR of the best approximation with so many coefficients."""
        curve = self.compaction_db
        halvings = max(0.0, log2(self.samples / max(coefficients, 1e-9)))
        first = min(int(halvings), len(curve) - 2)
        share = min(halvings - first, 1.0)
        return curve[first] + share * (curve[first + 1] - curve[first])
