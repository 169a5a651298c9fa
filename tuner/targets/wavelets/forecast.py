"""What a network with wavelets will reach, weigh and take, before it is fitted: plain arithmetic, no arrays, no torch.

The file's latents are coefficients of a kind: with so many bits for each that is not zero, the quality is that of the
signal's best approximation with as many coefficients (`tuner.signal.compaction`), and some more. Work is counted as in
`tuner.targets.sines.forecast`.
"""

from math import prod

from tuner.decibels import PSNR_CEILING_DB
from tuner.fit.wavelets.config import WaveletConfig
from tuner.targets.foreseen import Foreseen, below_bytes, beyond_db
from tuner.targets.sines.forecast import Forecast
from tuner.targets.sines.sizes import solve_rising

_BITS_PER_WEIGHT = 6.5
_OTHER_BYTES = 300.0
# Fitted to sixty fits of photographs, between 21 and 45 dB: off by 0.45 dB, as a root mean square.
_BITS_PER_COEFFICIENT, _OFFSET_DB, _SLOPE = 4.5, 0.40, 0.988
# Beyond so many decibels, by the number of axes, the best approximation promises more than wavelets keep: a sound's
# tones are simpler to a cosine transform, a clean volume's few coefficients need more bits each. From 84 fits of seven
# sounds, volumes, clips and distance fields between 25 and 60 dB: off by 2.5 dB, as a root mean square.
_BENDS_DB, _BENT_SLOPE, _MOST_DB = {1: 25.0, 2: 45.0, 3: 40.0}, 0.67, 58.0
# Of a finer quantisation of all values: half the step, twice as near. Pictures in colour between 44 and 58 dB came
# within 3 dB of it.
_DB_PER_BIT = 6.02
# Of a network that learns nothing: no layers to hold, and more bits for a coefficient.
_EXACT_BYTES, _EXACT_BITS_PER_COEFFICIENT = 120.0, 6.0
_STEPS_DB = 0.15
_LONG_FIT = 60.0
_LANDING_STEPS = 20.0  # that the files take which are tried
# Below so many bytes, or above so many decibels, both networks are made, the second by files alone.
_BOTH_BYTES, BOTH_DB = 2500, 48.0
LEAST_BYTES = 100  # of most files, whatever they hold
# For a quality, a signal of so few values begins with the network that learns nothing, which takes a tenth of the time;
# where its file has so few bytes, layers cannot pay for themselves and nothing else is made, unless a fit is to take so
# many steps that every byte must matter to whoever asked (docs/decisions/0045-many-small-fits.md).
FEW_VALUES, ENOUGH_BYTES, _MANY_STEPS = 3 << 14, 1000, 100
# For a size, a signal of so few values has several networks that learn, for sizes that requests share.
_SHARING_VALUES = 1 << 17
# Of a network that learns nothing and its files, in steps of one that learns, by the number of axes; and of one for
# which there is no time, with its only file. Measured in the same run as the steps were: 3 to 7 for pictures of 64 x 64
# and 128 x 128 and for solids, 12 for 256 x 256, 32 for a sound, whose steps are short; without time 1 to 4.3, and 7.
_EXACT_WORK, _LEAST_EXACT_WORK = {1: 32.0, 2: 7.0, 3: 7.0}, {1: 7.0, 2: 4.5, 3: 4.5}
# Of a step, whatever its arithmetic: its calls, of which small signals need few. Measured at 32 to 384 pixels a side in
# colour, as shares of what steps of large pictures take.
_LEAST_CALLS, _CALLS_OF_VALUE, _MOST_CALLS = 3e-3, 1.07e-7, 2e-2


