"""The eikonal loss, and what it is for: a better surface than that of the grid alone."""

from dataclasses import replace

import pytest
import torch

from tests.signals import SIGNALS, torus
from tuner.codec.decode import decode
from tuner.errors import ConfigError, InvalidSignal, StateMismatch
from tuner.fit.config import Budget, EikonalConfig, FirstOrderConfig, NaturalGradientConfig, Rule
from tuner.fit.presets import eikonal_config, signal_config
from tuner.fit.progress import Progress, Verdict
from tuner.fit.sines.eikonal import eikonal_loss
from tuner.fit.sines.fit import fit
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.surface_samples import SurfaceSamples
from tuner.fit.state import FitState
from tuner.network.sines.config import NetworkConfig
from tuner.quality.surface import chamfer_distance, occupancy_iou
from tuner.representation import Representation
from tuner.rounding.field import compress_field
from tuner.signal.grid import Grid
from tuner.signal.mesh import distance_signal, surface_of

RING = torus(48, 24)
FIELD = distance_signal(RING, 24)
FINE = distance_signal(RING, 72)
CPU = torch.device("cpu")
SHORT = replace(signal_config(FIELD), trainer=EikonalConfig(start_steps=3, points=64), budget=Budget(max_steps=8))


def network(hidden: tuple[int, ...] = (9, 7)) -> SineNetwork:
    config = NetworkConfig(frequencies=20, hidden=hidden)
    return SineNetwork.initial(config, Grid(FIELD.grid_shape, config.period), 1, seed=4)


def test_the_loss_is_small_where_the_field_is_the_distance() -> None:
    """And each weight weighs its own term: a field turned inside out, scaled or shifted is seen."""
    config = replace(signal_config(FIELD), budget=Budget(max_steps=30))
    found = fit(FIELD, config).network
    samples = SurfaceSamples(FIELD, RING, 0, CPU)
    draw = samples.draw(400, 0.05, torch.Generator().manual_seed(1))

    def loss(net: SineNetwork, term: str) -> float:
        weights = dict.fromkeys(("on_surface", "normals", "eikonal", "off_surface"), 1e-9) | {term: 1.0}
        return float(eikonal_loss(net, draw, samples.stretch_D, EikonalConfig(**weights)).detach())  # type: ignore[arg-type]

    for term, good, spoil, bad in (
        ("on_surface", 0.02, lambda net: net.readout_bias_C.add_(0.3), 0.25),
        ("normals", 0.1, lambda net: (net.readout_weight_CH.neg_(), net.readout_bias_C.neg_()), 1.9),
        ("eikonal", 0.1, lambda net: net.readout_weight_CH.mul_(2.0), 0.8),
        ("off_surface", 0.4, lambda net: (net.readout_weight_CH.zero_(), net.readout_bias_C.zero_()), 0.99),
    ):
        spoilt = SineNetwork.from_parameters(found.parameters_numpy())
        with torch.no_grad():
            spoil(spoilt)
        assert loss(found, term) < good, term
        assert loss(spoilt, term) > bad, term


def test_the_surface_is_better_than_that_of_the_grid_alone() -> None:
    """The same network, judged on a grid three times finer than the one with the distances, and from its file."""
    values = signal_config(FIELD)
    fits = {"grid": fit(FIELD, values), "eikonal": fit(FIELD, eikonal_config(values), surface=RING)}
    missing, chamfer = {}, {}
    for name, result in fits.items():
        representation = Representation.of(result.network.parameters_numpy(), FIELD)
        fine = representation.render(FINE.grid_shape)
        missing[name] = 1.0 - occupancy_iou(FINE.values, fine.values)
        chamfer[name] = chamfer_distance(RING, surface_of(fine))
        if name == "eikonal":
            back = decode(compress_field(representation)).render(FINE.grid_shape)
            assert 1.0 - occupancy_iou(FINE.values, back.values) < 1.5 * missing["eikonal"]
    assert missing["eikonal"] < 0.75 * missing["grid"]
    # Two samples of one surface are apart, too.
    apart = chamfer_distance(RING, surface_of(FINE))
    assert chamfer["eikonal"] - apart < 0.5 * (chamfer["grid"] - apart)


@pytest.mark.parametrize("stop", [2, 5], ids=["in the start", "on the surface"])
def test_a_fit_goes_on_from_a_checkpoint_with_the_same_bytes(stop: int) -> None:
    states: list[FitState] = []

    def stopping(progress: Progress) -> Verdict:
        if progress.step < stop:
            return Verdict.CONTINUE
        states.append(progress.capture())
        return Verdict.STOP

    whole = fit(FIELD, SHORT, surface=RING)
    fit(FIELD, SHORT, surface=RING, on_step=stopping)
    resumed = fit(FIELD, SHORT, surface=RING, resume=states[0])
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert whole.history == resumed.history
    with pytest.raises(StateMismatch, match="another signal"):
        fit(FIELD, SHORT, surface=torus(), resume=states[0])


def test_a_field_has_a_surface_of_its_own() -> None:
    assert fit(FIELD, SHORT).steps == 8


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="a surface is given"):
        fit(FIELD, replace(SHORT, trainer=NaturalGradientConfig()), surface=RING)
    with pytest.raises(InvalidSignal, match="expected"):
        fit(SIGNALS["volume"], SHORT, surface=RING)
    with pytest.raises(ConfigError, match="expected NaturalGradientConfig"):
        eikonal_config(SHORT)
    for wrong in (
        {"points": 0},
        {"start_steps": -1},
        {"eikonal": 0.0},
        {"descent": FirstOrderConfig()},
        {"descent": FirstOrderConfig(rule=Rule.LBFGS, solve_readout=False)},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            EikonalConfig(**wrong)
