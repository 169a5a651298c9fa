"""fit_wavelets(): a signal becomes integer wavelet latents and a small sine layer above them, for a size or a quality.

Size and error are traded while the network is trained (`tuner.fit.wavelets.trainer`), so that what comes out is in
whole quantisation steps and ready for a file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tuner.errors import ConfigError
from tuner.fit.config import Budget
from tuner.fit.deadline import Deadline
from tuner.fit.loop import Fingerprints, signal_fingerprint, train
from tuner.fit.progress import Clock, Progress, Verdict
from tuner.fit.result import FitOutcome, FitSummary
from tuner.fit.state import FitState
from tuner.fit.wavelets.config import MOST_AXES, TOO_MANY_AXES, WaveletConfig
from tuner.fit.wavelets.rounded import FileBits, RoundedNetwork
from tuner.fit.wavelets.trainer import BEATEN, WaveletTrainer
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.signal import Signal


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaveletResult(FitSummary):
    """A fitted network of wavelets and the facts of its fit.

    Attributes:
        network: the network in whole quantisation steps, rounded as it was trained.
        rounded: returns the network rounded so that its file is smaller (above 0) or larger (below 0); see
            `WaveletTrainer.rounded`.
    """

    network: RoundedNetwork
    rounded: Callable[[float], RoundedNetwork]

    @property
    def parameters(self) -> WaveletParameters:
        """Weights and latents of the network, in whole quantisation steps."""
        return self.network.parameters


def fit_wavelets(
    signal: Signal,
    config: WaveletConfig,
    *,
    resume: FitState | None = None,
    on_step: Callable[[Progress], Verdict] | None = None,
    file_bits: FileBits | None = None,
    deadline: Deadline | None = None,
    rival_bytes: int | None = None,
) -> WaveletResult:
    """Fit wavelet latents and a small sine layer to a signal, on the CPU.

    Equal signals, configurations and numbers of threads give equal bytes, whether a fit was interrupted or not, unless
    it has a time limit, which depends on the machine.

    Args:
        signal: samples to represent, on a grid of one to three axes of any length, with values around [0, 1].
        config: size or quality to aim for, shape of the network, and effort.
        resume: checkpoint to go on from, made with this signal and configuration; None to begin.
        on_step: function to call after each step, which may capture a checkpoint or stop the fit.
        file_bits: returns the size in bits of the file that a network makes, so that a fit to a size knows where it
            stands; None for an estimate, which is right within some percent.
        deadline: moment after which no step begins but the first, and what that can do without is left out; None for
            none.
        rival_bytes: size of a file that is there and has the quality that the configuration asks for: a fit that does
            not seem to get below it ends after a few steps, as on a plateau. None if there is none.

    Returns:
        A network in whole quantisation steps, ready for `tuner.codec`, and how the fit ended.

    Raises:
        ConfigError: if the signal has more than three axes.
        FitDiverged: if the error is not a number any more.
        StateMismatch: if the checkpoint was made with another signal or configuration.
    """
    if len(signal.grid_shape) > MOST_AXES:
        raise ConfigError(TOO_MANY_AXES.format(len(signal.grid_shape)))
    steps = config.steps
    if resume is not None and rival_bytes is not None and BEATEN in resume.tensors and bool(resume.tensors[BEATEN]):
        steps = resume.step  # it had given up when it was interrupted
    clock = Clock(Budget(max_steps=steps, max_seconds=config.max_seconds))
    trainer = WaveletTrainer(signal, config, file_bits, clock, deadline, rival_bytes)
    names = Fingerprints(config.fingerprint(), signal_fingerprint(signal))
    was_stopped = False

    def follow(progress: Progress) -> Verdict:
        nonlocal was_stopped
        verdict = Verdict.CONTINUE if on_step is None else on_step(progress)
        was_stopped = verdict is Verdict.STOP
        return Verdict.STOP if trainer.is_beaten else verdict

    end = train(trainer, clock, names, resume=resume, on_step=follow, deadline=deadline)
    if trainer.is_beaten and not was_stopped:
        end = replace(end, outcome=FitOutcome.PLATEAU)
    return WaveletResult(**end.facts(), network=trainer.network, rounded=trainer.rounded)
