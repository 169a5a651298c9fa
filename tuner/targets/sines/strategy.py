"""Networks of sines by target: the search is for the size of the network.

A network of the size that the forecast names is fitted (if its first steps promise what is wanted, else one of another
size), its file is rounded so that it just meets the target, and what that showed corrects the forecast for the next
network, if one is needed. A fit that falls just short goes on where it was. `tuner.targets.sines.plan` decides that.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import fsum

from tuner.decibels import mse_to_psnr_db
from tuner.fit.config import Budget
from tuner.fit.result import FitOutcome
from tuner.fit.sines.fit import FitResult, fit
from tuner.fit.state import FitState
from tuner.metrics import written_psnr_db
from tuner.representation import Representation
from tuner.signal.compaction import compaction_db
from tuner.signal.signal import Signal
from tuner.targets.ask import SinesAsk
from tuner.targets.files import File, max_error
from tuner.targets.outlook import Ahead
from tuner.targets.sines.estimate import FILES
from tuner.targets.sines.files import LOSSES_DB, RoundedFile, file_good_enough, file_with_loss, file_within_bytes
from tuner.targets.sines.forecast import Forecast
from tuner.targets.sines.plan import SinesPlan, SinesTrial, needed_psnr_db, next_plan
from tuner.targets.sines.sizes import sized
from tuner.targets.strategy import OnStep, Strategy
from tuner.targets.target import TargetKind
from tuner.targets.trial import separate
from tuner.targets.wavelets.choice import wavelets_suit

_PROBE_STEPS = 4
_MOST_RESERVED = 0.25  # of a limit of seconds, for the file
_LEAST_SECONDS = 1e-3  # of steps: one is taken
_SPEED = "speed"
_FLOAT_STEP = 2.0**-24  # of 32 bits, just below 1
_MOST_OF_ALL = 0.7  # of the most weights that a network of a signal gets: it gets no more


class SinesStrategy(Strategy[SinesPlan, FitResult, SinesTrial]):
    """How networks of sines are brought to a target.

    Args:
        signal: the signal to represent.
        ask: request to answer.
        device: processor to compute on, as torch names it.
    """

    trial = SinesTrial

    def __init__(self, signal: Signal, ask: SinesAsk, device: str) -> None:
        super().__init__()
        self._signal, self._ask, self._device = signal, ask, device
        self._forecast = forecast_of(signal)

    def next_plan(self, trials: Sequence[SinesTrial], best: File | None) -> SinesPlan | None:  # noqa: ARG002
        """The network that the forecast names, corrected by the last trial."""
        target = self._ask.target
        if target is not None and target.kind is TargetKind.SECONDS and _SPEED not in self.facts:
            self.facts[_SPEED] = self._measured_speed()
        ask = self._ask
        if (left := self.deadline.left) is not None:
            # The plan takes the steps so far from the limit; what else took time is taken from it here.
            budget, steps = ask.config.budget, fsum(trial.seconds for trial in separate(trials))
            left = max(left - self._reserve(), 0.0 if trials else _LEAST_SECONDS)
            limit = min(left + steps, budget.max_seconds or float("inf"))
            ask = replace(ask, config=replace(ask.config, budget=replace(budget, max_seconds=limit)))
        return next_plan(ask, self._forecast, trials, speed=self.facts.get(_SPEED, 1.0))

    def ahead(self, plan: SinesPlan, trials: Sequence[SinesTrial]) -> Ahead:  # noqa: ARG002
        """The steps and the files; after a pilot, the rest of its fit."""
        budget, target = plan.config.budget, self._ask.target
        step = self._forecast.work_per_step(plan.config.network)
        files = (1.0 if target is None else FILES.get(target.kind, 1.0)) * self._forecast.work_per_file(
            plan.config.network
        )
        if not plan.is_pilot:
            return Ahead(steps=budget.max_steps, step_work=step, files_work=files, max_seconds=budget.max_seconds)
        later_steps = max(0, self._ask.config.budget.max_steps - budget.max_steps)
        return Ahead(
            steps=budget.max_steps,
            step_work=step,
            later_steps=later_steps,
            later_work=later_steps * step + files,
            max_seconds=budget.max_seconds,
        )

    def fit(self, plan: SinesPlan, resume: FitState | None, on_step: OnStep) -> FitResult:
        """Train the network of a plan."""
        return fit(
            self._signal,
            plan.config,
            resume=resume,
            on_step=on_step,
            device=self._device,
            deadline=self.deadline.earlier(self._reserve()),
        )

    def _reserve(self) -> float:
        """Seconds that are kept for the file, a quarter of the limit at most; the search may choose a small network."""
        limit, work = self._ask.seconds, self._forecast.work_per_file(self._ask.config.network)
        return 0.0 if limit is None else min(_MOST_RESERVED * limit, work)

    def learn(
        self, plan: SinesPlan, fitted: FitResult, trials: Sequence[SinesTrial]
    ) -> tuple[RoundedFile | None, SinesTrial]:
        """Round the weights as the target wants them.

        Unless the network was a pilot, a short fit that only shows whether its size is worth more: that has no file.
        """
        # A pilot that used up its time, or reached its goal, is a fit like any other.
        is_pilot = plan.is_pilot and fitted.outcome is FitOutcome.STEP_LIMIT
        representation = Representation.of(fitted.network.parameters_numpy(), self._signal)
        values = representation.render().values
        quality_db = written_psnr_db(self._signal.values, values, self._signal.storage)
        peak = max_error(self._signal, values) * 10.0 ** (quality_db / 20.0)
        file = None if is_pilot else self._file(representation, quality_db, trials)
        network = plan.config.network
        return file, SinesTrial(
            network=(network.frequencies, *network.hidden),
            weights=representation.parameters.weight_count,
            steps=fitted.steps,
            max_steps=plan.config.budget.max_steps,
            seconds=fitted.seconds,
            work=fitted.steps * self._forecast.work_per_step(network),
            psnr_db=quality_db,
            late_gain_db=_late_gain_db(fitted.history),
            peak=max(peak, 1.0),
            loss_db=None if file is None else file.loss_db,
            file_bytes=None if file is None or not file.meets(self._ask.target) else len(file.content),
            goes_on=plan.goes_on,
            is_pilot=is_pilot,
        )

    def tried(self, trials: Sequence[SinesTrial]) -> str:
        """How many networks it took."""
        networks = len({trial.network for trial in trials})
        return f"{networks} networks were trained" if networks > 1 else "one network was trained"

    def advice(self, trials: Sequence[SinesTrial]) -> str:
        """More freedom or steps, a higher effort, or the other kind of network, whose errors are known as a mean."""
        if not self._ask.free_size:
            return "To come closer, leave the size of the network to the search, or allow more steps."
        if trials[-1].weights < _MOST_OF_ALL * self._forecast.weight_range()[1]:
            return "To come closer, a higher effort (preset of the service) trains longer and tries more networks."
        closer = ["No larger network of sines is tried for this signal."]
        target, storage = self._ask.target, self._signal.storage
        step = 1.0 / storage.effective.scale if storage.format.is_integer else _FLOAT_STEP
        if target is not None and target.kind is TargetKind.MAX_ERROR and target.value < step:
            closer.append(f"Less than {step:.2g}, the smallest step of its samples, is no error at all.")
        if wavelets_suit(self._signal, None):
            closer.append("To come closer, ask for a quality (psnr_db), of the network kind 'wavelets'.")
        return " ".join(closer)

    def refusal(self) -> str:
        """The file of the smallest network, rounded as coarsely as can be, is the least."""
        smallest = self._forecast.smallest_file_bytes()
        return (
            f"no network that was tried fits into {self._ask.target}: ask for more, about {smallest:.0f} bytes at least"
        )

    def _file(
        self, representation: Representation, quality_db: float, trials: Sequence[SinesTrial]
    ) -> RoundedFile | None:
        """The file of a network that suits the target best; None if none can be within a limit of bytes."""
        target, signal = self._ask.target, self._signal
        if target is None or target.kind is TargetKind.SECONDS:
            return file_with_loss(
                representation, signal, self._ask.max_loss_db, thorough=self._ask.thorough and not self.deadline.is_over
            )
        max_bytes = target.max_bytes(signal.sample_count)
        if max_bytes is not None:
            return file_within_bytes(representation, signal, max_bytes, self.deadline)
        if target.kind is TargetKind.PSNR_DB:
            return file_with_loss(representation, signal, quality_db - target.value)
        first_loss_db = quality_db - needed_psnr_db(self._ask, trials)
        good = file_good_enough(representation, signal, first_loss_db, lambda file: file.meets(target), self.deadline)
        return good or file_with_loss(representation, signal, LOSSES_DB[0])

    def _measured_speed(self) -> float:
        """Work per second of this machine, from a few steps of a small network."""
        config = self._ask.config
        network = sized(config.network, 0.02 * self._signal.sample_count)
        probe = replace(config, network=network, budget=Budget(max_steps=_PROBE_STEPS))
        result = fit(self._signal, probe, device=self._device)
        return result.steps * self._forecast.work_per_step(network) / max(result.seconds, 1e-6)


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
