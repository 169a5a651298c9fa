"""fit_in_tiles(): a large signal and a request, fitted tile by tile at one worth of a bit.

All tiles are surveyed and a few fitted, which tells the step of the latents that suits the whole
(`tuner.targets.tiles.pilots`); then every tile is fitted alone with that step and kept in several versions, of which
those are chosen that meet the target together (`tuner.targets.tiles.landing`). Where they do not span it, the step is
moved by what was missed, and one tile after the other is fitted again until they do. Memory is that of the samples as
they are stored, of one fit, and of some files.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from math import exp, log, prod

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.deadline import Deadline
from tuner.fit.presets import Effort
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.fit.wavelets.survey import foreseen_squares
from tuner.signal.large import LargeSignal
from tuner.targets.ask import TilesAsk
from tuner.targets.outlook import Phase, Standing
from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.target import Target
from tuner.targets.tiles.choice import PILOT_ROUNDS, largest_tile, pilots_of, tiles_for, usual_side
from tuner.targets.tiles.crew import Crew, Part, parts_of
from tuner.targets.tiles.grid import tile_grid
from tuner.targets.tiles.landing import Landing, TiledFile
from tuner.targets.tiles.pilots import STEPS, Goal, pilot_step
from tuner.targets.tiles.state import TileRecord
from tuner.targets.tiles.tile import FittedTile, TileSettings, fit_tile, survey_tile
from tuner.targets.tiles.wanted import Wanted
from tuner.targets.trial import Trial
from tuner.targets.wavelets.forecast import work_per_step

OnStep = Callable[[Progress], Verdict]
OnPhase = Callable[[Standing], None]

_PASSES = 3  # over all tiles, the later ones no farther than it takes
_FIRST_STEP = 0.1
# Bits of a weight of the layers, and bytes of a tile of which layers would be too large a share.
_BITS_PER_WEIGHT, _LEAST_LEARNED = 5.0, 300.0
# What the logarithm of the size, and decibels, lose while that of the step grows by 1: for another pass.
_SIZE_SLOPE, _QUALITY_SLOPE = 0.9, 6.5
_AIM = 1.01  # bytes that the fits aim at, as a share of the limit: versions reach farther down than up
_LARGEST_MOVE = 1.0


def represent_in_tiles(
    signal: LargeSignal,
    effort: Effort = Effort.BALANCED,
    target: Target | None = None,
    *,
    side: int | None = None,
    seed: int = 0,
    steps: int | None = None,
    seconds: float | None = None,
    resume: FitState | None = None,
    on_step: OnStep | None = None,
    on_phase: OnPhase | None = None,
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
        resume: checkpoint of the same signal and request, from which tiles are taken that had been fitted; None to
            begin.
        on_step: function that is called after every step of a fit, and after every tile that was surveyed, with steps
            counted over all of them; it may capture a checkpoint, which holds all tiles that have ended, and may stop
            the search.
        on_phase: function that is called when tiles begin to be fitted, and when they are joined.

    Raises:
        ConfigError: if the target is a largest error, no file is so small, or `on_step` has stopped the fits.
        FitDiverged: if an error is not a number any more.
        StateMismatch: if the checkpoint is of another signal or request.
    """
    config = tiles_for(signal, effort, target, side=side, seed=seed, steps=steps, seconds=seconds)
    side = usual_side(len(signal.grid_shape)) if side is None else side
    search = _Search(signal, TilesAsk(config=config, target=target, side=side), on_step, on_phase, None)
    try:
        return search.run(resume)
    except _Stopped as error:
        raise ConfigError(
            "on_step has stopped the fit before there was a file, expected it to go on to the end"
        ) from error


