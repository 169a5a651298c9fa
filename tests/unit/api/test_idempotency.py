"""What counts as the same request."""

from api.schemas.fits import FitRequest
from api.schemas.signals import EXAMPLE_ID
from api.services.idempotency import request_sha256


def test_spelled_out_defaults_are_the_same_request() -> None:
    short = FitRequest(signal_id=EXAMPLE_ID)
    long = FitRequest.model_validate({"seed": 0, "network": {}, "priority": 0, "signal_id": EXAMPLE_ID, "version": 1})
    assert request_sha256(short) == request_sha256(long)
    assert request_sha256(short) != request_sha256(FitRequest(signal_id=EXAMPLE_ID, seed=1))
    assert request_sha256(short) != request_sha256(FitRequest(signal_id=EXAMPLE_ID, priority=1))
