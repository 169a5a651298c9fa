"""Whether values, which are 32-bit floats, say what the samples were."""

import numpy as np
import pytest

from tuner.signal.samples import SampleFormat, Scaling, Storage

INTEGERS = [each for each in SampleFormat if each.is_integer]


def samples_of(storage: Storage, count: int = 1 << 16) -> np.ndarray:
    """Samples all over the range that is used, its ends among them, and neighbours."""
    rng = np.random.default_rng(0)
    if not storage.format.is_integer:
        return np.concatenate([rng.normal(size=count), rng.normal(size=count) * 1e-6]).astype(storage.format.dtype)
    least, largest = storage.format.least, storage.format.largest
    if storage.scaling is not None:
        least = int(storage.scaling.offset)
        largest = least + int(storage.scaling.scale)
    drawn = rng.integers(least, largest, count, endpoint=True)
    return np.unique(np.concatenate([drawn, [least, least + 1, largest - 1, largest]])).astype(storage.format.dtype)


@pytest.mark.parametrize(
    ("storage", "is_kept"),
    [(Storage(each), each.bits <= 24) for each in INTEGERS]
    + [(Storage(each, Scaling(200.0, 5.0)), True) for each in INTEGERS if each is not SampleFormat.S8]
    + [(Storage(SampleFormat.S64, Scaling(float(1 << 23), -float(1 << 40))), True)]
    + [(Storage(SampleFormat.U32, Scaling(float(1 << 26))), False)]
    + [(Storage(SampleFormat.F16), True), (Storage(SampleFormat.F32), True), (Storage(SampleFormat.F64), False)]
    + [(Storage(SampleFormat.F32, Scaling(3.0, -1.5)), False)],
    ids=str,
)
def test_samples_are_kept_by_values_or_not(storage: Storage, is_kept: bool) -> None:
    samples = samples_of(storage)
    assert storage.is_kept_by_values is is_kept
    assert np.array_equal(storage.to_samples(storage.to_values(samples)), samples) is is_kept
