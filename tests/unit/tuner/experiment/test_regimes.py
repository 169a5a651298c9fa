"""The five regimes of the original repository, each held to what it is for; and the row bounds beside them."""

import numpy as np
import pytest
import torch

from tests.unit.tuner.experiment.worlds import PERIOD, colour_samples, recipe, samples
from tuner.experiment.methods import METHODS, REGIMES, Regime, hidden_sines, make_network, method
from tuner.experiment.networks.learned_bounds import bound_penalty, learn_bounds, learned, settle_bounds
from tuner.experiment.networks.mrnet import LatticeSines, MRNet
from tuner.experiment.training import train
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.row_bounds import row_costs
from tuner.fit.sines.trainable import Network

WITH_LEARNED_BOUNDS = [Regime.LEARNED_BOUNDS, Regime.LEARNED_BOUNDS_MRNET]


def made(regime: Regime, widths: tuple[int, ...] = (30, 12), seed: int = 0) -> Network:
    return make_network(REGIMES[regime], colour_samples().grid, 3, widths=widths, seed=seed)


def trained(regime: Regime, widths: tuple[int, ...] = (30, 12), **settings: float) -> Network:
    network = made(regime, widths)
    train(network, colour_samples(), recipe(30, **settings), seed=0)
    return network


@pytest.mark.parametrize("regime", list(Regime))
def test_every_regime_learns_the_picture(regime: Regime) -> None:
    network = made(regime)
    curves = train(network, colour_samples(), recipe(90), seed=0)
    assert np.mean(curves.losses[-10:]) < 0.25 * np.mean(curves.losses[:3])
    assert curves.measurements[-1].train_psnr_db > 18.0


@pytest.mark.parametrize("regime", list(Regime))
def test_frequencies_are_integers_and_stay_where_they_are(regime: Regime) -> None:
    before, after = made(regime), trained(regime)
    for name, buffer in before.named_buffers():
        if name.endswith("frequencies_MD"):
            assert buffer.dtype == torch.int32
            assert torch.equal(buffer, dict(after.named_buffers())[name])
            assert not name.endswith(tuple(dict(after.named_parameters())))


@pytest.mark.parametrize("regime", list(Regime))
def test_every_regime_repeats_after_its_period(regime: Regime) -> None:
    network = trained(regime).double()
    coords = torch.rand(20, 2, dtype=torch.float64) * 2 - 1
    for axis in torch.eye(2, dtype=torch.float64):
        torch.testing.assert_close(network(coords + PERIOD * axis), network(coords), rtol=0, atol=1e-9)


@pytest.mark.parametrize("regime", [Regime.INTEGER_SIREN, Regime.INTEGER_MRNET])
def test_the_integer_regimes_bound_nothing(regime: Regime) -> None:
    network = made(regime)
    assert [layer.bounds_M for layer in hidden_sines(network)] == [None] * len(hidden_sines(network))
    with torch.no_grad():
        for layer in hidden_sines(network):
            layer.weight_HM.fill_(5.0)
    network.project()
    assert all(bool((layer.weight_HM == 5.0).all()) for layer in hidden_sines(network))


def test_integer_mrnet_has_other_frequencies_in_every_stage() -> None:
    network = made(Regime.INTEGER_MRNET)
    assert isinstance(network, MRNet)
    sets = []
    for number in range(network.detail):
        sines = network.stage(number).sines
        assert isinstance(sines, LatticeSines)
        sets.append({tuple(k) for k in sines.frequencies_MD.tolist()})
    units = {(0, 1), (1, 0)}
    for number, chosen in enumerate(sets):
        assert units <= chosen
        for earlier in sets[:number]:
            assert chosen & earlier == units


@pytest.mark.parametrize("widths", [(30, 12), (30, 12, 10)])
def test_fixed_bounds_hold_for_every_column_after_training(widths: tuple[int, ...]) -> None:
    free = made(Regime.FIXED_BOUNDS, widths)
    for layer in hidden_sines(free):
        layer.bounds_M = None
    train(free, colour_samples(), recipe(40, learning_rate=5e-3), seed=0)
    network = made(Regime.FIXED_BOUNDS, widths)
    train(network, colour_samples(), recipe(40, learning_rate=5e-3), seed=0)
    for layer, unbounded in zip(hidden_sines(network), hidden_sines(free), strict=True):
        assert layer.bounds_M is not None
        assert bool((layer.weight_HM.abs() <= layer.bounds_M).all())
        assert bool((unbounded.weight_HM.abs() > layer.bounds_M).any()), "without the clamp they would not hold"


@pytest.mark.parametrize("regime", WITH_LEARNED_BOUNDS)
def test_learned_bounds_receive_a_gradient_from_the_data(regime: Regime) -> None:
    """Defect 3: the published module computed with weights that its bounds never touched (gradient None)."""
    network, world = made(regime), colour_samples()
    loss = (network(world.coords_PD) - world.values_PC).square().mean()
    bounds = [bound.bounds_M for bound in learned(network)]
    assert len(bounds) == len(hidden_sines(network)) > 0
    for slope in torch.autograd.grad(loss, bounds):
        assert float(slope.abs().min()) > 0.0


