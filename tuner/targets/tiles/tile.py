"""The fit of one tile, and the file of all of them: what one process does in turn, and many could do at once.

A tile depends on its samples and on the settings that all tiles have in common, on nothing else: the same call gives
the same bytes in whatever order tiles are fitted, wherever that is, and a tile that was lost is fitted again alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuner.codec.encode import encode
from tuner.codec.file.header import Header
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.chunk import PackedTiles, pack_tile
from tuner.errors import ConfigError
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.fit import WaveletResult, fit_wavelets
from tuner.fit.wavelets.trade import trade_of_step
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters
from tuner.representation import Representation
from tuner.signal.kind import SignalKind
from tuner.signal.signal import Signal

# With latents so large a network that learns nothing may be the better one, and with larger ones it is the only one.
_LARGE_CODE, _LARGEST_CODE = 300, 1990


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
        packed: bytes of the tile as they stand in a file.
        mse: mean squared error over the samples of the tile and all channels, nothing clipped.
        steps: number of training steps that were taken.
        seconds: duration of these steps in seconds.
        is_stopped: whether the fit was stopped on request.
    """

    packed: bytes
    mse: float
    steps: int
    seconds: float
    is_stopped: bool = False


def fit_tile(
    signal: Signal, settings: TileSettings, number: int, on_step: Callable[[Progress], Verdict] | None = None
) -> FittedTile:
    """Fit one tile of a signal, in the memory of a tile.

    Args:
        signal: the whole signal, of which only the samples of the tile are read.
        settings: what all tiles have in common.
        number: number of the tile.
        on_step: called after every step; may stop the fit.

    Raises:
        FitDiverged: if the error is not a number any more.
    """
    region = tuple(slice(*ends) for ends in settings.grid.region(number))
    return fit_samples(np.ascontiguousarray(signal.values[region]), settings, on_step)


def fit_samples(
    values: np.ndarray, settings: TileSettings, on_step: Callable[[Progress], Verdict] | None = None
) -> FittedTile:
    """The same from the samples of the tile alone, float32 (*shape of the tile, C)."""
    tile, config = Signal(values=values, kind=SignalKind.ARRAY), settings.config
    found = fit_wavelets(tile, config, on_step=on_step) if config.learned else None
    if found is None or (found.outcome is not FitOutcome.STOPPED and _largest(found) >= _LARGE_CODE):
        exact = fit_wavelets(tile, replace(config, learned=False, steps=1))
        if found is None or _largest(found) >= _LARGEST_CODE or _cost(exact, tile, config) < _cost(found, tile, config):
            found = exact
    return FittedTile(
        packed=_packed(found),
        mse=found.network.mse,
        steps=found.steps,
        seconds=found.seconds,
        is_stopped=found.outcome is FitOutcome.STOPPED,
    )


def join(
    signal: Signal,
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


def _packed(found: WaveletResult) -> bytes:
    return pack_tile(found.network.parameters, found.network.step_sizes)


def _largest(found: WaveletResult) -> int:
    return max(int(np.abs(codes).max(initial=0)) for codes in found.parameters.latents)


def _cost(found: WaveletResult, tile: Signal, config: WaveletConfig) -> float:
    """Error and bits in one number, at the exchange rate of the fit."""
    assert config.latent_step is not None  # noqa: S101  as the settings have made sure
    bits = 8.0 * len(_packed(found)) / tile.sample_count
    return found.network.mse + trade_of_step(config.latent_step, tile.channels) * bits
