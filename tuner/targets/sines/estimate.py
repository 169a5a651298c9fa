"""What a search for a network of sines will come to, by the plan of its first trial. No arrays, no torch here."""

from tuner.targets.ask import SinesAsk
from tuner.targets.foreseen import Foreseen, below_bytes, beyond_db
from tuner.targets.sines.forecast import DESIGN_LOSS_DB, Forecast
from tuner.targets.sines.plan import SURPLUS_DB, needed_psnr_db, next_plan
from tuner.targets.sines.sizes import solve_rising, weight_count
from tuner.targets.target import TargetKind

# Files that are written until one suits the target, in the mean.
FILES = {TargetKind.BYTES: 2.3, TargetKind.BITS_PER_SAMPLE: 2.3, TargetKind.MAX_ERROR: 4.0}
# Fits that a search makes, in the mean: a pilot now and then ends in another network, or a file does not suit.
_FITS = 1.1


def foresee_sines(ask: SinesAsk, forecast: Forecast, speed: float) -> Foreseen:
    """Size, quality and work of a search.

    Args:
        ask: request to foresee.
        forecast: what is known of the signal.
        speed: the work that the machine which will run the search does in a second.
    """
    plan = next_plan(ask, forecast, (), speed=speed)
    assert plan is not None  # noqa: S101  there is always a first trial
    network = plan.config.network
    steps = ask.config.budget.max_steps if plan.is_pilot else plan.config.budget.max_steps
    weights = weight_count(network, forecast.channels)
    work = forecast.work_per_step(network)
    if plan.config.budget.max_seconds is not None:
        steps = max(1, min(steps, round(plan.config.budget.max_seconds * speed / work)))
    loss_db = ask.max_loss_db
    if ask.target is not None and ask.target.kind is not TargetKind.SECONDS:
        loss_db = SURPLUS_DB if ask.target.kind.is_quality else DESIGN_LOSS_DB
    if plan.config.budget.target_psnr_db is not None:
        goal_db = plan.config.budget.target_psnr_db
        steps = round(solve_rising(lambda steps: forecast.psnr_db(weights, round(steps)), goal_db, 1.0, float(steps)))
    psnr_db = forecast.psnr_db(weights, steps)
    size = forecast.file_bytes(weights, psnr_db, loss_db)
    max_bytes = None if ask.target is None else ask.target.max_bytes(forecast.samples)
    if max_bytes is not None:
        size = min(size, float(max_bytes))
    unforeseen = None
    least = forecast.smallest_file_bytes()
    if max_bytes is not None and max_bytes < least:
        unforeseen = below_bytes(max_bytes, least)
    elif ask.target is not None and ask.target.kind.is_quality:
        most_db = forecast.psnr_db(forecast.weight_range()[1], ask.config.budget.max_steps)
        needed_db = needed_psnr_db(ask, ())
        unforeseen = beyond_db(needed_db, most_db) if needed_db > most_db else None
    files = 1.0 if ask.target is None else FILES.get(ask.target.kind, 1.0)
    # With all care a file takes about as long as its fit.
    fits = (2.0 if ask.thorough else 1.0) if loss_db == ask.max_loss_db else _FITS
    return Foreseen(
        weights=weights,
        bytes=round(size),
        psnr_db=psnr_db - loss_db,
        steps=steps,
        work=fits * steps * work + files * forecast.work_per_file(network),
        unforeseen=unforeseen,
    )
