"""What a request for a fit may say, and what its row then holds."""

import pytest
from pydantic import ValidationError

from api.schemas.fits import FitRequest
from api.schemas.signals import EXAMPLE_ID
from store.spec import FitSpec


def test_the_row_holds_a_plain_spec() -> None:
    request = FitRequest.model_validate({"signal_id": EXAMPLE_ID, "seed": 3, "network": {"hidden": [8]}, "priority": 2})
    assert request.spec() == FitSpec.model_validate({"seed": 3, "network": {"hidden": [8]}})
    assert type(request.spec()) is FitSpec


def test_what_version_1_said_is_what_version_2_says() -> None:
    old = FitSpec.model_validate({"version": 1, "effort": "fast", "target_psnr_db": 30.0, "max_steps": 5})
    new = FitSpec.model_validate({"preset": "fast", "target": {"psnr_db": 30.0}, "max_steps": 5})
    assert old == new
    assert old.version == 2
    assert FitSpec.model_validate({"version": 1, "effort": "best", "target_psnr_db": None}).target is None


@pytest.mark.parametrize(
    "change",
    [
        {"target": {}},
        {"network": {"kind": "wavelets", "hidden": [8]}},
        {"network": {"kind": "wavelets"}, "trainer": {"kind": "adam"}},
        {"network": {"kind": "wavelets"}, "target": {"max_error": 0.1}},
        {"network": {"kind": "siren"}},
        {"target": {"bytes": 5, "psnr_db": 5}},
        {"target": {"bytes": 0}},
        {"target": {"psnr_db": "nan"}},
        {"preset": "fast", "effort": "best"},
        {"version": 3},
        {"trainer": {"kind": "natural_gradient", "learning_rate": 0.1}},
        {"trainer": {"kind": "adam", "damping": 0.1}},
        {"regime": {"low_limit": 0.5, "band_limit": 0.2}},
        {"labels": {"Name": "x"}},
        {"labels": {"name": "a\x00"}},
        {"labels": {f"n{i}": "" for i in range(17)}},
    ],
    ids=str,
)
def test_asks_that_contradict_themselves_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FitRequest.model_validate({"signal_id": EXAMPLE_ID} | change)


@pytest.mark.parametrize("change", [{"sed": 1}, {"signal_id": "sig_1"}, {"priority": 101}, {"max_seconds": "nan"}])
def test_unknown_and_senseless_members_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FitRequest.model_validate({"signal_id": EXAMPLE_ID} | change)
