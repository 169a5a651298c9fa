"""Which network to train next, from what was asked and what the trials so far have shown. No torch, no randomness.

The forecast is off by a constant number of decibels or by a constant factor of bytes for one signal; the last trial
shows by how much, and the next one is planned with that correction. Where a quality is asked for, the first part of a
fit is a pilot: it tells whether that network will do, before the rest is paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10

from tuner.fit.config import FitConfig
from tuner.targets.ask import SinesAsk
from tuner.targets.sines.forecast import Forecast
from tuner.targets.sines.sizes import sized, solve_rising, weight_count
from tuner.targets.target import TargetKind
from tuner.targets.trial import Plan, Trial, separate

TYPICAL_PEAK = 9.0  # largest error of a sample, in root mean square errors
_UNEVEN = 1.2
_LARGEST_SIZE_STEP = 6.0  # between two trials: a forecast that is off by more is not to be trusted further
_WORTH_TRAINING_ON_DB = 0.4  # a trial that falls short by no more goes on instead of being replaced
_FEWEST_STEPS = 40
_TIMED_STEPS = 2000  # a limit of time ends the fit, not this
_COARSEST_DB, _FINEST_DB = 1.6, 0.07  # a file rounded beyond these has too many weights, or too few
# A network is planned to exceed a quality by so much after all of its steps. What it exceeds it by makes the file
# smaller, and a fit that does not end somewhere on the flat end of its curve takes the time that it was said to take.
SURPLUS_DB = 1.0
_ENOUGH_DB = 2.4  # more makes a file that fewer weights could have made smaller: a fit stops there
_PILOT_SHARE, _FEWEST_PILOT_STEPS = 0.4, 6
_LEAST_PROMISE_DB = 0.2  # of a pilot; below, another network is the better use of the steps
_UNUSED_STEPS = 0.25  # a target reached after such a share of the steps could have been met by fewer weights
_WORTH_SHRINKING = 0.7
_WORTH_A_NEW_START = 0.6  # such a share of the weights, when a pilot promises more than enough


@dataclass(frozen=True, kw_only=True, slots=True)
class SinesTrial(Trial):
    """What one fitted network of sines showed.

    Attributes:
        late_gain_db: gain of the second half of the steps, in dB.
        peak: largest error of a sample over the root mean square error of the fit.
        loss_db: loss by rounding in the file that suits the target best, in dB; None if there is no file.
        is_pilot: whether this was the beginning of a fit, to see whether the network is of the right size; there is no
            file then.
    """

    late_gain_db: float
    peak: float
    loss_db: float | None
    is_pilot: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SinesPlan(Plan):
    """A fit of a network of sines to make.

    Attributes:
        config: network, trainer, budget and seed of the fit.
        is_pilot: whether it is only to see whether the network is of the right size.
    """

    config: FitConfig
    is_pilot: bool = False


def next_plan(
    ask: SinesAsk, forecast: Forecast, trials: Sequence[SinesTrial], *, speed: float = 1.0
) -> SinesPlan | None:
    """The fit to make next, or None if what there is meets the target or no further fit is likely to do better.

    Args:
        ask: request to plan for.
        forecast: what is expected of fits of the signal.
        trials: what the fits so far have shown, in order.
        speed: the work that this machine does in a second; it matters where seconds are asked for.
    """
    base = ask.config
    left = (
        None if base.budget.max_seconds is None else base.budget.max_seconds - sum(t.seconds for t in separate(trials))
    )
    if trials and (_fitted(trials) >= ask.trials or (left is not None and left <= 0.0)):
        return None
    if left is not None:
        base = replace(base, budget=replace(base.budget, max_seconds=left))
    if ask.target is None:
        return None if trials else SinesPlan(config=base)
    kind, value = ask.target.kind, ask.target.value
    if kind is TargetKind.SECONDS:
        return None if trials else _timed(base, ask, forecast, min(value, base.budget.max_seconds or value) * speed)
    max_bytes = ask.target.max_bytes(forecast.samples)
    if max_bytes is not None:
        return _of_size(base, ask, forecast, trials, max_bytes)
    return _of_quality(base, ask, forecast, trials, needed_psnr_db(ask, trials))


def _fitted(trials: Sequence[SinesTrial]) -> int:
    return sum(not trial.is_pilot for trial in trials)


def needed_psnr_db(ask: SinesAsk, trials: Sequence[SinesTrial]) -> float:
    """PSNR of a file that meets a target of quality."""
    assert ask.target is not None  # noqa: S101  asked for targets of quality only
    if ask.target.kind is TargetKind.PSNR_DB:
        return ask.target.value
    last = trials[-1] if trials else None
    if last is not None and last.file_bytes is not None and last.loss_db is not None:
        return last.psnr_db - last.loss_db
    # Errors of a better network are less even: what an edge costs falls last.
    peak = TYPICAL_PEAK if last is None else _UNEVEN * last.peak
    return 20.0 * log10(peak / ask.target.value)


def _timed(base: FitConfig, ask: SinesAsk, forecast: Forecast, work: float) -> SinesPlan:
    assert ask.target is not None  # noqa: S101
    seconds = min(ask.target.value, base.budget.max_seconds or ask.target.value)
    config = replace(base, budget=replace(base.budget, max_seconds=seconds, max_steps=_TIMED_STEPS))
    if ask.free_size:
        # The preset's network, or one so small that there is time for enough steps.
        preset = float(weight_count(base.network, forecast.channels))
        weights = min(preset, forecast.weights_for_work(work, _FEWEST_STEPS))
        config = replace(config, network=sized(config.network, weights))
    return SinesPlan(config=config)


def _of_size(
    base: FitConfig, ask: SinesAsk, forecast: Forecast, trials: Sequence[SinesTrial], max_bytes: int
) -> SinesPlan | None:
    steps = base.budget.max_steps
    if not ask.free_size:
        return None if trials else SinesPlan(config=base)
    if not trials:
        return SinesPlan(
            config=replace(base, network=sized(base.network, forecast.weights_for_bytes(max_bytes, steps)))
        )
    last = trials[-1]
    if last.loss_db is None or last.file_bytes is None:
        weights = last.weights / 3.0
    elif _FINEST_DB <= last.loss_db <= _COARSEST_DB:
        return None
    else:
        expected = forecast.file_bytes(last.weights, last.psnr_db, last.loss_db)
        weights = forecast.weights_for_bytes(max_bytes * expected / last.file_bytes, steps)
    return _other_network(base, trials, weights, forecast.channels)


def _of_quality(
    base: FitConfig, ask: SinesAsk, forecast: Forecast, trials: Sequence[SinesTrial], needed_db: float
) -> SinesPlan | None:
    steps = base.budget.max_steps
    goal_db = needed_db + SURPLUS_DB
    base = replace(base, budget=replace(base.budget, target_psnr_db=needed_db + _ENOUGH_DB))
    if not trials:
        if not ask.free_size:
            return SinesPlan(config=base)
        network = sized(base.network, forecast.weights_for_psnr(goal_db, steps))
        return _pilot(replace(base, network=network))
    last = trials[-1]
    expected_db = _expected_psnr_db(last, steps, forecast)
    surplus_db = expected_db - forecast.psnr_db(last.weights, steps)
    weights = solve_rising(
        lambda weights: forecast.psnr_db(weights, steps) + surplus_db, goal_db, *forecast.weight_range()
    )
    if last.is_pilot:
        promised_db = expected_db - needed_db
        is_small_enough = promised_db <= _ENOUGH_DB or weights > _WORTH_A_NEW_START * last.weights
        is_suitable = promised_db >= _LEAST_PROMISE_DB and is_small_enough
        other = None if is_suitable else _other_network(base, trials, weights, forecast.channels)
        return other or _continued(base, last, steps)
    is_met = last.file_bytes is not None
    is_tight = (
        last.steps > _UNUSED_STEPS * steps and last.loss_db is not None and last.loss_db < _ENOUGH_DB + _COARSEST_DB
    )
    if is_met and (not ask.free_size or is_tight or _fitted(trials) + 1 >= ask.trials):
        return None
    short_db = needed_db - last.psnr_db
    if not is_met and last.max_steps <= steps and (short_db <= _WORTH_TRAINING_ON_DB or not ask.free_size):
        return _continued(base, last, 2 * steps)
    if not ask.free_size or (is_met and weights > _WORTH_SHRINKING * last.weights):
        return None
    return _other_network(base, trials, weights, forecast.channels)


def _pilot(config: FitConfig) -> SinesPlan:
    """The beginning of a fit, or all of it if it is short."""
    steps = max(_FEWEST_PILOT_STEPS, round(_PILOT_SHARE * config.budget.max_steps))
    if 2 * steps > config.budget.max_steps:
        return SinesPlan(config=config)
    return SinesPlan(config=replace(config, budget=replace(config.budget, max_steps=steps)), is_pilot=True)


def _expected_psnr_db(trial: SinesTrial, steps: int, forecast: Forecast) -> float:
    """Quality of a trial's network after so many steps, if it goes on as it did in the second half of its own."""

    def gain_db(first: int, last: int) -> float:
        return forecast.psnr_db(trial.weights, last) - forecast.psnr_db(trial.weights, first)

    if trial.steps < 2:
        return trial.psnr_db + gain_db(trial.steps, steps)
    pace = trial.late_gain_db / gain_db(trial.steps // 2, trial.steps)
    return trial.psnr_db + pace * gain_db(trial.steps, steps)


def _continued(base: FitConfig, last: SinesTrial, steps: int) -> SinesPlan:
    """The last trial's fit, up to so many steps."""
    frequencies, *hidden = last.network
    network = replace(base.network, frequencies=frequencies, hidden=tuple(hidden))
    left = base.budget.max_seconds
    budget = replace(base.budget, max_steps=steps, max_seconds=None if left is None else left + last.seconds)
    return SinesPlan(config=replace(base, network=network, budget=budget), goes_on=True)


def _other_network(base: FitConfig, trials: Sequence[SinesTrial], weights: float, channels: int) -> SinesPlan | None:
    """A trial with so many weights, or None if that network has been tried."""
    last = trials[-1]
    weights = min(max(weights, last.weights / _LARGEST_SIZE_STEP), last.weights * _LARGEST_SIZE_STEP)
    # A small grid holds fewer frequencies than were asked for: more neurons make up for them.
    frequencies, *hidden = last.network
    nominal = weight_count(replace(base.network, frequencies=frequencies, hidden=tuple(hidden)), channels)
    network = sized(base.network, weights * nominal / last.weights)
    if any((network.frequencies, *network.hidden) == trial.network for trial in trials):
        return None
    return SinesPlan(config=replace(base, network=network))
