"""represent_in_tiles(): a large signal and a target, fitted tile by tile at one worth of a bit.

The step of the latents, which says what a bit is worth, is found on a few tiles spread over the signal; then all tiles
are fitted with it. If the whole misses its target, which can happen where the few do not stand for all, the step is
moved by what was missed, and all are fitted again. Memory is that of the signal, of one fit, and of the file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from math import exp, log, prod

import numpy as np

from tuner.codec.region import open_tiles
from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError
from tuner.fit.presets import Effort
from tuner.fit.progress import Progress, Verdict
from tuner.fit.wavelets.config import WaveletConfig
from tuner.network.tiles.grid import TileGrid
from tuner.signal.kind import SignalKind
from tuner.signal.signal import Signal
from tuner.targets.files import PSNR_TOLERANCE_DB
from tuner.targets.report import LEAST_BYTES
from tuner.targets.target import Target, TargetKind
from tuner.targets.tiles.choice import largest_tile, pilots, tile_grid, tile_share
from tuner.targets.tiles.tile import FittedTile, TileSettings, fit_tile, join
from tuner.targets.wavelets.choice import wavelets_for

OnStep = Callable[[Progress], Verdict]

_PILOTS = 4
_TRIES = 7  # of a step, on the pilots
_PASSES = {Effort.FAST: 2, Effort.BALANCED: 2, Effort.BEST: 3}  # over all tiles
_FIRST_STEP = 0.1
# What the logarithm of the size, and decibels, lose while that of the step grows by 1: for the second try.
_SIZE_SLOPE, _QUALITY_SLOPE = 0.9, 6.5
# Within which the pilots are near enough, and where they aim: below a size, above a quality.
_NEAR, _NEAR_DB = 0.012, 0.05
_AIM, _AIM_DB = 0.98, 0.03
_LARGEST_MOVE = 2.0
_LOOSE, _LOOSE_DB = 0.93, 0.4  # a file that is so far from its target is worth another pass
_STEPS = (1e-6, 1e3)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TiledFile:
    """A large signal as a file, measured region by region.

    Attributes:
        content: bytes of the file.
        psnr_db: quality of the samples as they would be written, in dB.
        max_error: largest difference of a sample, as a share of the range of values.
        is_met: whether the target was met; true where none was given.
        sentence: how it ended, in words.
        steps: number of training steps of all fits.
        seconds: duration of these steps, in seconds.
        tiles: number of tiles.
    """

    content: bytes
    psnr_db: float
    max_error: float
    is_met: bool
    sentence: str
    steps: int
    seconds: float
    tiles: int


def represent_in_tiles(
    signal: Signal,
    effort: Effort = Effort.BALANCED,
    target: Target | None = None,
    *,
    side: int | None = None,
    seed: int = 0,
    steps: int | None = None,
    seconds: float | None = None,
    on_step: OnStep | None = None,
) -> TiledFile:
    """Fit all tiles of a signal so that the whole meets a target.

    Args:
        signal: the signal to represent.
        effort: what decides the number of steps of each fit and, without a target, the size.
        target: what the whole must meet; None for the size of the effort.
        side: most samples of a tile along each axis; None for as many as suit the number of axes.
        seed: number that decides every random choice, >= 0.
        steps: number of steps of the fit of a tile, instead of the effort's.
        seconds: longest duration of all training in seconds; the result then depends on the machine.
        on_step: called after every step, with steps counted over all fits; may stop them.

    Raises:
        ConfigError: if the target is a largest error, no file is so small, or `on_step` has stopped the fits.
        FitDiverged: if an error is not a number any more.
    """
    grid = tile_grid(signal.grid_shape, side)
    aim, most = target, None if target is None else target.max_bytes(signal.sample_count)
    if most is not None:  # of a tile, its share
        aim = Target(TargetKind.BITS_PER_SAMPLE, 8.0 * max(most, 1) / signal.sample_count)
    outline = _TileOutline(signal.kind, largest_tile(grid), signal.channels)
    config = wavelets_for(outline, effort, aim, seed=seed, steps=steps, seconds=seconds)
    return _Search(signal, grid, config, target, _PASSES[effort], on_step).run()


@dataclass(frozen=True, slots=True)
class _TileOutline:
    """What presets ask of a signal, of one tile."""

    kind: SignalKind
    grid_shape: tuple[int, ...]
    channels: int


class _Search:
    """One call: what was fitted so far, and how long that took."""

    def __init__(
        self,
        signal: Signal,
        grid: TileGrid,
        config: WaveletConfig,
        target: Target | None,
        passes: int,
        on_step: OnStep | None,
    ) -> None:
        self._signal, self._grid, self._target, self._passes = signal, grid, target, passes
        self._on_step, self._wanted_db = on_step, config.psnr_db
        self._max_bytes: int | None = None
        if target is not None and target.kind.is_size:
            self._max_bytes = target.max_bytes(signal.sample_count)
        elif config.bits_per_sample is not None:
            self._max_bytes = int(config.bits_per_sample * signal.sample_count / 8.0)
        self._limit = config.max_seconds
        self._pilots = pilots(grid, _PILOTS)
        each = None if self._limit is None else self._limit / (grid.tiles + _TRIES * len(self._pilots))
        self._config = replace(config, bits_per_sample=None, psnr_db=None, latent_step=_FIRST_STEP, max_seconds=each)
        self._fits, self._steps, self._seconds = 0, 0, 0.0
        self._fitted: dict[tuple[float | None, int], FittedTile] = {}  # the pilots of the last step
        self._planned = _TRIES // 2 * len(self._pilots) + grid.tiles

    def run(self) -> TiledFile:
        """The step of the latents from the pilots, then all tiles, once or more."""
        step, best, before = self._pilot_step(), None, None
        for number in range(1 if self._limit is not None else self._passes):
            self._planned = self._fits + self._grid.tiles
            settings = self._settings(step)
            tiles = [self._fit(settings, tile).packed for tile in range(self._grid.tiles)]
            file = self._file(settings, tiles)
            if best is None or self._is_better(file, best):
                best = file
            excess = self._excess(file.psnr_db, len(file.content))
            if number + 1 == self._passes or (file.is_met and not self._is_loose(file)):
                break
            slope = self._slope
            if before is not None and before[0] != step and (before[1] - excess) * (log(step) - log(before[0])) > 0.0:
                slope = (before[1] - excess) / (log(step) - log(before[0]))
            before = (step, excess)
            step = self._moved(step, excess / slope)
        assert best is not None  # noqa: S101  there is a first pass
        if self._target is not None and self._target.kind.is_size and len(best.content) > (self._max_bytes or 0):
            raise ConfigError(
                f"no file in tiles fits into {self._target}, the smallest had {len(best.content)} bytes: ask for more"
            )
        return replace(best, steps=self._steps, seconds=self._seconds)

    def _pilot_step(self) -> float:
        """The step with which the pilots would make up a file that meets the target."""
        tried: list[tuple[float, float]] = []
        step = _FIRST_STEP
        if self._wanted_db is not None:
            step = 2.0 * 10.0 ** (-self._wanted_db / 20.0)
        near = _NEAR if self._wanted_db is None else _NEAR_DB
        low, high = map(log, _STEPS)
        for _ in range(_TRIES):
            settings = self._settings(step)
            excess = self._pilot_excess(settings)
            if abs(excess) <= near:
                return step
            tried.append((log(step), excess))
            low, high = (log(step), high) if excess > 0.0 else (low, log(step))
            slope = self._slope
            if len(tried) > 1 and (tried[-2][1] - excess) * (tried[-1][0] - tried[-2][0]) > 0.0:
                slope = (tried[-2][1] - excess) / (tried[-1][0] - tried[-2][0])
            following = self._moved(step, excess / slope)
            step = following if low < log(following) < high else exp((low + high) / 2.0)
        return exp(min(tried, key=lambda each: abs(each[1]))[0])

    def _pilot_excess(self, settings: TileSettings) -> float:
        self._fitted.clear()
        fitted = [self._fit(settings, number) for number in self._pilots]
        # The pass over all tiles begins with these, if it takes this step.
        self._fitted = {
            (settings.config.latent_step, number): each for number, each in zip(self._pilots, fitted, strict=True)
        }
        sizes = [prod(self._grid.tile_shape(number)) for number in self._pilots]
        squares = sum(size * each.mse for size, each in zip(sizes, fitted, strict=True))
        payload = sum(len(each.packed) for each in fitted) / tile_share(self._grid, self._pilots)
        overhead = len(join(self._signal, settings, [b""] * self._grid.tiles)) + 2 * self._grid.tiles
        if self._wanted_db is None:
            assert self._max_bytes is not None  # noqa: S101  one of both
            return log(max(payload, 1.0) / max(1.0, _AIM * self._max_bytes - overhead))
        storage = self._signal.storage
        added = 1.0 / (12.0 * storage.effective.scale**2) if self._signal.sample_format.is_integer else 0.0
        return mse_to_psnr_db(squares / sum(sizes) + added) - self._wanted_db - _AIM_DB

    def _settings(self, step: float) -> TileSettings:
        return TileSettings(grid=self._grid, config=replace(self._config, latent_step=step))

    def _fit(self, settings: TileSettings, number: int) -> FittedTile:
        known = self._fitted.get((settings.config.latent_step, number))
        if known is not None:
            return known
        done, seconds = self._steps, self._seconds

        def follow(progress: Progress) -> Verdict:
            if self._on_step is None:
                return Verdict.CONTINUE
            left = (self._planned - self._fits) * settings.config.steps - progress.step
            pace = (seconds + progress.seconds) / (done + progress.step)
            return self._on_step(
                replace(
                    progress,
                    step=done + progress.step,
                    total_steps=done + progress.step + max(0, left),
                    seconds=seconds + progress.seconds,
                    eta_seconds=max(0.0, pace * left),
                )
            )

        found = fit_tile(self._signal, settings, number, follow)
        if found.is_stopped:
            raise ConfigError("on_step has stopped the fit before there was a file, expected it to go on to the end")
        self._fits, self._steps, self._seconds = (
            self._fits + 1,
            self._steps + found.steps,
            self._seconds + found.seconds,
        )
        return found

    def _file(self, settings: TileSettings, tiles: list[bytes]) -> TiledFile:
        content = join(self._signal, settings, tiles)
        psnr_db, max_error = measured_in_regions(self._signal, content, self._grid.strides[0])
        is_free = self._target is None or self._target.kind is TargetKind.SECONDS
        if is_free or len(content) >= LEAST_BYTES:
            report: dict[str, str | int | float] = {
                "psnr_db": round(psnr_db, 2),
                "steps": settings.config.steps,
                "trainer": "wavelets",
                "seed": settings.config.seed,
            }
            reported = join(self._signal, settings, tiles, report)
            if is_free or self._max_bytes is None or len(reported) <= self._max_bytes:
                content = reported
        is_met = self._meets(psnr_db, len(content))
        reached = f"{psnr_db:.2f} dB, errors up to {max_error:.3f}, {len(content)} bytes in {self._grid.tiles} tiles."
        if is_free:
            sentence = f"The tiles used all of their steps: {reached}"
        else:
            sentence = f"The target of {self._target} was {'met' if is_met else 'missed'}: {reached}"
        return TiledFile(
            content=content,
            psnr_db=psnr_db,
            max_error=max_error,
            is_met=is_met,
            sentence=sentence,
            steps=self._steps,
            seconds=self._seconds,
            tiles=self._grid.tiles,
        )

    @property
    def _slope(self) -> float:
        return _SIZE_SLOPE if self._wanted_db is None else _QUALITY_SLOPE

    def _moved(self, step: float, move: float) -> float:
        moved = log(step) + max(-_LARGEST_MOVE, min(_LARGEST_MOVE, move))
        return exp(max(log(_STEPS[0]), min(log(_STEPS[1]), moved)))

    def _excess(self, psnr_db: float, size: int) -> float:
        """How far the whole is above what it aims at, in decibels or as a logarithm of bytes."""
        if self._wanted_db is not None:
            return psnr_db - self._wanted_db - _AIM_DB
        return log(size / (_AIM * (self._max_bytes or 1)))

    def _meets(self, psnr_db: float, size: int) -> bool:
        if self._target is None:
            return True
        if self._target.kind is TargetKind.PSNR_DB:
            return psnr_db >= self._target.value - PSNR_TOLERANCE_DB
        return not self._target.kind.is_size or size <= (self._max_bytes or 0)

    def _is_loose(self, file: TiledFile) -> bool:
        """Whether another pass may come much closer to a target that is met."""
        if self._target is None or self._target.kind is TargetKind.SECONDS:
            return False
        if self._wanted_db is not None:
            return file.psnr_db > self._wanted_db + _LOOSE_DB
        return len(file.content) < _LOOSE * (self._max_bytes or 0)

    def _is_better(self, file: TiledFile, other: TiledFile) -> bool:
        if file.is_met != other.is_met:
            return file.is_met
        if self._wanted_db is not None and file.is_met:
            return len(file.content) < len(other.content)
        if not file.is_met and self._max_bytes is not None:
            return len(file.content) < len(other.content)
        return file.psnr_db > other.psnr_db


def measured_in_regions(signal: Signal, content: bytes, rows: int) -> tuple[float, float]:
    """PSNR in dB and largest error of a file, as they are written, some rows at a time.

    Args:
        signal: the original.
        content: bytes of a file in tiles.
        rows: number of samples along the first axis that are decoded at once.
    """
    representation, storage = open_tiles(BytesIO(content)), signal.storage
    squares, largest = 0.0, 0.0
    for start in range(0, signal.grid_shape[0], rows):
        stop = min(start + rows, signal.grid_shape[0])
        found = representation.crop([(start, stop), *((0, n) for n in signal.grid_shape[1:])]).values
        given = signal.values[start:stop]
        error = storage.as_written(given).astype(np.float64) - storage.as_written(found)
        squares += float(np.square(error).sum())
        if signal.sample_format.is_integer:  # counted in samples: 1/255 is one level of a picture, exactly
            written, decoded = (storage.to_samples(each).astype(np.float64) for each in (given, found))
            largest = max(largest, float(np.abs(written - decoded).max()) / storage.effective.scale)
        else:
            largest = max(largest, float(np.abs(error).max()))
    return mse_to_psnr_db(squares / signal.values.size), largest
