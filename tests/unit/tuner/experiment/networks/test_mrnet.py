"""MR-Net: three forms, stages that add detail, and levels in between."""

import numpy as np
import pytest
import torch

from tests.unit.tuner.experiment.worlds import recipe, samples
from tuner.errors import ConfigError
from tuner.experiment.networks.mrnet import Form, MRNet, level_shape, mrnet
from tuner.experiment.samples import reduce
from tuner.experiment.training import predict, train
from tuner.metrics import psnr_db
from tuner.signal.grid import Grid

FORMS = pytest.mark.parametrize("form", list(Form))
GRID = Grid((48, 32), 2.5)


def network(form: Form, *, integer: bool = True, stages: int = 3) -> MRNet:
    return mrnet(form, GRID, 1, (24, 10), seed=0, integer=integer, stages=stages)


@FORMS
@pytest.mark.parametrize("integer", [True, False])
def test_the_level_of_detail_is_continuous(form: Form, integer: bool) -> None:
    net, coords = network(form, integer=integer), torch.rand(30, 2) * 2 - 1
    with torch.no_grad():
        assert float(net.at(coords, 0.0).abs().max()) == 0.0
        assert torch.equal(net(coords), net.at(coords, 3.0))
        for whole in (1.0, 2.0):
            torch.testing.assert_close(net.at(coords, whole - 1e-5), net.at(coords, whole + 1e-5), atol=1e-4, rtol=0)
        middle = (net.at(coords, 1.0) + net.at(coords, 2.0)) / 2
        torch.testing.assert_close(net.at(coords, 1.5), middle)
        assert not torch.allclose(net.at(coords, 1.0), net.at(coords, 2.0), atol=1e-4)


@FORMS
def test_only_the_m_form_hands_features_on(form: Form) -> None:
    net, coords = network(form), torch.rand(30, 2)
    with torch.no_grad():
        before = net(coords) - net.at(coords, 1.0)
        for parameter in net.stage(0).hidden.parameters():
            parameter.add_(1.0)
        after = net(coords) - net.at(coords, 1.0)
    assert torch.allclose(before, after, atol=1e-5) is (form is not Form.M)


def test_the_s_form_has_no_hidden_layers() -> None:
    assert not list(network(Form.S).hidden_layers())
    assert len(list(network(Form.L).hidden_layers())) == 3


@FORMS
@pytest.mark.parametrize("integer", [True, False])
def test_stages_are_trained_one_after_the_other_on_their_levels(form: Form, integer: bool) -> None:
    world, net = samples(held_out=0.0), network(form, integer=integer)
    start = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    train(net, world, recipe(20), seed=0)
    third = dict(net.state_dict())
    changed = {name.split(".")[1] for name, tensor in third.items() if not torch.equal(tensor, start[name])}
    assert changed == {"0", "1", "2"}

    again = network(form, integer=integer)
    train(again, world, recipe(20, learning_rate=1e-9), seed=0)
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, start[name], rtol=0, atol=1e-5)

    # Stage after stage, the sum comes near the level that it was trained on.
    long = network(form, integer=integer)
    train(long, world, recipe(240, learning_rate=5e-3), seed=0)
    with torch.no_grad():
        for stage in range(3):
            level = world.level(2 - stage)
            value = long.at(level.coords_PD, stage + 1.0)
            assert psnr_db(level.values_PC.numpy(), value.numpy()) > 17.0
    assert predict(long, world.coords_PD).shape == (48 * 32, 1)


def test_an_earlier_stage_is_frozen_while_a_later_one_learns() -> None:
    world, net = samples(held_out=0.0), network(Form.M)
    seen: list[dict[str, torch.Tensor]] = []
    # Ten steps a stage, measured at the end of each.
    train(
        net,
        world,
        recipe(30),
        seed=0,
        on_measure=lambda _: seen.append({k: v.clone() for k, v in net.state_dict().items()}),
    )
    first = {name for name in seen[0] if name.startswith("stages.0.")}
    assert first
    assert all(torch.equal(seen[0][name], seen[2][name]) for name in first)
    second = {name for name in seen[0] if name.startswith("stages.1.") and "frequencies" not in name}
    assert not any(torch.equal(seen[0][name], seen[1][name]) for name in second)
    assert all(torch.equal(seen[1][name], seen[2][name]) for name in second)


def test_levels_halve_the_samples_and_keep_the_picture_in_place() -> None:
    assert [level_shape((48, 33), level) for level in range(4)] == [(48, 33), (24, 17), (12, 9), (6, 5)]
    x = Grid((64,), 2.5).axis(0)
    ramp = reduce(x[:, None], (32,))[:, 0]
    np.testing.assert_allclose(ramp[3:-3], Grid((32,), 2.5).axis(0)[3:-3], atol=1e-6)
    assert reduce(np.ones((9, 7, 2), np.float32), (5, 4)) == pytest.approx(1.0)


def test_held_out_samples_take_no_part_in_coarser_levels() -> None:
    world = samples(held_out=0.3)
    spoiled = samples(held_out=0.3)
    spoiled.values_PC[torch.tensor(spoiled.held_out_P)] = 1e3
    torch.testing.assert_close(world.level(2).values_PC, spoiled.level(2).values_PC)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="from 0 to 3"):
        network(Form.L).at(torch.rand(2, 2), 3.5)
    with pytest.raises(ConfigError, match="0 stages"):
        network(Form.L, stages=0)
