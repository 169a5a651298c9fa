"""A step is read as it was written, and one that cannot be is refused."""

import pytest

from tuner.codec.file.primitives import ByteReader, pack_float
from tuner.codec.integers.steps import LARGEST_STEP, read_step
from tuner.errors import CorruptFile


@pytest.mark.parametrize("step", [0.5, 1e-30, LARGEST_STEP])
def test_steps_come_back(step: float) -> None:
    assert read_step(ByteReader(pack_float(step)), "phases") == pytest.approx(step, rel=1e-7)


@pytest.mark.parametrize("step", [0.0, -0.5, 2.0 * LARGEST_STEP, float("inf"), float("nan")])
def test_a_step_that_cannot_be_is_refused_by_name(step: float) -> None:
    with pytest.raises(CorruptFile, match="the step of phases is"):
        read_step(ByteReader(pack_float(step)), "phases")
