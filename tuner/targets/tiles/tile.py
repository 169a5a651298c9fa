"""The fit of one tile, and the file of all of them: what one process does in turn, and many could do at once.

A tile depends on its samples and on the settings that all tiles have in common, on nothing else: the same call gives
the same bytes in whatever order tiles are fitted, wherever that is, and a tile that was lost is fitted again alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from tuner.codec.encode import encode
from tuner.codec.file.header import Header
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.chunk import PackedTiles, pack_tile
from tuner.errors import ConfigError
from tuner.fit.deadline import Deadline
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.fit import WaveletResult, fit_wavelets
from tuner.fit.wavelets.rounded import RoundedNetwork
from tuner.fit.wavelets.survey import survey
from tuner.fit.wavelets.trade import trade_of_step
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters
from tuner.representation import Representation
from tuner.shapes import DoubleArray, FloatArray
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal
from tuner.signal.signal import Signal
from tuner.targets.tiles.versions import Version

# With latents so large a network that learns nothing may be the better one, and with larger ones it is the only one.
_LARGE_CODE, _LARGEST_CODE = 300, 1990
# How far each version is from the size that the fit has; see `WaveletTrainer.rounded`. They span 17 % below it and 10 %
# above.
_SHIFTS = (0.3, 0.1, 0.0, -0.1, -0.3)


@dataclass(frozen=True, kw_only=True, slots=True)
class TileSettings:
    """What the fits of all tiles have in common.

    Attributes:
        grid: how the signal is cut.
        config: network, budget and seed of each fit, and the step of the latents, by which a bit is worth the same in
            every tile.

    Raises:
        ConfigError: if the configuration has no step of the latents.
    """

    grid: TileGrid
    config: WaveletConfig

    def __post_init__(self) -> None:
        if self.config.latent_step is None:
            raise ConfigError("the configuration aims for a size or a quality, expected a latent_step: tiles share one")


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedTile:
    """One tile, fitted.

    Attributes:
        versions: the tile in bytes, rounded in several ways.
        own: place among the versions of the one that is rounded as it was trained.
        steps: number of training steps that were taken.
        seconds: duration of these steps in seconds.
        is_stopped: whether the fit was stopped on request.
    """

    versions: tuple[Version, ...]
    own: int
    steps: int
    seconds: float
    is_stopped: bool = False


def survey_tile(signal: LargeSignal, settings: TileSettings, number: int) -> DoubleArray:
    """How large the coefficients of one tile are, which takes as long as a step of its fit.

    Args:
        signal: the whole signal, of which only the samples of the tile are read.
        settings: what all tiles have in common.
        number: number of the tile.
    """
    return survey(_tile(signal.values(settings.grid.region(number))), settings.config)


def fit_tile(
    signal: LargeSignal,
    settings: TileSettings,
    number: int,
    on_step: Callable[[Progress], Verdict] | None = None,
    deadline: Deadline | None = None,
) -> FittedTile:
    """Fit one tile of a signal, in the memory of a tile.

    Args:
        signal: the whole signal, of which only the samples of the tile are read.
        settings: what all tiles have in common.
        number: number of the tile.
        on_step: called after every step; may stop the fit.
        deadline: moment after which no step begins but the first; None for none.

    Raises:
        FitDiverged: if the error is not a number any more.
    """
    return fit_samples(signal.values(settings.grid.region(number)), settings, on_step, deadline)


def fit_samples(
    values: FloatArray,
    settings: TileSettings,
    on_step: Callable[[Progress], Verdict] | None = None,
    deadline: Deadline | None = None,
) -> FittedTile:
    """The same from the samples of the tile alone, float32 (*shape of the tile, C)."""
    tile, config = _tile(values), settings.config
    found = fit_wavelets(tile, config, on_step=on_step, deadline=deadline) if config.learned else None
    is_stopped = found is not None and found.outcome is FitOutcome.STOPPED
    if found is None or (not is_stopped and _largest(found) >= _LARGE_CODE):
        exact = fit_wavelets(tile, replace(config, learned=False, steps=1))
        if found is None or _largest(found) >= _LARGEST_CODE or _cost(exact, tile, config) < _cost(found, tile, config):
            found = exact
    return FittedTile(
        versions=() if is_stopped else tuple(_version(found.rounded(shift), tile) for shift in _SHIFTS),
        own=_SHIFTS.index(0.0),
        steps=found.steps,
        seconds=found.seconds,
        is_stopped=is_stopped,
    )


def join(
    signal: LargeSignal,
    settings: TileSettings,
    tiles: Sequence[bytes],
    report: Mapping[str, str | int | float] | None = None,
) -> bytes:
    """The file of all tiles.

    Args:
        signal: the whole signal, whose samples are not read.
        settings: what the fits of the tiles had in common.
        tiles: bytes of each tile, in the order of their numbers.
        report: words and numbers about the fit that go with the file.

    Raises:
        ConfigError: if there are not as many as tiles of the grid.
    """
    grid, config = settings.grid, settings.config
    if len(tiles) != grid.tiles:
        raise ConfigError(f"there are {len(tiles)} tiles, expected {grid.tiles}: fit those that are missing")
    header = Header(
        kind=signal.kind,
        sample_format=signal.sample_format,
        chunks=1,
        shape=signal.grid_shape,
        channels=signal.channels,
        period=float(np.float32(config.period)),
        frequencies=config.frequencies,
        widths=config.widths,
    )
    packed = PackedTiles(grid, header, tiles.__getitem__, DecodeLimits())
    parameters = TiledParameters(grid=grid, tiles=packed, channels=header.channels, period=header.period)
    return encode(
        Representation(
            parameters=parameters,
            grid_shape=signal.grid_shape,
            kind=signal.kind,
            sample_format=signal.sample_format,
            icc_profile=signal.icc_profile,
            scaling=signal.scaling,
            details=signal.details,
            report=dict(report or {}),
        )
    )


def _tile(values: FloatArray) -> Signal:
    return Signal(values=values, kind=SignalKind.ARRAY)


def _version(network: RoundedNetwork, tile: Signal) -> Version:
    return Version(pack_tile(network.parameters, network.step_sizes), network.mse * prod(tile.values.shape))


def _largest(found: WaveletResult) -> int:
    return max(int(np.abs(codes).max(initial=0)) for codes in found.parameters.latents)


def _cost(found: WaveletResult, tile: Signal, config: WaveletConfig) -> float:
    """Error and bits in one number, at the exchange rate of the fit."""
    assert config.latent_step is not None  # noqa: S101  as the settings have made sure
    size = len(pack_tile(found.network.parameters, found.network.step_sizes))
    return found.network.mse + trade_of_step(config.latent_step, tile.channels) * 8.0 * size / tile.sample_count
