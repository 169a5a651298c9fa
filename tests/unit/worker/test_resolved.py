"""Clients see the settings that a fit is made with, whatever of them they left open."""

import json
from typing import Any

import pytest

from api.schemas.fits import ResolvedSettings
from store.spec import FitSpec
from tests.cases import colours
from tuner.signal.signal import Signal
from worker.resolved import resolved_settings
from worker.translate import ask_from_spec

SIGNAL = Signal(values=colours())
SPECS: list[dict[str, Any]] = [
    {},
    {"preset": "fast", "target": {"psnr_db": 30}, "seed": 7},
    {"network": {"kind": "sines"}, "target": {"max_error": 0.1}, "max_seconds": 5.0},
    {"network": {"frequencies": 24, "hidden": [16, 8]}, "regime": {"low_share": 0.5}, "max_steps": 12},
    {"trainer": {"kind": "adam", "learning_rate": 0.05}, "codec": {"max_loss_db": 0.7}},
    {"trainer": {"damping": 0.1}, "preset": "best"},
    {"network": {"tiles": 16}, "target": {"bytes": 2000}, "max_steps": 3},
]


@pytest.mark.parametrize("words", SPECS)
def test_what_a_worker_chooses_keeps_what_was_asked_for(words: dict[str, Any]) -> None:
    spec = FitSpec.model_validate(words)
    before = ResolvedSettings.of(spec, None)
    chosen = json.loads(json.dumps(resolved_settings(ask_from_spec(spec, SIGNAL)), allow_nan=False))
    after = ResolvedSettings.of(spec, chosen)
    assert (before.is_decided, after.is_decided) == (False, True)
    for name in ("preset", "seed", "network_kind", "steps", "seconds"):
        assert getattr(before, name) in {None, getattr(after, name)}, name
    assert after.network | before.network == after.network
    assert after.trainer | before.trainer == after.trainer
    assert None not in {after.network_kind, after.steps, after.trials}
    assert (after.max_loss_db is None) is (after.network_kind == "wavelets")
    assert after.network
    assert after.trainer["kind"]
