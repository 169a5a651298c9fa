"""fit_batch(): what separate fits give, whoever else is in the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tuner.errors import ConfigError, FitDiverged, InvalidSignal
from tuner.fit import Budget, FitConfig, FitOutcome, FitResult, fit, fit_batch
from tuner.fit.config import FirstOrderConfig, NaturalGradientConfig
from tuner.fit.natural.sweeps import Sweeps
from tuner.network.sines.config import NetworkConfig
from tuner.signal.signal import Signal

CONFIG = FitConfig(
    network=NetworkConfig(frequencies=20, hidden=(12,), low_limit=0.15),
    budget=Budget(max_steps=6),
    trainer=NaturalGradientConfig(),
)
DEEP = replace(CONFIG, network=replace(CONFIG.network, hidden=(10, 8)))


def pictures(count: int) -> list[Signal]:
    """Waves of different directions, the first the easiest."""
    y, x = np.mgrid[0:1:18j, 0:1:14j]
    values = [0.5 + 0.4 * np.sin((3 + 2 * i) * x + i * y)[..., None] * [1.0, 0.5] for i in range(count)]
    return [Signal(values=value.astype(np.float32)) for value in values]


def ended(result: FitResult | FitDiverged) -> FitResult:
    assert isinstance(result, FitResult)
    return result


@pytest.mark.parametrize("points", [64, 2**20], ids=["in tiles", "in one tile"])
@pytest.mark.parametrize("config", [CONFIG, DEEP], ids=["one layer", "two layers"])
def test_a_batch_is_separate_fits(config: FitConfig, points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.fit.natural.samples.MIN_TILE_POINTS", 16)
    monkeypatch.setattr("tuner.fit.natural.samples.TILE_BYTES_CPU", 4 * 12 * points)
    signals = pictures(3)
    for result, signal in zip(fit_batch(signals, config), signals, strict=True):
        alone = fit(signal, config)
        assert ended(result).outcome is alone.outcome
        # To the bit: rounding grows with every step, and what differs in the eighth digit may end 0.5 dB apart.
        assert ended(result).history == alone.history
        for mine, others in zip(ended(result).network.parameters(), alone.network.parameters(), strict=True):
            assert torch.equal(mine, others)
        assert torch.equal(ended(result).network.frequencies_MD, alone.network.frequencies_MD)


def test_a_large_batch_is_fitted_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    signals = pictures(5)
    whole = [ended(result).psnr_db for result in fit_batch(signals, CONFIG)]
    monkeypatch.setattr("tuner.fit.natural.batch.MEMBERS_CPU", 2)
    assert [ended(result).psnr_db for result in fit_batch(signals, CONFIG)] == whole


def test_each_member_has_its_own_end_and_costs_nothing_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    evaluate = Sweeps.evaluate

    def counted(self: Sweeps, hidden: object) -> object:
        batches.append(len(self.targets_BCP))
        return evaluate(self, hidden)  # type: ignore[arg-type]

    monkeypatch.setattr(Sweeps, "evaluate", counted)
    easy, *hard = pictures(3)
    target = fit(easy, CONFIG).psnr_db - 3.0
    batches.clear()
    results = [
        ended(r) for r in fit_batch([easy, *hard], replace(CONFIG, budget=Budget(max_steps=12, target_psnr_db=target)))
    ]
    assert results[0].outcome is FitOutcome.CONVERGED
    assert results[0].steps < 12
    assert {result.steps for result in results} != {results[0].steps}
    assert batches == sorted(batches, reverse=True)
    assert batches[0] == 3
    assert batches[-1] < 3
    for result in results:
        assert all(later <= earlier for earlier, later in zip(result.history, result.history[1:], strict=False))


def test_a_member_that_diverges_harms_no_other() -> None:
    well, other = pictures(2)
    ill = Signal(values=np.full_like(well.values, 1e38) * (1 + well.values))  # its sums overflow
    first, second, third = fit_batch([well, ill, other], CONFIG)
    assert isinstance(second, FitDiverged)
    assert "signal 1" in str(second)
    for result, signal in ((first, well), (third, other)):
        assert ended(result).psnr_db == pytest.approx(fit(signal, CONFIG).psnr_db, abs=0.3)


def test_what_makes_no_batch_is_refused() -> None:
    one, other = pictures(1)[0], Signal(values=np.zeros((5, 4, 2), np.float32))
    with pytest.raises(InvalidSignal, match="one shape"):
        fit_batch([one, other], CONFIG)
    with pytest.raises(InvalidSignal, match="no signal"):
        fit_batch([], CONFIG)
    with pytest.raises(ConfigError, match="FirstOrderConfig"):
        fit_batch([one], replace(CONFIG, trainer=FirstOrderConfig()))
    with pytest.raises(ConfigError, match="train_phases"):
        fit_batch([one], replace(CONFIG, trainer=NaturalGradientConfig(train_phases=True)))