def fit_in_tiles(
    signal: LargeSignal,
    ask: TilesAsk,
    *,
    resume: FitState | None = None,
    on_step: OnStep | None = None,
    on_phase: OnPhase | None = None,
    deadline: Deadline | None = None,
    crew: Crew | None = None,
) -> TargetResult:
    """Fit all tiles of a signal as they were asked for, behind the face that every search has.

    Args:
        signal: the signal to represent.
        ask: the request, as `tuner.targets.request.ask_for` makes it.
        resume: checkpoint of the same signal and request, from which tiles are taken that had been fitted; None to
            begin.
        on_step: function that is called after every step of a fit, and after every tile that was surveyed, with steps
            counted over all of them; it may capture a checkpoint, which holds all tiles that have ended, and may stop
            the search.
        on_phase: function that is called when tiles begin to be fitted, and when they are joined.
        deadline: moment by which a limit of seconds is over, after which the fit of a tile takes one step; None for
            none but the share of each tile.
        crew: whoever else fits tiles of the signal; None for nobody. Under a limit of seconds nobody is asked.

    Returns:
        The file and how it was found, with a trial for each fit of a tile.

    Raises:
        ConfigError: if no file is so small.
        FitDiverged: if an error is not a number any more.
        StateMismatch: if the checkpoint is of another signal or request.
    """
    search = _Search(signal, ask, on_step, on_phase, deadline, crew)
    try:
        file = search.run(resume)
    except _Stopped:
        return TargetResult(
            content=None,
            outcome=TargetOutcome.STOPPED,
            sentence=FitOutcome.STOPPED.advice,
            trials=search.trials(),
        )
    return TargetResult(
        content=file.content,
        outcome=TargetOutcome.MET if file.is_met else TargetOutcome.MISSED,
        sentence=file.sentence,
        trials=search.trials(),
        tiles_psnr_db=search.fitted_psnr_db(),
    )


def fit_part(signal: LargeSignal, ask: TilesAsk, part: Part, *, on_step: OnStep | None = None) -> FitState | None:
    """Fit some tiles for a search that another process makes.

    Args:
        signal: the signal to represent.
        ask: the request.
        part: tiles to fit, as the search has offered them.
        on_step: function that is called after every step, and may stop the fits.

    Returns:
        A checkpoint of the search with these tiles alone; None if `on_step` has stopped the fits.

    Raises:
        FitDiverged: if an error is not a number any more.
        StateMismatch: if the part is of another search, such as one of another version.
    """
    search = _Search(signal, ask, on_step, None, None)
    try:
        return search.part(part)
    except _Stopped:
        return None


class _Stopped(Exception):
    """`on_step` wants no more steps."""


