"""Settings of a fit that are out of their range are refused when they are made."""

from collections.abc import Callable

import pytest

from tuner.errors import ConfigError
from tuner.fit.config import Budget, FirstOrderConfig, FitConfig, NaturalGradientConfig, Rule
from tuner.network.sines.config import NetworkConfig

NETWORK = NetworkConfig(frequencies=9, hidden=(4,))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: FirstOrderConfig(learning_rate=0.0), "learning_rate"),
        (lambda: FirstOrderConfig(batch_samples=0), "batch_samples"),
        (lambda: FirstOrderConfig(ridge=1.0), "ridge"),
        (lambda: FirstOrderConfig(rule=Rule.LBFGS, batch_samples=400), "batch_samples"),
        (lambda: NaturalGradientConfig(inner_steps=0), "inner_steps"),
        (lambda: Budget(max_steps=0), "max_steps"),
        (lambda: Budget(max_steps=1, max_seconds=0.0), "max_seconds"),
        (lambda: Budget(max_steps=1, target_psnr_db=float("nan")), "target_psnr_db"),
        (lambda: Budget(max_steps=1, plateau_steps=0), "plateau_steps"),
        (lambda: Budget(max_steps=1, plateau_db=0.0), "plateau_db"),
        (
            lambda: FitConfig(network=NetworkConfig(frequencies=9, hidden=(4,)), budget=Budget(max_steps=1), seed=-1),
            "seed",
        ),
    ],
)
def test_settings_out_of_range_are_refused_by_name(make: Callable[[], object], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        make()
