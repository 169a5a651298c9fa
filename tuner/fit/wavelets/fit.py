"""fit_wavelets(): a signal to a modulated network of a given size or quality, with the rate in the loop.

Budgets, progress, checkpoints and outcomes are here and are those of `tuner.fit.loop.fit`; what a step does is in
`tuner.fit.wavelets.trainer`. Called by `tuner.targets.wavelets.search`, which makes the file, and by the benchmarks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from time import monotonic

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError, FitDiverged, StateMismatch
from tuner.fit.loop import Progress, Verdict, signal_fingerprint
from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.fit.wavelets.config import MOST_AXES, TOO_MANY_AXES, WaveletConfig
from tuner.fit.wavelets.trainer import FileBits, RoundedNetwork, WaveletTrainer
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.signal import Signal


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaveletResult:
    """What a fit leaves.

    Attributes:
        rounded: the network, rounded so that a file of it is larger or smaller; see `WaveletTrainer.rounded`.
        outcome: why the fit ended.
        steps_taken: those before a resume included.
        seconds: of training, those before a resume included.
        network: `rounded(0)`, rounded as it was trained.
    """

    rounded: Callable[[float], RoundedNetwork]
    outcome: FitOutcome
    steps_taken: int
    seconds: float
    network: RoundedNetwork

    @property
    def parameters(self) -> WaveletParameters:
        """Of the network, in whole steps."""
        return self.network.parameters

    @property
    def steps(self) -> tuple[float, ...]:
        """Of the tensors, in the order of the file."""
        return self.network.steps

    @property
    def psnr_db(self) -> float:
        """On the whole grid, nothing clipped."""
        return self.network.psnr_db


def fit_wavelets(
    signal: Signal,
    config: WaveletConfig,
    *,
    resume: FitState | None = None,
    on_step: Callable[[Progress], Verdict] | None = None,
    file_bits: FileBits | None = None,
) -> WaveletResult:
    """Fit a modulated network to a signal, on the CPU.

    The same signal, configuration and number of threads give the same bytes, also if the fit was interrupted and
    resumed in between (a time limit aside, which depends on the machine).

    Args:
        signal: what to represent; one to three axes of any length, values around [0, 1].
        config: rate or quality, network and effort.
        resume: a checkpoint of the same signal and configuration.
        on_step: called after every step; may capture a checkpoint, and may stop the fit.
        file_bits: the size of the file that a network makes, so that a fit to a size knows where it stands; None for an
            estimate, which is right within some percent.

    Returns:
        A network in whole steps, ready for `tuner.codec`.

    Raises:
        ConfigError: if the signal has more than three axes.
        FitDiverged: if the loss is no longer a number.
        StateMismatch: if the checkpoint is of another signal or configuration.
    """
    if len(signal.grid_shape) > MOST_AXES:
        raise ConfigError(TOO_MANY_AXES.format(len(signal.grid_shape)))
    run = _Run(signal, config, resume, file_bits)
    while (outcome := run.outcome()) is None:
        progress = run.step()
        if on_step is not None and on_step(progress) is Verdict.STOP:
            outcome = FitOutcome.STOPPED
            break
    return run.finish(outcome)


class _Run:
    """The state of one call, in the order begin, outcome?, step, finish."""

    def __init__(
        self, signal: Signal, config: WaveletConfig, resume: FitState | None, file_bits: FileBits | None
    ) -> None:
        self._config = config
        self._names = {"config": config.fingerprint(), "signal": signal_fingerprint(signal)}
        self._trainer = WaveletTrainer(signal, config, file_bits)
        self._history: list[float] = []
        self._seconds = self._seconds_before = 0.0
        self._steps_before = 0
        if resume is not None:
            self._resume(resume)

    def _resume(self, state: FitState) -> None:
        for name, own in self._names.items():
            if getattr(state, name) != own:
                raise StateMismatch(
                    f"the checkpoint is of another {name} ({getattr(state, name)[:12]}..., expected {own[:12]}...): "
                    f"resume with the very {name} it was made with, or start the fit anew"
                )
        self._trainer.load_tensors(state.tensors)
        self._history = list(state.history)
        self._seconds = self._seconds_before = state.seconds
        self._steps_before = state.step

    def outcome(self) -> FitOutcome | None:
        """Why the fit is over, or None if it is not."""
        if len(self._history) >= self._config.steps:
            return FitOutcome.STEP_LIMIT
        limit = self._config.max_seconds
        return FitOutcome.TIME_LIMIT if limit is not None and self._seconds >= limit else None

    def step(self) -> Progress:
        """Let the trainer step, and say where the fit stands."""
        started = monotonic()
        loss = self._trainer.step(self._share())
        self._seconds += monotonic() - started
        self._history.append(loss)
        if not isfinite(loss):
            raise FitDiverged(
                f"the loss is {loss} after step {len(self._history)}, expected a number: lower the learning rates"
            )
        return Progress(
            step=len(self._history),
            total_steps=self._config.steps,
            loss=loss,
            psnr_db=mse_to_psnr_db(loss),
            seconds=self._seconds,
            eta_seconds=self._eta_seconds(),
            capture=self._capture,
        )

    def finish(self, outcome: FitOutcome) -> WaveletResult:
        """Round everything."""
        return WaveletResult(
            rounded=self._trainer.rounded,
            outcome=outcome,
            steps_taken=len(self._history),
            seconds=self._seconds,
            network=self._trainer.rounded(),
        )

    def _share(self) -> float:
        """How much of the fit is done, by steps or by time, whichever is more: all phases shrink in proportion."""
        share = len(self._history) / self._config.steps
        limit = self._config.max_seconds
        return share if limit is None else max(share, self._seconds / limit)

    def _eta_seconds(self) -> float:
        steps = len(self._history)
        pace = (self._seconds - self._seconds_before) / (steps - self._steps_before)
        eta = pace * (self._config.steps - steps)
        limit = self._config.max_seconds
        return eta if limit is None else max(0.0, min(eta, limit - self._seconds))

    def _capture(self) -> FitState:
        return FitState(
            **self._names,
            step=len(self._history),
            seconds=self._seconds,
            history=tuple(self._history),
            tensors={name: tensor.to("cpu", copy=True) for name, tensor in self._trainer.tensors().items()},
        )
