"""fit_to_target(): ask for a quality, a size or a time, and get the file.

Networks are fitted one after another, each planned by what those before have shown, until a file meets the target or
nothing more is likely to be gained; the best file is kept. What is fitted next, and how its file is made, is the
business of a strategy, of which each kind of network has one. On one CPU the same request gives the same bytes,
interrupted or not, time limits aside.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic

from tuner.decibels import PSNR_CEILING_DB, in_decibels
from tuner.errors import ConfigError
from tuner.fit.deadline import Deadline
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.signal.large import LargeSignal, as_held, as_large
from tuner.signal.signal import Signal
from tuner.targets.ask import Ask, SinesAsk, TilesAsk, WaveletsAsk
from tuner.targets.files import File, measured
from tuner.targets.outlook import Outlook
from tuner.targets.report import reported
from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.sines.strategy import SinesStrategy
from tuner.targets.state import SearchState
from tuner.targets.strategy import FittedT, OnPhase, OnStep, Strategy
from tuner.targets.target import TargetKind
from tuner.targets.tiles.crew import Crew
from tuner.targets.tiles.search import fit_in_tiles
from tuner.targets.trial import PlanT, TrialT, separate
from tuner.targets.wavelets.strategy import WaveletsStrategy

_SPENT = "spent"  # of a limit of seconds, before the search was interrupted
_EXACT = "Every sample comes back as it was."
_UNTOLD = "The error is smaller than a PSNR can tell."


def fit_to_target(
    signal: Signal | LargeSignal,
    ask: Ask,
    *,
    resume: FitState | None = None,
    on_step: OnStep | None = None,
    on_phase: OnPhase | None = None,
    device: str = "cpu",
    deadline: Deadline | None = None,
    crew: Crew | None = None,
) -> TargetResult:
    """Fit networks to a signal until a file meets the target.

    Args:
        signal: the signal to represent; one that is not held as values is copied as a whole, unless it is fitted in
            tiles.
        ask: the request, as `tuner.targets.request.ask_for` makes it.
        resume: a checkpoint of the same signal and request.
        on_step: a function that is called after every step of every fit, with steps and seconds that count on from one
            fit to the next, the steps that the whole search will take, and the time until there is a file; it may
            capture a checkpoint, and may stop the search.
        on_phase: a function that is called whenever a fit begins, whenever files are made of one, and at the end.
        device: processor to compute on, as torch names it; networks with wavelets are always fitted on the CPU.
        deadline: moment by which a limit of seconds is over, where it began before this call; None for one from now.
        crew: whoever else fits tiles of the signal, where it is fitted in tiles; None for nobody.

    Returns:
        The file and how it was found.

    Raises:
        ConfigError: if the target cannot be met by any network, such as a file of ten bytes.
        FitDiverged: if a loss is no longer a number.
        StateMismatch: if the checkpoint is of another signal or request.
    """
    deadline = deadline or Deadline(ask.seconds)
    if isinstance(ask, TilesAsk):
        large = as_large(signal)
        return fit_in_tiles(large, ask, resume=resume, on_step=on_step, on_phase=on_phase, deadline=deadline, crew=crew)
    signal = as_held(signal)
    match ask:
        case SinesAsk():
            return _Search(signal, ask, SinesStrategy(signal, ask, device), resume, on_phase, deadline).run(on_step)
        case WaveletsAsk():
            return _Search(signal, ask, WaveletsStrategy(signal, ask), resume, on_phase, deadline).run(on_step)
    raise TypeError(f"the request is a {type(ask).__name__}, expected one of sines, of wavelets or of tiles")


class _Search(Generic[PlanT, FittedT, TrialT]):
    """The state of one call: trials, the best file, and the fit that a checkpoint interrupted."""

    def __init__(
        self,
        signal: Signal,
        ask: Ask,
        strategy: Strategy[PlanT, FittedT, TrialT],
        resume: FitState | None,
        on_phase: OnPhase | None,
        deadline: Deadline,
    ) -> None:
        self._outlook, self._on_phase = Outlook(), on_phase
        self._signal, self._ask, self._strategy = signal, ask, strategy
        self._name = ask.fingerprint()
        self._trials: list[TrialT] = []
        self._best: File | None = None
        self._state: FitState | None = None  # of the fit that was interrupted, or of the one before, which goes on
        self._interrupted = False
        self._ended = FitOutcome.STOPPED
        if resume is not None:
            state = SearchState.from_fit_state(resume, self._name, strategy)
            self._trials, self._state, self._interrupted = list(state.trials), state.fit, True
            self._best = None if state.best is None else measured(state.best, signal)
            strategy.facts.update(state.facts)
        deadline.resume(strategy.facts.get(_SPENT, 0.0))
        strategy.deadline = deadline

    def run(self, on_step: OnStep | None) -> TargetResult:
        plan = self._strategy.next_plan(self._trials, self._best)
        while plan is not None:
            plan = self._carry_out(plan, on_step)
        if self._ended is FitOutcome.STOPPED:
            return TargetResult(
                content=None,
                outcome=TargetOutcome.STOPPED,
                sentence=self._ended.advice,
                trials=tuple(self._trials),
            )
        self._outlook.end()
        self._tell()
        return self._result()

    def _carry_out(self, plan: PlanT, on_step: OnStep | None) -> PlanT | None:
        """One trial; returns the plan of the next one. What only this one needs is forgotten before that begins."""
        fitted, last = self._fit(plan, on_step)
        self._ended = fitted.outcome
        if self._ended is FitOutcome.STOPPED:
            return None
        self._outlook.compress()
        self._tell()
        file, trial = self._strategy.learn(plan, fitted, self._trials)
        if file is not None and (self._best is None or file.is_better(self._best, self._ask.target)):
            self._best = file
        self._trials.append(trial)
        following = self._strategy.next_plan(self._trials, self._best)
        if following is None or not following.goes_on:
            self._state = None
        elif last is not None:  # else the checkpoint was of the last step, and is still the newest state
            self._state = last.capture()
        self._interrupted = False
        return following

    def _fit(self, plan: PlanT, on_step: OnStep | None) -> tuple[FittedT, Progress | None]:
        """The fit of one trial; also its last progress, whose state the next one may go on from."""
        resume = self._state if self._interrupted or plan.goes_on else None
        if resume is not None and not self._interrupted:
            # The same network with more steps: the fit goes on under the name of the new configuration.
            resume = replace(resume, config=plan.config.fingerprint())
        others = separate(self._trials)[:-1] if plan.goes_on else separate(self._trials)
        steps, seconds = sum(trial.steps for trial in others), math.fsum(trial.seconds for trial in others)
        first = (0, 0.0) if resume is None else (resume.step, resume.seconds)
        self._outlook.begin(self._strategy.ahead(plan, self._trials), before=(steps, seconds), first=first)
        self._tell()
        last: Progress | None = None

        def follow(progress: Progress) -> Verdict:
            nonlocal last
            last = progress
            self._outlook.stepped(progress)
            if on_step is None:
                return Verdict.CONTINUE
            return on_step(self._outlook.standing.told(progress, lambda: self._capture(progress, steps, seconds)))

        return self._strategy.fit(plan, resume, follow), last

    def _tell(self) -> None:
        if self._on_phase is not None:
            self._on_phase(self._outlook.standing)

    def _capture(self, progress: Progress, steps: int, seconds: float) -> FitState:
        best = None if self._best is None else self._best.content
        trials, facts = tuple(self._trials), dict(self._strategy.facts)
        if self._ask.seconds is not None:
            facts[_SPENT] = self._strategy.deadline.spent
        state = SearchState(trials=trials, best=best, facts=facts, fit=progress.capture())
        return state.to_fit_state(self._name, steps=steps, seconds=seconds)

    def _result(self) -> TargetResult:
        file, trials = self._best, self._trials
        if file is None:
            raise ConfigError(self._strategy.refusal())
        content = reported(file, self._signal, self._ask, sum(trial.steps for trial in separate(trials)))
        return TargetResult(
            content=content,
            outcome=TargetOutcome.MET if file.meets(self._ask.target) else TargetOutcome.MISSED,
            sentence=self._sentence(file, len(content), trials),
            trials=tuple(trials),
            file=file,
        )

    def _sentence(self, file: File, size: int, trials: Sequence[TrialT]) -> str:
        target = self._ask.target
        if target is None:
            return self._hint(file, self._ended.advice)
        tried = self._strategy.tried(trials)
        reached = f"{in_decibels(file.psnr_db)}, errors up to {file.max_error:.2g}, {size} bytes; {tried}."
        if file.meets(target):
            return f"The target of {target} was met: {reached}"
        return f"The target of {target} was missed: {reached} {self._hint(file, self._strategy.advice(trials))}"

    def _hint(self, file: File, advice: str) -> str:
        """The advice, unless it is of no use to a file that is so good."""
        if file.max_error == 0.0 and self._signal.storage.is_kept_by_values:
            return _EXACT
        is_of_peaks = self._ask.target is not None and self._ask.target.kind is TargetKind.MAX_ERROR
        return advice if is_of_peaks or file.psnr_db < PSNR_CEILING_DB else _UNTOLD