def foresee_wavelets(config: WaveletConfig, forecast: Forecast, speed: float) -> Foreseen:
    """Size, quality and work of a fit.

    Args:
        config: the settings of the fit.
        forecast: what is known of the signal.
        speed: the work that the machine which will run the fit does in a second.
    """
    per_step, steps = work_per_step(config, forecast.grid_shape, forecast.channels), config.steps
    if config.max_seconds is not None:
        steps = max(1, min(steps, round(config.max_seconds * speed / per_step)))
    unforeseen = None
    if config.bits_per_sample is not None:
        size = config.bits_per_sample * forecast.samples / 8.0
        psnr_db = _psnr_db(size, steps, config, forecast)
        if size < LEAST_BYTES:
            unforeseen = below_bytes(round(size), LEAST_BYTES)
    else:
        assert config.psnr_db is not None  # noqa: S101  one of them is there
        psnr_db = config.psnr_db
        most = 8.0 * forecast.samples * forecast.channels
        if psnr_db > (most_db := _psnr_db(most, steps, config, forecast)):
            unforeseen = beyond_db(psnr_db, most_db)
        size = solve_rising(lambda size: _psnr_db(size, steps, config, forecast), psnr_db, 1.0, most)
    is_shared = shares_sizes(config, forecast.samples * forecast.channels)
    networks = 2 if is_shared and config.learned else 1
    is_first_exact = begins_exact(config, forecast.samples * forecast.channels) and config.max_seconds is None
    makes_both = not is_first_exact and (is_shared or size < _BOTH_BYTES or psnr_db > BOTH_DB)
    work = networks * steps * per_step + per_step * _LANDING_STEPS * (networks + (2 if makes_both else 0))
    if is_first_exact:
        steps, work = (1, 0.0) if size <= ENOUGH_BYTES else (steps + 1, work)
        work += exact_work(config, forecast.grid_shape, forecast.channels)
    return Foreseen(
        weights=config.weight_count(forecast.grid_shape, forecast.channels),
        bytes=round(size),
        psnr_db=psnr_db,
        steps=networks * steps,
        work=work,
        unforeseen=unforeseen,
    )


def begins_exact(config: WaveletConfig, values: int) -> bool:
    """Whether a network that learns nothing is made first, since its file may be all that is wanted.

    Args:
        config: the settings of the fit.
        values: number of values of the signal, all channels together.
    """
    return config.learned and config.psnr_db is not None and values <= FEW_VALUES and config.steps < _MANY_STEPS


def shares_sizes(config: WaveletConfig, values: int) -> bool:
    """Whether requests for about the same size share their networks (`tuner.targets.wavelets.sharing`).

    Args:
        config: the settings of the fit.
        values: number of values of the signal, all channels together.
    """
    return config.bits_per_sample is not None and config.max_seconds is None and values <= _SHARING_VALUES


def exact_work(config: WaveletConfig, grid_shape: tuple[int, ...], channels: int) -> float:
    """Work of a network that learns nothing, from the signal to the last of its files."""
    return _EXACT_WORK[len(grid_shape)] * work_per_step(config, grid_shape, channels)


def least_exact_work(config: WaveletConfig, grid_shape: tuple[int, ...], channels: int) -> float:
    """Work of a network that learns nothing if its time is over when it begins: of the first file that can be made."""
    return _LEAST_EXACT_WORK[len(grid_shape)] * work_per_step(config, grid_shape, channels)


def _psnr_db(size: float, steps: int, config: WaveletConfig, forecast: Forecast) -> float:
    """Quality of a file of so many bytes: of the better of the two networks that are made."""
    fixed = _OTHER_BYTES + config.layer_weight_count(forecast.grid_shape, forecast.channels) * _BITS_PER_WEIGHT / 8.0
    short_db: float = _STEPS_DB * (1.0 - min(2.0, (_LONG_FIT / steps) ** 0.5))
    learned_db = min(_latents_db(max(size - fixed, size / 16.0), _BITS_PER_COEFFICIENT, forecast), _MOST_DB)
    exact_db = _latents_db(max(size - _EXACT_BYTES, size / 16.0), _EXACT_BITS_PER_COEFFICIENT, forecast)
    return _OFFSET_DB + _SLOPE * max(learned_db, exact_db) + short_db


def _latents_db(size: float, bits_per_coefficient: float, forecast: Forecast) -> float:
    """Quality of latents of so many bytes: of the best approximation with as many coefficients, and of finer ones."""
    bits = 8.0 * size
    approximated_db = _bent_db(forecast.compacted_db(bits / bits_per_coefficient), forecast)
    if forecast.channels == 1:  # the curve ends with all coefficients
        return approximated_db
    # Of several channels it ends with as many as there are samples. What a bit more of each value brings is known.
    more = max(0.0, bits - bits_per_coefficient * forecast.samples) / (forecast.samples * forecast.channels)
    return min(approximated_db + _DB_PER_BIT * more, _bent_db(PSNR_CEILING_DB, forecast))


def _bent_db(compacted_db: float, forecast: Forecast) -> float:
    """As much of the quality of an approximation as wavelets keep."""
    bend_db = _BENDS_DB[forecast.dimensions]
    return min(compacted_db, bend_db + _BENT_SLOPE * (compacted_db - bend_db))


def work_per_step(config: WaveletConfig, grid_shape: tuple[int, ...], channels: int) -> float:
    """Work of one step: of the latents, mostly, and of the neurons."""
    points = prod(grid_shape)
    calls = min(_MOST_CALLS, _LEAST_CALLS + _CALLS_OF_VALUE * points * channels)
    return calls + points * (1.7e-7 * channels + 2.1e-8 * sum(config.widths))
