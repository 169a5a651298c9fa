"""fit_to_target(): ask for a quality, a size or a time, and get the file.

A network of the size that the forecast names is fitted (if its first steps promise what is wanted, else one of another
size), its file is rounded so that it just meets the target, and what that showed corrects the forecast for the next
network, if one is needed. Earlier fits are used again: a byte limit is met by rounding the same fit differently, and a
fit that falls just short goes on where it was. On one CPU the same request gives the same bytes, interrupted or not,
time limits aside. Called by the worker and `tuner fit --target`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError
from tuner.fit.config import Budget, FitConfig
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.sines.fit import FitResult, fit
from tuner.fit.state import FitState
from tuner.metrics import written_psnr_db
from tuner.representation import Representation
from tuner.signal.compaction import compaction_db
from tuner.signal.signal import Signal
from tuner.targets.ask import Ask, SinesAsk, WaveletsAsk
from tuner.targets.files import (
    LOSSES_DB,
    File,
    file_good_enough,
    file_with_loss,
    file_within_bytes,
    max_error,
    measured,
)
from tuner.targets.report import reported
from tuner.targets.result import OnStep, TargetOutcome, TargetResult
from tuner.targets.sines.forecast import Forecast
from tuner.targets.sines.plan import PSNR_TOLERANCE_DB, Plan, Trial, needed_psnr_db, next_plan, separate
from tuner.targets.sines.sizes import sized
from tuner.targets.state import SearchState
from tuner.targets.target import TargetKind
from tuner.targets.wavelets.search import fit_wavelets_to_target

_PROBE_STEPS = 4


def fit_to_target(
    signal: Signal,
    ask: Ask,
    *,
    resume: FitState | None = None,
    on_step: OnStep | None = None,
    device: str = "cpu",
) -> TargetResult:
    """Fit networks to a signal until a file meets the target.

    Args:
        signal: what to represent.
        ask: the request.
        resume: a checkpoint of the same signal and request.
        on_step: called after every step of every fit, with steps and seconds that count on from one fit to the next;
            may capture a checkpoint, and may stop the search.
        device: where to compute, as torch names it.

    Returns:
        The file and how it was found.

    Raises:
        ConfigError: if the target cannot be met by any network, such as a file of ten bytes.
        FitDiverged: if a loss is no longer a number.
        StateMismatch: if the checkpoint is of another signal or request.
    """
    if isinstance(ask, WaveletsAsk):
        result = fit_wavelets_to_target(signal, ask, ask.config, resume=resume, on_step=on_step)
    else:
        assert isinstance(ask, SinesAsk)  # noqa: S101
        result = _Search(signal, ask, device, resume).run(on_step)
    if result.content is None:
        return result
    content = reported(result.content, signal, ask, result.steps)
    sentence = result.sentence.replace(f" {len(result.content)} bytes", f" {len(content)} bytes")
    return replace(result, content=content, sentence=sentence)


class _Search:
    """The state of one call: trials, the best file, and the fit that a checkpoint interrupted."""

    def __init__(self, signal: Signal, ask: SinesAsk, device: str, resume: FitState | None) -> None:
        self._signal, self._ask, self._device = signal, ask, device
        self._name = ask.fingerprint()
        self._forecast = forecast_of(signal)
        self._trials: list[Trial] = []
        self._best: File | None = None
        self._state: FitState | None = None  # of the fit under way, or of the one before, which may go on
        self._interrupted = False
        self._ended: FitOutcome | None = None
        if resume is not None:
            state = SearchState.from_fit_state(resume, self._name)
            self._trials, self._speed = list(state.trials), state.speed
            self._best = None if state.best is None else measured(state.best, signal)
            self._state, self._interrupted = state.fit, True
        else:
            asks_seconds = ask.target is not None and ask.target.kind is TargetKind.SECONDS
            self._speed = _speed(signal, ask.config, self._forecast, device) if asks_seconds else 1.0

    def run(self, on_step: OnStep | None) -> TargetResult:
        while (plan := next_plan(self._ask, self._forecast, self._trials, speed=self._speed)) is not None:
            result, last = self._fit(plan, on_step)
            if result.outcome is FitOutcome.STOPPED:
                return TargetResult(
                    content=None,
                    outcome=TargetOutcome.STOPPED,
                    sentence=result.outcome.advice,
                    trials=tuple(self._trials),
                )
            self._learn(plan, result)
            if last is not None:  # else the checkpoint was of the last step, and is still the newest state
                self._state = last.capture()
            self._interrupted = False
            self._ended = result.outcome
        return self._result()

    def _fit(self, plan: Plan, on_step: OnStep | None) -> tuple[FitResult, Progress | None]:
        """One trial; also its last progress, whose state the next one may go on from."""
        resume = self._state if self._interrupted else None
        if plan.goes_on and not self._interrupted:
            assert self._state is not None  # noqa: S101  of the trial before
            # The same network with more steps: the fit goes on under the name of the new configuration.
            resume = replace(self._state, config=plan.config.fingerprint())
        others = separate(self._trials)[:-1] if plan.goes_on else separate(self._trials)
        steps, seconds = sum(trial.steps for trial in others), math.fsum(trial.seconds for trial in others)
        last: Progress | None = None

        def follow(progress: Progress) -> Verdict:
            nonlocal last
            last = progress
            if on_step is None:
                return Verdict.CONTINUE
            return on_step(
                replace(
                    progress,
                    step=steps + progress.step,
                    total_steps=steps + progress.total_steps,
                    seconds=seconds + progress.seconds,
                    capture=lambda: self._capture(progress, steps, seconds),
                )
            )

        return fit(self._signal, plan.config, resume=resume, on_step=follow, device=self._device), last

    def _capture(self, progress: Progress, steps: int, seconds: float) -> FitState:
        best = None if self._best is None else self._best.content
        state = SearchState(trials=tuple(self._trials), best=best, speed=self._speed, fit=progress.capture())
        return state.to_fit_state(self._name, steps=steps, seconds=seconds)

    def _learn(self, plan: Plan, result: FitResult) -> None:
        """Make the file of a fitted network that suits the target best, and note what it showed."""
        # A pilot that used up its time, or reached its goal, is a fit like any other.
        is_pilot = plan.is_pilot and result.outcome is FitOutcome.STEP_LIMIT
        representation = Representation.of(result.network.parameters_numpy(), self._signal)
        values = representation.render().values
        quality_db = written_psnr_db(self._signal.values, values, self._signal.storage)
        peak = max_error(self._signal, values) * 10.0 ** (quality_db / 20.0)
        file = None if is_pilot else self._file(representation, quality_db)
        if file is not None and (self._best is None or self._is_better(file, self._best)):
            self._best = file
        network, weights = plan.config.network, representation.parameters.weight_count
        self._trials.append(
            Trial(
                network=(network.frequencies, *network.hidden),
                weights=weights,
                steps=result.steps,
                max_steps=plan.config.budget.max_steps,
                seconds=result.seconds,
                work=result.steps * self._forecast.work_per_step(network),
                psnr_db=quality_db,
                late_gain_db=_late_gain_db(result.history),
                peak=max(peak, 1.0),
                loss_db=None if file is None else file.loss_db,
                file_bytes=None if file is None or not self._is_met(file) else len(file.content),
                goes_on=plan.goes_on,
                is_pilot=is_pilot,
            )
        )

    def _file(self, representation: Representation, quality_db: float) -> File | None:
        """The file of a network that suits the target best; None if none can be within a limit of bytes."""
        target = self._ask.target
        if target is None or target.kind is TargetKind.SECONDS:
            return file_with_loss(representation, self._signal, self._ask.max_loss_db, thorough=self._ask.thorough)
        max_bytes = target.max_bytes(self._signal.sample_count)
        if max_bytes is not None:
            return file_within_bytes(representation, self._signal, max_bytes)
        if target.kind is TargetKind.PSNR_DB:
            return file_with_loss(representation, self._signal, quality_db - target.value)
        first_loss_db = quality_db - needed_psnr_db(self._ask, self._trials)
        good = file_good_enough(representation, self._signal, first_loss_db, self._is_met)
        return good or file_with_loss(representation, self._signal, LOSSES_DB[0])

    def _is_met(self, file: File) -> bool:
        target = self._ask.target
        match target and target.kind:
            case TargetKind.PSNR_DB:
                assert target is not None  # noqa: S101  as matched
                return file.psnr_db >= target.value - PSNR_TOLERANCE_DB
            case TargetKind.MAX_ERROR:
                assert target is not None  # noqa: S101
                return file.max_error <= target.value
            case _:
                return True  # files over a limit of bytes are never kept

    def _is_better(self, file: File, other: File) -> bool:
        target = self._ask.target
        if target is None or not target.kind.is_quality:
            return file.psnr_db > other.psnr_db
        if self._is_met(file) and self._is_met(other):
            return len(file.content) < len(other.content)
        return self._nearness(file) > self._nearness(other)

    def _nearness(self, file: File) -> float:
        assert self._ask.target is not None  # noqa: S101  asked for targets of quality only
        return file.psnr_db if self._ask.target.kind is TargetKind.PSNR_DB else -file.max_error

    def _result(self) -> TargetResult:
        target = self._ask.target
        if self._best is None:
            smallest = self._forecast.file_bytes(self._forecast.weight_range()[0], 20.0, LOSSES_DB[1])
            raise ConfigError(
                f"no network that was tried fits into {target}: ask for more, about {smallest:.0f} bytes at least"
            )
        met = self._is_met(self._best)
        return TargetResult(
            content=self._best.content,
            outcome=TargetOutcome.MET if met else TargetOutcome.MISSED,
            sentence=self._sentence(self._best, met=met),
            trials=tuple(self._trials),
        )

    def _sentence(self, file: File, *, met: bool) -> str:
        target = self._ask.target
        advice = "" if self._ended is None else self._ended.advice
        if target is None:
            return advice
        networks = len({trial.network for trial in self._trials})
        tried = f"{networks} networks were" if networks > 1 else "one network was"
        reached = (
            f"{file.psnr_db:.2f} dB, errors up to {file.max_error:.3f}, {len(file.content)} bytes; {tried} trained."
        )
        if met:
            return f"The target of {target} was met: {reached}"
        if not self._ask.free_size:
            hint = "leave the size of the network to the search, or allow more steps"
        elif self._trials[-1].weights >= 0.7 * self._forecast.weight_range()[1]:
            hint = "the signal has no more structure that a network could use: ask for less"
        else:
            hint = "a higher preset trains longer and tries more networks"
        return f"The target of {target} was missed: {reached} To come closer, {hint}."


def forecast_of(signal: Signal) -> Forecast:
    """What can be said about fits of this signal."""
    return Forecast(
        samples=signal.sample_count,
        channels=signal.channels,
        compaction_db=tuple(compaction_db(signal.values)),
        dimensions=len(signal.grid_shape),
    )


def _late_gain_db(history: Sequence[float]) -> float:
    half = max(1, len(history) // 2)
    return mse_to_psnr_db(history[-1]) - mse_to_psnr_db(history[half - 1])


def _speed(signal: Signal, base: FitConfig, forecast: Forecast, device: str) -> float:
    """Work per second of this machine, from a few steps of a small network."""
    network = sized(base.network, 0.02 * signal.sample_count)
    probe = replace(base, network=network, budget=Budget(max_steps=_PROBE_STEPS))
    result = fit(signal, probe, device=device)
    return result.steps * forecast.work_per_step(network) / max(result.seconds, 1e-6)
