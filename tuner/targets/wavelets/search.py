"""Modulated networks by target: the size or the quality is part of the fit, so one network is enough.

Lambda moves while the fit runs until the file has the size or the quality that was asked for; the rest is done by
rounding (`tuner.targets.wavelets.landing`). What still misses goes on from its own state for half as many steps again,
or, if its integers are as large as a file holds, is fitted anew with one scale less, whose integers are smaller, up to
the number of trials. The result is never over a limit of bytes. Called by `tuner.targets.search`, whose words it
speaks: a checkpoint of it is a search's, and a fit that was interrupted anywhere ends with the same bytes.
"""

from dataclasses import replace
from math import fsum, log10

from tuner.errors import ConfigError
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.fit import WaveletResult, fit_wavelets
from tuner.fit.wavelets.trainer import RoundedNetwork
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.signal import Signal
from tuner.targets.ask import Ask
from tuner.targets.files import File, measured
from tuner.targets.result import OnStep, TargetOutcome, TargetResult
from tuner.targets.sines.plan import PSNR_TOLERANCE_DB, Trial, separate
from tuner.targets.state import SearchState
from tuner.targets.target import TargetKind
from tuner.targets.wavelets.forecast import work_per_step
from tuner.targets.wavelets.landing import encoded, land_on_quality, land_on_size

_WORTH_FILLING = 0.95  # of a limit of bytes
_WORTH_LOWERING_DB = 0.15  # above a quality
_MORE_STEPS = 0.5  # of those before, for a fit that goes on
_FULL = 1300  # the largest integer of a fit that would have begun with a finer step, had its integers allowed it
# Where a fit aims, below what is asked for: rounding away from zero then makes up for it, cheaply.
_AIM, _AIM_DB = 0.975, 0.05


def fit_wavelets_to_target(
    signal: Signal, ask: Ask, config: WaveletConfig, *, resume: FitState | None = None, on_step: OnStep | None = None
) -> TargetResult:
    """Fit a modulated network until its file meets the target; arguments and result are those of `fit_to_target`.

    Args:
        signal: what to represent.
        ask: the request.
        config: of the network, its rate or quality being the target's.
        resume: a checkpoint of the same signal and request.
        on_step: called after every step of every fit.

    Raises:
        ConfigError: if no file of this network is as small as was asked for.
        FitDiverged: if a loss is no longer a number.
        StateMismatch: if the checkpoint is of another signal or request.
    """
    return _Search(signal, ask, config, resume).run(on_step)