@pytest.mark.parametrize("regime", WITH_LEARNED_BOUNDS)
def test_learned_bounds_of_zero_change_the_output(regime: Regime) -> None:
    """Defect 3: in the published module the output stayed as it was."""
    network, coords = made(regime), colour_samples().coords_PD
    with torch.no_grad():
        before = network(coords)
        for bound in learned(network):
            bound.bounds_M.zero_()
        after = network(coords)
    assert not torch.allclose(before, after, atol=1e-3)
    assert float(after.std(dim=0).max()) < 1e-6, "without hidden weights the network is constant"


@pytest.mark.parametrize("regime", WITH_LEARNED_BOUNDS)
def test_learned_bounds_move_and_hold(regime: Regime) -> None:
    start, network = made(regime), trained(regime)
    for before, after in zip(learned(start), learned(network), strict=True):
        assert not torch.allclose(before.bounds_M, after.bounds_M, atol=1e-3)
    for layer in hidden_sines(network):
        (bound,) = learned(layer)
        assert bool((layer.weight_HM.abs() <= bound.bounds_M.abs()).all())


def test_the_penalty_makes_learned_bounds_smaller() -> None:
    free, penalised = trained(Regime.LEARNED_BOUNDS), trained(Regime.LEARNED_BOUNDS, bound_penalty=1.0)
    with torch.no_grad():
        assert float(bound_penalty(penalised)) < 0.7 * float(bound_penalty(free))
        assert float(bound_penalty(made(Regime.FIXED_BOUNDS))) == 0.0


def test_bounds_move_faster_than_weights() -> None:
    slow, fast = trained(Regime.LEARNED_BOUNDS, bound_rate=1.0), trained(Regime.LEARNED_BOUNDS, bound_rate=30.0)
    (start,) = (bound.bounds_M for bound in learned(made(Regime.LEARNED_BOUNDS)))
    moves = [float((bound.bounds_M - start).detach().abs().mean()) for net in (slow, fast) for bound in learned(net)]
    assert moves[1] > 5 * moves[0]


def test_learning_bounds_hardly_changes_the_network_and_settling_them_not_at_all() -> None:
    network, coords = made(Regime.FIXED_BOUNDS), colour_samples().coords_PD
    assert isinstance(network, SineNetwork)
    with torch.no_grad():
        fixed = network(coords)
        for layer in network.layers:
            learn_bounds(layer)
        torch.testing.assert_close(network(coords), fixed, rtol=0, atol=5e-3)
        network.layers[0].get_parameter("parametrizations.weight_HM.0.bounds_M").mul_(-0.9)
        moved = network(coords)
        for layer in network.layers:
            settle_bounds(layer)
    torch.testing.assert_close(network(coords), moved, rtol=0, atol=1e-6)
    parameters = network.parameters_numpy()
    bounds = parameters.hidden[0].bounds
    assert bounds is not None
    assert (bounds > 0).all()
    assert (np.abs(parameters.hidden[0].weight) <= bounds).all()


def test_row_bounds_keep_every_neuron_below_nyquist_everywhere() -> None:
    network = make_network(REGIMES[Regime.ROW_BOUNDS], colour_samples().grid, 3, widths=(60, 12, 8), seed=0)
    train(network, colour_samples(), recipe(40, learning_rate=5e-3), seed=0)
    assert isinstance(network, SineNetwork)
    grid = colour_samples().grid
    costs = torch.tensor(row_costs(network.frequencies_MD.numpy(), grid.nyquist))
    rows = network.layers[0].weight_HM.detach().abs() @ costs
    assert float(rows.max()) == pytest.approx(1.0, abs=1e-5), "at least one row is at its limit, none above"

    def second_pre_activation(coords: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = network.layers[0](network.input_sines(coords))
        return first @ network.layers[1].weight_HM.T

    coords = (torch.rand(400, 2) * 2 - 1).requires_grad_(True)
    nyquist = torch.tensor(grid.nyquist) * 2 * torch.pi / grid.period  # radians per unit
    for pre in (network.input_sines(coords) @ network.layers[0].weight_HM.T, second_pre_activation(coords)):
        for neuron in range(pre.shape[1]):
            (slope,) = torch.autograd.grad(pre[:, neuron].sum(), coords, retain_graph=True)
            assert bool((slope.abs() <= nyquist * 1.0001).all())


def test_names_of_scripts_and_of_rivals_are_methods() -> None:
    scripts = {"train_siren", "train_mrnet", "train_bound", "train_mrnet_learn_bounds", "train_tanh"}
    assert scripts | {"tuner", "natural_gradient", "siren", "ffm", "finer", "bacon", "relu", "row_bounds"} == set(
        METHODS
    )
    assert method("train_bound") is REGIMES[Regime.FIXED_BOUNDS]


def test_training_is_the_same_twice() -> None:
    first, second = trained(Regime.FIXED_BOUNDS), trained(Regime.FIXED_BOUNDS)
    coords = samples().coords_PD
    assert torch.equal(first(coords), second(coords))
