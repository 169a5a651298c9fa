"""A request has a name of its own, and says what trains."""

from dataclasses import replace

import pytest

from tuner.errors import ConfigError
from tuner.fit.config import EikonalConfig, FirstOrderConfig, Rule
from tuner.fit.presets import image_config
from tuner.fit.wavelets.config import WaveletConfig
from tuner.targets.ask import SinesAsk, WaveletsAsk
from tuner.targets.target import Target, TargetKind

CONFIG = image_config((20, 30), 3)
SINES = SinesAsk(config=CONFIG)
WAVELETS = WaveletsAsk(config=WaveletConfig(psnr_db=30.0))


def test_only_equal_requests_have_equal_names() -> None:
    asks = [
        SINES,
        WAVELETS,
        replace(SINES, target=Target(TargetKind.BYTES, 900)),
        replace(SINES, target=Target(TargetKind.BYTES, 901)),
        replace(SINES, trials=2),
        replace(SINES, free_size=False),
        replace(SINES, thorough=True),
        replace(SINES, config=replace(CONFIG, seed=1)),
        replace(WAVELETS, config=replace(WAVELETS.config, seed=1)),
    ]
    assert len({ask.fingerprint() for ask in asks}) == len(asks)
    assert replace(SINES).fingerprint() == SINES.fingerprint()


def test_trainers_have_names() -> None:
    trainers = (CONFIG.trainer, FirstOrderConfig(), FirstOrderConfig(rule=Rule.MUON), EikonalConfig())
    names = [replace(SINES, config=replace(CONFIG, trainer=trainer)).trainer for trainer in trainers]
    assert [*names, WAVELETS.trainer] == ["natural_gradient", "adam", "muon", "eikonal", "wavelets"]


@pytest.mark.parametrize("ask", [SINES, WAVELETS], ids=lambda ask: ask.kind.value)
def test_a_search_without_a_trial_is_refused(ask: SinesAsk | WaveletsAsk) -> None:
    with pytest.raises(ConfigError, match="trials is 0"):
        replace(ask, trials=0)