class _Search:
    """The state of one call: trials, each going on from the one before, and the best file."""

    def __init__(self, signal: Signal, ask: Ask, config: WaveletConfig, resume: FitState | None) -> None:
        self._signal, self._ask, self._name = signal, ask, ask.fingerprint()
        self._max_bytes = None if ask.target is None else ask.target.max_bytes(signal.sample_count)
        self._config = self._aiming(config)
        self._trials: list[Trial] = []
        self._best: File | None = None
        self._state: FitState | None = None
        self._interrupted = False
        self._advice = ""
        if resume is not None:
            state = SearchState.from_fit_state(resume, self._name)
            self._trials, self._state, self._interrupted = list(state.trials), state.fit, True
            self._best = None if state.best is None else measured(state.best, signal)

    def run(self, on_step: OnStep | None) -> TargetResult:
        while (config := self._next()) is not None:
            result = self._fit(config, on_step)
            self._advice, self._interrupted = result.outcome.advice, False
            if result.outcome is FitOutcome.STOPPED:
                return TargetResult(
                    content=None,
                    outcome=TargetOutcome.STOPPED,
                    sentence=self._advice,
                    trials=tuple(self._trials),
                )
            self._learn(config, result)
        return self._result()

    def _aiming(self, config: WaveletConfig) -> WaveletConfig:
        """The configuration with what its fit aims at: a little below the target."""
        if self._max_bytes is not None:
            return replace(config, bits_per_sample=_AIM * 8.0 * self._max_bytes / self._signal.sample_count)
        if config.psnr_db is None:
            return config
        # Rounding to samples adds a twelfth of a step squared to what the fit sees.
        added = 1.0 / (12.0 * self._signal.storage.effective.scale**2) if self._signal.sample_format.is_integer else 0.0
        wanted = 10.0 ** (-config.psnr_db / 10.0)
        return replace(config, psnr_db=-10.0 * log10(max(wanted - added, wanted / 4.0)) - _AIM_DB)

    def _next(self) -> WaveletConfig | None:
        """The fit to make next, or None if there is nothing to gain, or no time left."""
        if not self._trials:
            return self._config
        last, limit = self._trials[-1], self._config.max_seconds
        spent = fsum(trial.seconds for trial in separate(self._trials))
        is_over = len(self._trials) >= self._ask.trials or (limit is not None and spent >= limit)
        if is_over or (self._best is not None and self._is_met(self._best) and self._is_tight(self._best)):
            return None
        # Of a fit that goes on, its own seconds count towards its limit.
        others = spent if last.is_full else spent - last.seconds
        config = replace(self._config, max_seconds=None if limit is None else limit - others)
        if self._restarts():
            config = replace(config, scales=self._scales() - self._restarts())
        if last.is_full:
            return config
        return replace(config, steps=max(last.max_steps + 1, round((1.0 + _MORE_STEPS) * last.max_steps)))

    def _restarts(self) -> int:
        """Fits that were, or are to be, made anew."""
        return sum(trial.is_full for trial in self._trials)

    def _scales(self) -> int:
        """Of the first fit."""
        return self._config.scales_of(self._signal.grid_shape)

    def _goes_on(self) -> bool:
        """Whether the next fit goes on from where the one before ended."""
        return bool(self._trials) and not self._trials[-1].is_full

    def _others(self) -> list[Trial]:
        """Fits that are not those that the next one goes on from."""
        others = separate(self._trials)
        return others[:-1] if self._goes_on() else others

    def _fit(self, config: WaveletConfig, on_step: OnStep | None) -> WaveletResult:
        resume = self._state if self._interrupted or self._goes_on() else None
        if resume is not None and not self._interrupted:
            resume = replace(resume, config=config.fingerprint())
        others = self._others()
        steps, seconds = sum(trial.steps for trial in others), fsum(trial.seconds for trial in others)

        def follow(progress: Progress) -> Verdict:
            if progress.step == progress.total_steps and len(self._trials) + 1 < self._ask.trials:
                self._state = progress.capture()
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

        file_bits = None if self._max_bytes is None else self._file_bits
        return fit_wavelets(self._signal, config, resume=resume, on_step=follow, file_bits=file_bits)

    def _file_bits(self, parameters: WaveletParameters, steps: tuple[float, ...]) -> int:
        network = RoundedNetwork(parameters=parameters, step_sizes=steps, mse=1.0)
        return 8 * len(encoded(network, self._signal))

    def _capture(self, progress: Progress, steps: int, seconds: float) -> FitState:
        best = None if self._best is None else self._best.content
        state = SearchState(trials=tuple(self._trials), best=best, speed=1.0, fit=progress.capture())
        return state.to_fit_state(self._name, steps=steps, seconds=seconds)

    def _learn(self, config: WaveletConfig, result: WaveletResult) -> None:
        """Make the file that suits the target best, and note what it showed."""
        file = self._file(result)
        if file is not None and (self._best is None or self._is_better(file, self._best)):
            self._best = file
        work = work_per_step(config, self._signal.grid_shape, self._signal.channels)
        largest = max(int(abs(codes).max()) for codes in result.parameters.latents)
        self._trials.append(
            Trial(
                network=(config.frequencies, *config.widths),
                weights=result.parameters.weight_count,
                steps=result.steps,
                max_steps=config.steps,
                seconds=result.seconds,
                work=result.steps * work,
                psnr_db=result.psnr_db,
                late_gain_db=0.0,  # for plans, which this search has none of
                peak=1.0 if file is None else max(1.0, file.max_error * 10.0 ** (file.psnr_db / 20.0)),
                loss_db=None,
                file_bytes=len(file.content) if file is not None and self._is_met(file) else None,
                goes_on=self._goes_on(),
                is_full=largest >= _FULL and config.scales_of(self._signal.grid_shape) > 1,
            )
        )

    def _file(self, result: WaveletResult) -> File | None:
        if self._max_bytes is not None:
            return land_on_size(result.rounded, self._signal, self._max_bytes)
        target = self._ask.target
        if target is not None and target.kind is TargetKind.PSNR_DB:
            return land_on_quality(result.rounded, self._signal, target.value)
        return measured(encoded(result.network, self._signal), self._signal)

    def _is_met(self, file: File) -> bool:
        target = self._ask.target
        if target is None or target.kind is not TargetKind.PSNR_DB:
            return True  # files over a limit of bytes are never kept
        return file.psnr_db >= target.value - PSNR_TOLERANCE_DB

    def _is_tight(self, file: File) -> bool:
        target = self._ask.target
        if target is not None and target.kind is TargetKind.PSNR_DB:
            return file.psnr_db <= target.value + _WORTH_LOWERING_DB
        return self._max_bytes is None or len(file.content) >= _WORTH_FILLING * self._max_bytes

    def _is_better(self, file: File, other: File) -> bool:
        target = self._ask.target
        if target is not None and target.kind.is_quality and self._is_met(file) and self._is_met(other):
            return len(file.content) < len(other.content)
        return file.psnr_db > other.psnr_db

    def _result(self) -> TargetResult:
        target, file = self._ask.target, self._best
        if file is None:
            smallest = self._config.layer_weight_count(self._signal.grid_shape, self._signal.channels)
            raise ConfigError(
                f"no modulated network fits into {target}: ask for more, about {2 * smallest} bytes at least, or for "
                "the network kind 'sines'"
            )
        met = self._is_met(file)
        steps = sum(trial.steps for trial in separate(self._trials))
        reached = f"{file.psnr_db:.2f} dB, errors up to {file.max_error:.3f}, {len(file.content)} bytes; {steps} steps."
        if target is None:
            sentence = self._advice
        elif met:
            sentence = f"The target of {target} was met: {reached}"
        else:
            hint = "a higher preset trains longer, and the network kind 'sines' may suit so high a quality better"
            if self._trials[-1].is_full:
                reached += " The integers of its latents are as large as a file holds."
            sentence = f"The target of {target} was missed: {reached} To come closer, {hint}."
        return TargetResult(
            content=file.content,
            outcome=TargetOutcome.MET if met else TargetOutcome.MISSED,
            sentence=sentence,
            trials=tuple(self._trials),
        )
