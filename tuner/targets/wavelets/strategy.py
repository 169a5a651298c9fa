"""Networks with wavelets by target: the size or the quality is part of the fit, so one network is enough.

What a bit is worth moves while the fit runs until the file has the size or the quality that was asked for; the rest is
done by rounding (`tuner.targets.wavelets.landing`). What still misses goes on from its own state for half as many steps
again, up to the number of trials. Where a network that learns nothing may serve better, it is made as well: small files
save its layers, and large integers are exact in it (docs/decisions/0025-large-integers-of-wavelets.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum, log, log10

from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.exact import STEP_RATIO
from tuner.fit.wavelets.fit import WaveletResult, fit_wavelets
from tuner.fit.wavelets.rounded import RoundedNetwork
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.signal import Signal
from tuner.targets.ask import WaveletsAsk
from tuner.targets.files import File, measured
from tuner.targets.outlook import Ahead
from tuner.targets.strategy import OnStep, Strategy
from tuner.targets.target import TargetKind
from tuner.targets.trial import Plan, Trial, separate
from tuner.targets.wavelets.forecast import (
    BOTH_DB,
    ENOUGH_BYTES,
    LEAST_BYTES,
    begins_exact,
    exact_work,
    shares_sizes,
    work_per_step,
)
from tuner.targets.wavelets.landing import encoded, land_on_quality, land_on_size
from tuner.targets.wavelets.sharing import shared_configs
from tuner.words import counted

_WORTH_FILLING = 0.95  # of a limit of bytes
_WORTH_LOWERING_DB = 0.15  # above a quality
_MORE_STEPS = 0.5  # of those before, for a fit that goes on
# Where a network that learns nothing may be the better: with integers so large, and in files so small, the layers of
# one that learns being 400 to 700 bytes.
_LARGE_CODE, _SMALL_BYTES = 300, 2500
# Of which signals a few steps tell whether training makes a smaller file: by their axes, as sounds are otherwise.
_PICTURE_AXES = 2
# Of so few bytes a file cannot be better, even where its quality is more than was asked for.
_TINY_BYTES = 256
_FLOATS_DB = 100.0  # above, errors of a float's last bits add up
_MOST_EXACT = 4  # networks that learn nothing for one quality
# Work for those who wait, in steps: what precedes the first one, the files that are tried, and the one step of a
# network that learns nothing, which tries what its latents should be. Roughly, from a few fits of small pictures.
_BEGIN, _FILES, _EXACT_STEP = 6.0, 8.0, 15.0
# Of a limit of seconds, for the last file: so many steps' work, and no larger share of the limit.
_LAST_FILES, _MOST_RESERVED = 3.0, 0.25
_LEAST_SECONDS = 1e-3  # of steps: one is taken
_MOST_LARGE_CODE = 6000  # with larger ones, it is the better for certain
# Where a fit aims, below what is asked for: rounding away from zero then makes up for it, cheaply.
_AIM, _AIM_DB = 0.975, 0.05
# Size over the one that a fit aimed at, beyond which a network is too large for it.
_TOO_LARGE = 1.06
# Steps of latents beside the one that a search ended with, whose files may be better: two finer ones, seven coarser.
_BESIDE = tuple(power * log(STEP_RATIO) for power in (-2, -1, 1, 2, 3, 4, 5, 6, 7))


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveletsTrial(Trial):
    """What one fitted network with wavelets showed.

    Attributes:
        learned: whether the weights of the network were learned.
        largest: largest latent of the network, without the sign.
        is_beaten: whether the fit ended early, since its file would not have become smaller than one that was there.
        excess: size of the file as it was trained, over the size that the fit aimed at, of the first network where
            requests share sizes; otherwise 1.
    """

    learned: bool
    largest: int
    is_beaten: bool = False
    excess: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveletsPlan(Plan):
    """A fit of a network with wavelets to make.

    Attributes:
        config: network, rate or quality, budget and seed of the fit.
        rival_bytes: size of a file that is there and meets the target, below which the fit must get; None if there is
            none, or if it is to be made in any case.
    """

    config: WaveletConfig
    rival_bytes: int | None = None


class WaveletsStrategy(Strategy[WaveletsPlan, WaveletResult, WaveletsTrial]):
    """How a network with wavelets is brought to a target.

    Args:
        signal: the signal to represent.
        ask: request to answer.
    """

    trial = WaveletsTrial

    def __init__(self, signal: Signal, ask: WaveletsAsk) -> None:
        super().__init__()
        self._signal, self._ask = signal, ask
        self._max_bytes, bits = None, ask.config.bits_per_sample
        if ask.target is not None and ask.target.kind.is_size:
            self._max_bytes = ask.target.max_bytes(signal.sample_count)
        elif bits is not None:
            self._max_bytes = int(bits * signal.sample_count / 8.0)
        self._config = self._aiming(ask.config)
        self._is_shared = shares_sizes(ask.config, signal.values.size)
        self._shared: tuple[WaveletConfig, ...] = ()  # configurations of networks that requests share
        if self._is_shared and self._max_bytes is not None and ask.config.learned:
            self._shared = shared_configs(self._config, self._max_bytes, signal.sample_count, _AIM)
        self._begins_exact = begins_exact(ask.config, signal.values.size)

    def next_plan(self, trials: Sequence[WaveletsTrial], best: File | None) -> WaveletsPlan | None:
        """The fit, the same with more steps from where it ended, or a network that learns nothing.

        That is made last, or first if there is a limit of seconds, of which it takes few, or if the signal is small and
        its file may be all that is wanted.
        """
        limit = self._config.max_seconds
        learned = [trial for trial in trials if trial.learned]
        left = None if limit is None else self._left(trials, limit)
        if left is not None and left <= 0.0:
            if trials:
                return None
            left = _LEAST_SECONDS  # a valid file is made all the same
        is_done = best is not None and best.meets(self._ask.target) and self._is_tight(best)
        if not trials and (limit is not None or not self._config.learned or self._begins_exact):
            return self._exact(left)
        if self._begins_exact and not learned:
            if best is not None and best.meets(self._ask.target):
                is_enough = len(best.content) <= (ENOUGH_BYTES if self._is_tight(best) else _TINY_BYTES)
                config, is_picture = (
                    replace(self._config, max_seconds=left),
                    len(self._signal.grid_shape) == _PICTURE_AXES,
                )
                rival_bytes = len(best.content) if is_picture else None
                return None if is_enough else WaveletsPlan(config=config, rival_bytes=rival_bytes)
            if (higher := self._higher(len(trials), best, left)) is not None:
                return higher
        if not learned:
            is_hopeless = not self._config.learned or (bool(trials) and trials[-1].largest >= _MOST_LARGE_CODE)
            config = self._shared[0] if self._shared else replace(self._config, max_seconds=left)
            return None if is_hopeless else WaveletsPlan(config=config)
        if not trials[-1].learned:
            return self._higher(len(trials) - len(learned), best, left)
        last = learned[-1]
        if last.is_beaten:
            return None
        if len(learned) < self._networks(trials):
            return WaveletsPlan(config=self._shared[len(learned)])
        is_large = last.largest >= _LARGE_CODE
        is_asked = self._ask.target is not None and self._ask.target.kind is not TargetKind.SECONDS
        if is_asked and not is_done and not is_large and len(learned) < self._ask.trials:
            # Of a fit that goes on, its own seconds count towards its limit.
            config = replace(self._config, max_seconds=None if left is None else left + last.seconds)
            steps = max(last.max_steps + 1, round((1.0 + _MORE_STEPS) * last.max_steps))
            return WaveletsPlan(config=replace(config, steps=steps), goes_on=True)
        is_small = self._is_shared or (best is not None and len(best.content) < _SMALL_BYTES)
        return self._exact(left) if len(learned) == len(trials) and (is_large or is_small or not is_done) else None

    def _networks(self, trials: Sequence[WaveletsTrial]) -> int:
        """How many networks that learn are made for sizes that requests share.

        A file that came out too large is no good at the size that it was meant for; it is where the next two are asked
        for, and so was the one before it.
        """
        if not self._shared:
            return 0
        return len(self._shared) - (not trials or trials[0].excess <= _TOO_LARGE)

    def _left(self, trials: Sequence[WaveletsTrial], limit: float) -> float:
        """Seconds for the next steps, so that they and their file are done in time; 0 where they would not be."""
        left = limit - fsum(trial.seconds for trial in separate(trials))
        if self.deadline.left is None:
            return left
        left = min(left, self.deadline.left)
        step = work_per_step(self._config, self._signal.grid_shape, self._signal.channels)
        if trials and not trials[-1].learned and len(trials) == 1:
            # What went before shows how fast this machine is; that of a network that learns has work before it.
            work = exact_work(self._config, self._signal.grid_shape, self._signal.channels)
            pace = self.deadline.spent / work
            return left - self._reserve(limit) if left > pace * step * (_BEGIN + 1.0 + _LAST_FILES) else 0.0
        return left - self._reserve(limit)

    def _reserve(self, limit: float) -> float:
        """Seconds that are kept for the file, a quarter of the limit at most."""
        step = work_per_step(self._config, self._signal.grid_shape, self._signal.channels)
        return min(_MOST_RESERVED * limit, _LAST_FILES * step)

    def _exact(self, seconds: float | None, raised_db: float = 0.0) -> WaveletsPlan:
        """A network that learns nothing, which is not counted among those that may be trained."""
        aim = None if self._config.psnr_db is None else self._config.psnr_db + raised_db
        return WaveletsPlan(config=replace(self._config, psnr_db=aim, learned=False, steps=1, max_seconds=seconds))

    def _higher(self, made: int, best: File | None, seconds: float | None) -> WaveletsPlan | None:
        """For a quality that is still missed, a network that learns nothing and aims as much higher.

        Where quality is low, what a fit aims at and what rounding leaves of it lie apart by decibels.

        Args:
            made: number of networks that learn nothing so far.
            best: best file so far.
            seconds: time that is left.
        """
        target = self._ask.target
        if target is None or target.kind is not TargetKind.PSNR_DB or best is None or best.meets(target):
            return None
        if made >= _MOST_EXACT:
            return None
        return self._exact(seconds, 1.5 * made * (target.value - best.psnr_db))

    def ahead(self, plan: WaveletsPlan, trials: Sequence[WaveletsTrial]) -> Ahead:
        """The steps, and the other of the two networks where it is likely to be made, too."""
        config, target = self._config, self._ask.target
        step = work_per_step(config, self._signal.grid_shape, self._signal.channels)
        nothing_work, learned_work = (_EXACT_STEP + _FILES) * step, (config.steps + _BEGIN + _FILES) * step
        later_steps, later_work = 0, 0.0
        if not plan.config.learned:
            if not trials and config.learned and not self._begins_exact:
                later_steps, later_work = config.steps, learned_work
                if config.max_seconds is not None and config.max_seconds < learned_work:
                    later_steps, later_work = round(config.max_seconds / step), config.max_seconds
            return Ahead(
                steps=1,
                step_work=_EXACT_STEP * step,
                files_work=_FILES * step,
                later_steps=later_steps,
                later_work=later_work,
            )
        if all(trial.learned for trial in trials):
            wants_much = target is not None and target.kind is TargetKind.PSNR_DB and target.value > BOTH_DB
            is_small = self._is_shared or (self._max_bytes is not None and self._max_bytes < _SMALL_BYTES)
            if wants_much or is_small:
                later_steps, later_work = 1, nothing_work
            shared = max(0, self._networks(trials) - len(trials) - 1)
            later_steps, later_work = later_steps + shared * config.steps, later_work + shared * learned_work
        return Ahead(
            steps=plan.config.steps,
            step_work=step,
            begin_work=_BEGIN * step,
            files_work=_FILES * step,
            later_steps=later_steps,
            later_work=later_work,
            max_seconds=plan.config.max_seconds,
        )

    def fit(self, plan: WaveletsPlan, resume: FitState | None, on_step: OnStep) -> WaveletResult:
        """Train the network, its size judged by real files."""
        file_bits = None if self._max_bytes is None else self._file_bits
        limit = self._config.max_seconds
        deadline = None if limit is None else self.deadline.earlier(self._reserve(limit))
        return fit_wavelets(
            self._signal,
            plan.config,
            resume=resume,
            on_step=on_step,
            file_bits=file_bits,
            deadline=deadline,
            rival_bytes=plan.rival_bytes,
        )

    def learn(
        self,
        plan: WaveletsPlan,
        fitted: WaveletResult,
        trials: Sequence[WaveletsTrial],  # noqa: ARG002  what came before has nothing to do with it
    ) -> tuple[File | None, WaveletsTrial]:
        """Round the latents as the target wants them."""
        config, signal = plan.config, self._signal
        is_beaten = plan.rival_bytes is not None and fitted.outcome is FitOutcome.PLATEAU
        file = None if is_beaten else self._file(plan, fitted)
        return file, WaveletsTrial(
            network=(config.frequencies, *config.widths),
            weights=fitted.parameters.weight_count,
            steps=fitted.steps,
            max_steps=config.steps,
            seconds=fitted.seconds,
            work=fitted.steps * work_per_step(config, signal.grid_shape, signal.channels),
            psnr_db=fitted.psnr_db,
            file_bytes=len(file.content) if file is not None and file.meets(self._ask.target) else None,
            goes_on=plan.goes_on,
            learned=config.learned,
            largest=max(int(abs(codes).max()) for codes in fitted.parameters.latents),
            is_beaten=is_beaten,
            excess=self._excess(plan, fitted),
        )

    def tried(self, trials: Sequence[WaveletsTrial]) -> str:
        """How many steps it took."""
        return counted(sum(trial.steps for trial in separate(trials)), "step")

    def advice(self, trials: Sequence[WaveletsTrial]) -> str:
        """A higher effort, or the other kind of network; of floats, that there is an end."""
        if not self._signal.sample_format.is_integer and max(trial.psnr_db for trial in trials) > _FLOATS_DB:
            return "Values are computed as 32-bit floats, which come hardly closer."
        return (
            "To come closer, a higher effort (preset of the service) trains longer, and the network kind 'sines' may "
            "suit the signal better."
        )

    def refusal(self) -> str:
        """The least is a file of zeros: its header, its levels, and whatever else belongs to the signal."""
        is_known = self._max_bytes is not None and self._max_bytes < LEAST_BYTES
        least = f", about {LEAST_BYTES} bytes at least beside what belongs to the signal" if is_known else ""
        more = f"ask for more{least}, or for the network kind 'sines'"
        return f"no network with wavelets fits into {self._ask.target}: {more}"

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

    def _file_bits(self, parameters: WaveletParameters, steps: tuple[float, ...]) -> int:
        network = RoundedNetwork(parameters=parameters, step_sizes=steps, mse=1.0)
        return 8 * len(encoded(network, self._signal))

    def _file(self, plan: WaveletsPlan, fitted: WaveletResult) -> File | None:
        target = self._ask.target
        if self._max_bytes is not None:
            beside = _BESIDE if self._is_shared and not plan.config.learned else ()
            file = land_on_size(fitted.rounded, self._signal, self._max_bytes, self.deadline, beside)
            if file is not None or (target is not None and target.kind.is_size):
                return file
        if target is not None and target.kind is TargetKind.PSNR_DB:
            return land_on_quality(fitted.rounded, self._signal, target.value, self.deadline)
        return measured(encoded(fitted.network, self._signal), self._signal)

    def _excess(self, plan: WaveletsPlan, fitted: WaveletResult) -> float:
        bits = plan.config.bits_per_sample
        if bits is None or plan.config not in self._shared[:1]:
            return 1.0
        return 8.0 * len(encoded(fitted.network, self._signal)) / (bits * self._signal.sample_count)

    def _is_tight(self, file: File) -> bool:
        """Whether there is nothing to gain from a file that is closer to the target."""
        target = self._ask.target
        if target is not None and target.kind is TargetKind.PSNR_DB:
            return file.psnr_db <= target.value + _WORTH_LOWERING_DB
        return self._max_bytes is None or len(file.content) >= _WORTH_FILLING * self._max_bytes
