"""For how many fits a message stands."""

from typing import Any

import pytest

from store.classes import WorkerClass
from store.hints import LEAST_MESSAGES, MOST_FITS, Hint, fits_of, hints_of, is_small
from store.models import Fit, Signal
from store.spec import FitSpec

ANY, GPU = WorkerClass.ANY, WorkerClass.GPU
QUALITY: dict[str, Any] = {"target": {"psnr_db": 30}}


def signal(side: int = 64, channels: int = 3) -> Signal:
    return Signal(facts={"kind": "image", "width": side, "height": side, "channels": channels})


def fits(count: int, worker_class: str = "any", side: int = 64) -> list[tuple[Fit, FitSpec]]:
    spec = FitSpec.model_validate(QUALITY)
    return [
        (Fit(id=f"fit_{worker_class}_{side}_{number}", worker_class=worker_class, signal=signal(side)), spec)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("spec", "of", "expected"),
    [
        (QUALITY, signal(), True),
        (QUALITY, signal(128), True),
        (QUALITY, signal(129), False),
        (QUALITY, signal(181, channels=1), True),
        (QUALITY, Signal(facts={"shape": [32, 32, 32], "channels": 1}), True),
        (QUALITY, Signal(facts={}), False),  # nothing is known of it
        (QUALITY | {"preset": "best"}, signal(), False),
        (QUALITY | {"preset": "fast"}, signal(), True),
        (QUALITY | {"max_steps": 99}, signal(), True),
        (QUALITY | {"max_steps": 100}, signal(), False),
        (QUALITY | {"network": {"kind": "sines"}}, signal(), False),
        (QUALITY | {"network": {"kind": "wavelets"}}, signal(), True),
        ({}, signal(), False),
        ({"target": {"bytes": 1000}}, signal(), False),
        ({"target": {"max_error": 0.1}}, signal(), False),
    ],
)
def test_small_is_what_begins_with_a_network_that_learns_nothing(
    spec: dict[str, Any], of: Signal, expected: bool
) -> None:
    assert is_small(FitSpec.model_validate(spec), of) is expected


@pytest.mark.parametrize("count", [1, 5, 16, 20, 100, 128, 200, 1000])
def test_a_batch_wakes_many_workers_with_few_messages(count: int) -> None:
    hints = hints_of(fits(count))
    assert sum(hint.fits for hint in hints) == count
    assert len(hints) == min(count, max(LEAST_MESSAGES, -(-count // MOST_FITS)))
    assert max(hint.fits for hint in hints) <= MOST_FITS
    assert max(hint.fits for hint in hints) - min(hint.fits for hint in hints) <= 1
    assert len({hint.fit_id for hint in hints}) == len(hints)


def test_large_fits_have_a_message_each_and_classes_do_not_mix() -> None:
    hints = hints_of(fits(40) + fits(3, side=512) + fits(17, "gpu") + fits(1, "a word of a newer release"))
    assert {hint.fits for hint in hints if "_512_" in hint.fit_id} == {1}
    assert sum(hint.fits for hint in hints if hint.worker_class is ANY) == 44
    assert sum(hint.fits for hint in hints if hint.worker_class is GPU) == 17
    assert len([hint for hint in hints if hint.worker_class is GPU]) == LEAST_MESSAGES
    assert Hint("fit_gpu_64_0", GPU, 2) in hints


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, 1), (1, 1), (5, 5), (8, 8), (9, 8), (10**30, 8), (0, 1), (-3, 1), (True, 1), (2.5, 1), ("4", 1), ([], 1)],
)
def test_whatever_a_header_says_few_fits_are_run(header: object, expected: int) -> None:
    assert fits_of(header) == expected
