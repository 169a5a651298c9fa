"""Settings of a fit of wavelets that are out of their range are refused when they are made."""

import pytest

from tuner.errors import ConfigError
from tuner.fit.wavelets.config import WaveletConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits_per_sample": 0.0},
        {"steps": 0},
        {"scales": 0},
        {"scales": 11},
        {"widths": ()},
        {"period": 2.0},
        {"rounded_share": 0.0},
        {"max_seconds": -1.0},
    ],
)
def test_settings_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        WaveletConfig(**({"bits_per_sample": 1.0} | wrong))  # type: ignore[arg-type]
