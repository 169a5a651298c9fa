"""Which network to train next, from what was asked and what the trials so far have shown. No torch, no randomness.

The forecast is off by a constant number of decibels or by a constant factor of bytes for one signal; the last trial
shows by how much, and the next one is planned with that correction. Called by `tuner.target.search`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10

from tuner.fit.config import FitConfig
from tuner.target.ask import Ask, TargetKind
from tuner.target.forecast import DESIGN_LOSS_DB, Forecast
from tuner.target.sizes import sized, solve_rising, weight_count

PSNR_TOLERANCE_DB = 0.1  # by which the result may miss a PSNR
TYPICAL_PEAK = 9.0  # largest error of a sample, in root mean square errors
_UNEVEN = 1.2
_LARGEST_SIZE_STEP = 6.0  # between two trials: a forecast that is off by more is not to be trusted further
_WORTH_TRAINING_ON_DB = 0.4  # a trial that falls short by no more goes on instead of being replaced
_FEWEST_STEPS = 40
_TIMED_STEPS = 2000  # a limit of time ends the fit, not this
_COARSEST_DB, _FINEST_DB = 1.6, 0.1  # a file rounded beyond these has too many weights, or too few
_UNUSED_STEPS = 0.25  # a target reached after such a share of the steps could have been met by fewer weights
_WORTH_SHRINKING = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What one fitted network showed.

    Attributes:
        network: frequencies and neurons that were asked for.
        weights: of the network as it is.
        steps: taken in it.
        max_steps: it was given.
        seconds: of training.
        work: as `Forecast` counts it.
        psnr_db: picture PSNR before rounding.
        peak: its largest error of a sample, in root mean square errors.
        loss_db: of its file that suits the target best, or None if it has none.
        file_bytes: of that file.
        goes_on: it went on from where the trial before ended, and counts its steps too.
    """

    network: tuple[int, ...]
    weights: int
    steps: int
    max_steps: int
    seconds: float
    work: float
    psnr_db: float
    peak: float
    loss_db: float | None
    file_bytes: int | None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A fit to make.

    Attributes:
        config: of the fit.
        goes_on: from where the trial before ended, with the same network.
    """

    config: FitConfig
    goes_on: bool = False


def next_plan(ask: Ask, forecast: Forecast, trials: Sequence[Trial], *, speed: float = 1.0) -> Plan | None:
    """The fit to make next, or None if what there is meets the target or no further fit is likely to do better.

    Args:
        ask: the request.
        forecast: of the signal.
        trials: so far, in order.
        speed: of this machine, where seconds are asked for.
    """
    base = ask.base
    left = (
        None if base.budget.max_seconds is None else base.budget.max_seconds - sum(t.seconds for t in separate(trials))
    )
    if trials and (len(trials) >= ask.trials or (left is not None and left <= 0.0)):
        return None
    if left is not None:
        base = replace(base, budget=replace(base.budget, max_seconds=left))
    if ask.target is None:
        return None if trials else Plan(base)
    kind, value = ask.target.kind, ask.target.value
    if kind is TargetKind.SECONDS:
        return None if trials else _timed(base, ask, forecast, value * speed)
    max_bytes = ask.target.max_bytes(forecast.samples)
    if max_bytes is not None:
        return _of_size(base, ask, forecast, trials, max_bytes)
    return _of_quality(base, ask, forecast, trials, needed_psnr_db(ask, trials))


def separate(trials: Sequence[Trial]) -> list[Trial]:
    """The trials without those that the next one contains: their steps and seconds add up."""
    return [trial for i, trial in enumerate(trials) if not any(later.goes_on for later in trials[i + 1 : i + 2])]


def needed_psnr_db(ask: Ask, trials: Sequence[Trial]) -> float:
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


def _timed(base: FitConfig, ask: Ask, forecast: Forecast, work: float) -> Plan:
    assert ask.target is not None  # noqa: S101
    seconds = min(ask.target.value, base.budget.max_seconds or ask.target.value)
    config = replace(base, budget=replace(base.budget, max_seconds=seconds, max_steps=_TIMED_STEPS))
    if ask.free_size:
        # The preset's network, or one so small that there is time for enough steps.
        preset = float(weight_count(base.network, forecast.channels))
        weights = min(preset, forecast.weights_for_work(work, _FEWEST_STEPS))
        config = replace(config, network=sized(config.network, weights))
    return Plan(config)


def _of_size(base: FitConfig, ask: Ask, forecast: Forecast, trials: Sequence[Trial], max_bytes: int) -> Plan | None:
    steps = base.budget.max_steps
    if not ask.free_size:
        return None if trials else Plan(base)
    if not trials:
        return Plan(replace(base, network=sized(base.network, forecast.weights_for_bytes(max_bytes, steps))))
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
    base: FitConfig, ask: Ask, forecast: Forecast, trials: Sequence[Trial], needed_db: float
) -> Plan | None:
    steps = base.budget.max_steps
    goal_db = needed_db + DESIGN_LOSS_DB
    base = replace(base, budget=replace(base.budget, target_psnr_db=goal_db))
    if not trials:
        if not ask.free_size:
            return Plan(base)
        return Plan(replace(base, network=sized(base.network, forecast.weights_for_psnr(goal_db, steps))))
    last = trials[-1]
    is_met = last.file_bytes is not None
    is_tight = last.steps > _UNUSED_STEPS * steps and last.loss_db is not None and last.loss_db < _COARSEST_DB
    if is_met and (not ask.free_size or is_tight or len(trials) + 1 >= ask.trials):
        return None
    short_db = needed_db - last.psnr_db
    if not is_met and last.max_steps <= steps and (short_db <= _WORTH_TRAINING_ON_DB or not ask.free_size):
        frequencies, *hidden = last.network
        network = replace(base.network, frequencies=frequencies, hidden=tuple(hidden))
        left = base.budget.max_seconds
        budget = replace(base.budget, max_steps=2 * steps, max_seconds=None if left is None else left + last.seconds)
        return Plan(replace(base, network=network, budget=budget), goes_on=True)
    if not ask.free_size:
        return None
    surplus_db = last.psnr_db - forecast.psnr_db(last.weights, last.steps)
    weights = solve_rising(
        lambda weights: forecast.psnr_db(weights, steps) + surplus_db, goal_db, *forecast.weight_range()
    )
    if is_met and weights > _WORTH_SHRINKING * last.weights:
        return None
    return _other_network(base, trials, weights, forecast.channels)


def _other_network(base: FitConfig, trials: Sequence[Trial], weights: float, channels: int) -> Plan | None:
    """A trial with so many weights, or None if that network has been tried."""
    last = trials[-1]
    weights = min(max(weights, last.weights / _LARGEST_SIZE_STEP), last.weights * _LARGEST_SIZE_STEP)
    # A small grid holds fewer frequencies than were asked for: more neurons make up for them.
    frequencies, *hidden = last.network
    nominal = weight_count(replace(base.network, frequencies=frequencies, hidden=tuple(hidden)), channels)
    network = sized(base.network, weights * nominal / last.weights)
    if any((network.frequencies, *network.hidden) == trial.network for trial in trials):
        return None
    return Plan(replace(base, network=network))