class _Search:
    """One call: what is wanted, and what was fitted so far."""

    def __init__(
        self,
        signal: LargeSignal,
        ask: TilesAsk,
        on_step: OnStep | None,
        on_phase: OnPhase | None,
        deadline: Deadline | None,
        crew: Crew | None = None,
    ) -> None:
        config, grid = ask.config, tile_grid(signal.grid_shape, ask.side)
        self._signal, self._grid, self._wanted = signal, grid, Wanted.of(signal, ask, grid)
        self._on_step, self._on_phase, self._deadline, self._crew = on_step, on_phase, deadline, crew
        self._pilots = pilots_of(grid)
        self._planned = grid.tiles + PILOT_ROUNDS * len(self._pilots)  # fits
        limit = config.max_seconds
        max_bytes = self._wanted.max_bytes
        learned = max_bytes is None or max_bytes >= _LEAST_LEARNED * grid.tiles
        self._config = replace(
            config,
            bits_per_sample=None,
            psnr_db=None,
            latent_step=_FIRST_STEP,
            learned=learned,
            steps=config.steps if learned else 1,
            max_seconds=None if limit is None else limit / self._planned,
        )
        self._record = TileRecord()
        self._psnr_db: float | None = None

    def run(self, resume: FitState | None) -> TiledFile:
        """Survey, pilots, and all tiles, once or more."""
        if resume is not None:
            self._record = TileRecord.from_fit_state(resume, self._name, self._signal_name)
            if self._deadline is not None:
                self._deadline.resume(self._record.seconds)
        self._tell(Phase.TRAINING)
        for number in range(self._grid.tiles):
            self._survey(number)
        step, before = pilot_step(self._goal(), self._record.surveys, self._pilots, self._fit), None
        for number in range(1 if self._config.max_seconds is not None else _PASSES):
            self._planned = len(self._record.fits.keys() | {(step, tile) for tile in range(self._grid.tiles)})
            if number == 0:
                self._share(step)
            for tile in range(self._grid.tiles):
                self._fit(step, tile)
                if number > 0 and self._landing.is_spanned():
                    break
            if self._landing.is_spanned():
                break
            excess = self._excess([self._record.fits[step, tile] for tile in range(self._grid.tiles)])
            slope = _SIZE_SLOPE if self._wanted.psnr_db is None else _QUALITY_SLOPE
            if before is not None and (before[1] - excess) * (log(step) - before[0]) > 0.0:
                slope = (before[1] - excess) / (log(step) - before[0])
            before = (log(step), excess)
            move = max(-_LARGEST_MOVE, min(_LARGEST_MOVE, excess / slope))
            step = exp(max(log(STEPS[0]), min(log(STEPS[1]), log(step) + move)))
        self._tell(Phase.COMPRESSING)
        file, target = self._landing.file(), self._wanted.target
        if target is not None and target.kind.is_size and not file.is_met:
            raise ConfigError(
                f"no file in tiles fits into {target}, the smallest had {len(file.content)} bytes: ask for more"
            )
        return file

    def part(self, part: Part) -> FitState:
        """Fit some tiles alone; see `fit_part`."""
        if part.search != self._name:
            raise StateMismatch(
                f"the tiles are of the search {part.search[:12]}..., expected {self._name[:12]}...: leave them to "
                "whoever has the same version"
            )
        self._planned = len(part.tiles)
        for tile in part.tiles:
            self._fit(part.latent_step, tile)
        return self._capture()

    def _share(self, step: float) -> None:
        """Have tiles fitted by all who are there; what is missing afterwards is left."""
        missing = [tile for tile in range(self._grid.tiles) if (step, tile) not in self._record.fits]
        if self._crew is None or self._config.max_seconds is not None or len(missing) < 2:
            return
        # In parts of all tiles, so that a search that goes on with more of them offers the same ones.
        self._crew.offer(parts_of(self._name, step, range(self._grid.tiles)))
        while True:
            for state in self._crew.finished():
                self._learn(state)
            part = self._crew.take()
            if part is not None:
                for tile in part.tiles:
                    self._fit(step, tile)
                fits = {key: fit for key, fit in self._record.fits.items() if key[0] == step and key[1] in part.tiles}
                self._crew.finish(TileRecord(fits=fits).to_fit_state(self._name, self._signal_name))
            elif not self._crew.is_at_work():
                break
            else:
                self._follow(self._still(self._psnr_db or 0.0))
        for state in self._crew.finished():
            self._learn(state)

    def _learn(self, state: FitState) -> None:
        """Take the tiles that somebody else has fitted."""
        try:
            found = TileRecord.from_fit_state(state, self._name, self._signal_name)
        except StateMismatch:
            return  # of another signal or request: they are fitted here
        for key, fit in found.fits.items():
            self._record.fits.setdefault(key, fit)

    def trials(self) -> tuple[Trial, ...]:
        """What the fit of each tile showed, those of the pilots among them."""
        config, channels, trials = self._config, self._signal.channels, []
        for (_, number), each in self._record.fits.items():
            shape = self._grid.tile_shape(number)
            own = each.versions[each.own]
            trials.append(
                Trial(
                    network=(config.frequencies, *config.widths),
                    weights=config.weight_count(shape, channels),
                    steps=each.steps,
                    max_steps=config.steps,
                    seconds=each.seconds,
                    work=each.steps * work_per_step(config, shape, channels),
                    psnr_db=mse_to_psnr_db(own.squares / (prod(shape) * channels)),
                    file_bytes=len(own.packed),
                )
            )
        return tuple(trials)

    def fitted_psnr_db(self) -> float:
        """Quality of the latest fits of all tiles together as they were trained, in dB."""
        latest = {number: each.versions[each.own].squares for (_, number), each in self._record.fits.items()}
        return mse_to_psnr_db(sum(latest.values()) / self._wanted.values)

    # What is asked for.

    @cached_property
    def _landing(self) -> Landing:
        return Landing(self._signal, self._settings(_FIRST_STEP), self._wanted, self._record)

    @cached_property
    def _name(self) -> str:
        """SHA-256 of everything that the bytes of a tile follow from beside the signal, in hexadecimal."""
        settings = {
            "config": self._config.fingerprint(),
            "grid": asdict(self._grid),
            "target": None if self._wanted.target is None else self._wanted.target.named(),
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _signal_name(self) -> str:
        """SHA-256 of the signal, in hexadecimal, read tile by tile."""
        digest = hashlib.sha256(str((self._signal.kind.value, self._signal.grid_shape)).encode())
        for number in range(self._grid.tiles):
            digest.update(self._signal.values(self._grid.region(number)).data)
        return digest.hexdigest()

    def _goal(self) -> Goal:
        if self._wanted.psnr_db is not None:
            return Goal(is_size=False, value=self._wanted.squares)
        assert self._wanted.max_bytes is not None  # noqa: S101  one of both
        shape = largest_tile(self._grid)
        weights = self._config.layer_weight_count(shape, self._signal.channels) if self._config.learned else 0
        index = 8.0 * self._grid.tiles
        return Goal(
            is_size=True,
            value=max(_AIM * self._wanted.max_bytes - index, 1.0),
            fixed=_BITS_PER_WEIGHT * weights / 8.0,
        )

    # One tile.

    def _settings(self, step: float) -> TileSettings:
        return TileSettings(grid=self._grid, config=replace(self._config, latent_step=step))

    def _survey(self, number: int) -> None:
        if number in self._record.surveys:
            return
        counts = survey_tile(self._signal, self._settings(_FIRST_STEP), number)
        self._record.surveys[number] = counts
        values = prod(self._grid.tile_shape(number)) * self._signal.channels
        loss = max(foreseen_squares(counts, _FIRST_STEP) / values, 1e-15)
        self._follow(self._still(mse_to_psnr_db(loss)))

    def _still(self, psnr_db: float) -> Progress:
        """Progress without a step."""
        return Progress(
            step=0,
            total_steps=0,
            loss=10.0 ** (-psnr_db / 10.0),
            psnr_db=psnr_db,
            seconds=0.0,
            eta_seconds=None,
            capture=self._capture,
        )

    def _fit(self, step: float, number: int) -> FittedTile:
        known = self._record.fits.get((step, number))
        if known is not None:
            return known
        found = fit_tile(self._signal, self._settings(step), number, self._follow, self._deadline)
        if found.is_stopped:
            raise _Stopped
        self._record.fits[step, number] = found
        if not self._config.learned:  # nobody has heard of a step
            own = found.versions[found.own]
            values = prod(self._grid.tile_shape(number)) * self._signal.channels
            self._follow(self._still(mse_to_psnr_db(max(own.squares / values, 1e-15))))
        return found

    def _follow(self, progress: Progress) -> Verdict:
        """Tell the caller where all tiles stand."""
        self._psnr_db = progress.psnr_db
        if self._on_step is None:
            return Verdict.CONTINUE
        standing = self._standing(Phase.TRAINING, progress.step, progress.seconds)
        verdict = self._on_step(standing.told(progress, self._capture))
        if verdict is Verdict.STOP and progress.total_steps == 0:
            raise _Stopped
        return verdict

    def _standing(self, phase: Phase, step: int = 0, seconds: float = 0.0) -> Standing:
        """Steps are those of fits and one for each survey."""
        record, each, tiles = self._record, self._config.steps, self._grid.tiles
        taken, spent = record.steps + step, record.seconds + seconds
        left = max(0, self._planned - len(record.fits))
        if self._config.max_seconds is not None and taken:
            each = max(1, round(self._config.max_seconds * taken / max(spent, 1e-9)))
        steps = max(0, left * each - step)
        eta = steps * spent / taken if taken else 0.0
        return Standing(
            phase=phase,
            step=taken + len(record.surveys),
            total_steps=taken + steps + tiles,
            psnr_db=self._psnr_db,
            seconds=spent,
            eta_seconds=eta,
        )

    def _tell(self, phase: Phase) -> None:
        if self._on_phase is not None:
            self._on_phase(self._standing(phase))

    def _capture(self) -> FitState:
        return self._record.to_fit_state(self._name, self._signal_name)

    def _excess(self, fits: list[FittedTile]) -> float:
        """How far the fits, as they were trained, are above what they aim at, in decibels or as a logarithm."""
        goal = self._goal()
        found = sum(goal.of([each]) + goal.fixed for each in fits)
        return log(found / goal.value) * (1.0 if goal.is_size else -10.0 / log(10.0))
