"""What a trial has shown decides which network of sines is fitted next."""

from dataclasses import replace

from tests.unit.tuner.targets.cases import NOISE, sines
from tuner.targets.sines.plan import SinesTrial, next_plan
from tuner.targets.sines.sizes import weight_count
from tuner.targets.sines.strategy import forecast_of


def test_a_pilot_that_promises_too_little_makes_room_for_a_larger_network() -> None:
    # Noise of one kind looks like any other to a cosine transform, and no network of few weights can follow it.
    request = sines(NOISE, "psnr_db", 14.0, steps=20)
    forecast = forecast_of(NOISE)
    hopeful = replace(forecast, compaction_db=tuple(db + 6.0 for db in forecast.compaction_db))
    first = next_plan(request, hopeful, ())
    assert first is not None
    assert first.is_pilot
    assert first.config.budget.max_steps == 8
    shown = SinesTrial(
        network=(first.config.network.frequencies, *first.config.network.hidden),
        weights=weight_count(first.config.network, 3),
        steps=8,
        max_steps=8,
        seconds=1.0,
        work=1.0,
        psnr_db=10.0,
        late_gain_db=0.1,
        peak=3.0,
        loss_db=None,
        file_bytes=None,
        is_pilot=True,
    )
    second = next_plan(request, hopeful, [shown])
    assert second is not None
    assert not second.goes_on
    assert weight_count(second.config.network, 3) > 1.3 * shown.weights
    # The very same, but rising fast: it will do.
    kept = next_plan(request, hopeful, [replace(shown, psnr_db=13.5, late_gain_db=2.5)])
    assert kept is not None
    assert (kept.goes_on, kept.config.network, kept.config.budget.max_steps) == (True, first.config.network, 20)
