"""What a signal in tiles will reach, weigh and take, before it is fitted: that of one tile, for each. No arrays."""

from dataclasses import replace
from math import prod

from tuner.network.tiles.cut import TileCut
from tuner.targets.ask import TilesAsk
from tuner.targets.foreseen import Foreseen, below_bytes
from tuner.targets.sines.forecast import Forecast
from tuner.targets.tiles.choice import PILOT_ROUNDS, largest_tile, pilots_of, tile_cut
from tuner.targets.wavelets.forecast import LEAST_BYTES, foresee_wavelets, work_per_step

# In steps: a tile is looked at once, and its network is rounded in several ways and decoded again.
_SURVEY_STEPS, _FILE_STEPS = 1.0, 3.0


def foresee_tiles(ask: TilesAsk, forecast: Forecast, speed: float) -> Foreseen:
    """Size, quality and work of the fits of all tiles.

    Args:
        ask: request to foresee.
        forecast: what is known of the whole signal.
        speed: the work that the machine which will run the fits does in a second.
    """
    cut = tile_cut(forecast.grid_shape, ask.side)
    shape, fits = largest_tile(cut), _fits(cut)
    config = ask.config
    if config.max_seconds is not None:
        config = replace(config, max_seconds=config.max_seconds / fits)
    one = foresee_wavelets(config, replace(forecast, samples=prod(shape)), speed)
    size = one.bytes * forecast.samples // prod(shape)
    unforeseen = one.unforeseen
    if ask.target is not None and ask.target.kind.is_size and size < (least := LEAST_BYTES * cut.tiles):
        unforeseen = below_bytes(size, least)
    per_step = work_per_step(config, shape, forecast.channels)
    return Foreseen(
        weights=one.weights * cut.tiles,
        bytes=size,
        psnr_db=one.psnr_db,
        steps=one.steps * fits,
        work=per_step * (fits * (one.steps + _FILE_STEPS) + cut.tiles * _SURVEY_STEPS),
        unforeseen=unforeseen,
    )


def least_tiles_work(ask: TilesAsk, grid_shape: tuple[int, ...], channels: int) -> float:
    """Work of one step of each fit, and of the file, in seconds of the machine that was measured.

    Args:
        ask: request to answer.
        grid_shape: number of samples of the signal along each axis.
        channels: number of values of a sample.
    """
    cut = tile_cut(grid_shape, ask.side)
    per_step = work_per_step(ask.config, largest_tile(cut), channels)
    return per_step * (_fits(cut) * (1.0 + _FILE_STEPS) + cut.tiles * _SURVEY_STEPS)


def _fits(cut: TileCut) -> int:
    """Number of fits, those of the pilots included."""
    return cut.tiles + PILOT_ROUNDS * len(pilots_of(cut))
