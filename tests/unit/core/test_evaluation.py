"""Grids, points and derivatives from the core are those of the slow twins in numpy, for both kinds of network."""

from itertools import product

import numpy as np
import pytest

from tests.networks import random_parameters
from tests.wavelets import random_wavelets
from tuner.core.evaluation import Evaluation, SineNetwork
from tuner.core.host import Layout, Limits, decode, encode
from tuner.core.synthesis import Network, values
from tuner.errors import ConfigError, LimitExceeded
from tuner.network.sines import by_core as sines_by_core
from tuner.network.sines import synthesis as sines
from tuner.network.sines.parameters import SineParameters
from tuner.network.wavelets import by_core as wavelets_by_core
from tuner.network.wavelets import synthesis as wavelets
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray

_ALL = Limits()
# What the pages state: of the greatest value.
_DISTANCE = 2e-5
SHAPES = [(1000,), (37,), (1,), (45, 70), (1, 33), (33, 1), (2, 3), (13, 16, 21), (4, 1, 7, 9)]
# Coordinates along an axis: longer than what is done at once, in few dimensions.
_MOST = {1: 700, 2: 40, 3: 9, 4: 3}
NETWORKS = [(3, 3, (6, 5)), (1, 1, (7,)), (2, 4, (3, 4, 9))]
# Inside of the signal: less than half a step of 16 bits, so that written samples agree within 1.
_INSIDE = 7e-6


def _axis(random: np.random.Generator, kind: str, count: int) -> FloatArray:
    cells = (2.0 * np.arange(count) + 1.0) / count - 1.0
    match kind:
        case "whole":
            axis = cells
        case "region":
            width = random.uniform(0.01, 0.5)
            axis = random.uniform(-1.0, 1.0 - width) + width * (cells + 1.0) / 2.0
        case "far outside":
            axis = 40.0 * cells
        case _:
            axis = np.sort(random.uniform(-1.2, 1.2, count))
    return axis.astype(np.float32)


def _axes(random: np.random.Generator, kind: str, dimensions: int) -> list[FloatArray]:
    return [_axis(random, kind, int(random.integers(1, _MOST[dimensions] + 1))) for _ in range(dimensions)]


def _expect_close(found: FloatArray | None, wanted: FloatArray, distance: float = _DISTANCE) -> None:
    assert found is not None
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= distance * max(1.0, float(np.abs(wanted).max()))


@pytest.mark.parametrize("kind", ["whole", "region", "uneven", "far outside"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_wavelets_on_any_grid_are_those_of_numpy(shape: tuple[int, ...], kind: str) -> None:
    random = np.random.default_rng([*shape, len(kind)])
    for colours, channels, widths in NETWORKS:
        parameters = random_wavelets(shape, colours=colours, channels=channels, widths=widths)
        axes = _axes(random, kind, len(shape))
        found, wanted = wavelets_by_core.values_on_grid(parameters, axes), wavelets.values_in_tiles(parameters, axes)
        _expect_close(found, wanted, _DISTANCE if kind == "far outside" else _INSIDE)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_wavelets_at_points_and_their_derivatives_are_those_of_numpy(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(shape)
    # Along four axes numpy takes seconds for each network.
    chosen = list(zip((1, 2, 5), NETWORKS, strict=True))[: 3 if len(shape) < 4 else 1]
    for scales, (colours, channels, widths) in chosen:
        parameters = random_wavelets(shape, scales=scales, colours=colours, channels=channels, widths=widths)
        points = random.uniform(-1.1, 1.1, (270 if len(shape) < 3 else 30, len(shape))).astype(np.float32)
        points[:2] = [[-1.0], [1.0]]
        _expect_close(wavelets_by_core.values_at(parameters, points), wavelets.values_at_points(parameters, points))
        slopes = wavelets.gradients_at_points(parameters, points)
        assert slopes.any() or max(shape) == 1
        _expect_close(wavelets_by_core.gradients_at(parameters, points), slopes)


@pytest.mark.parametrize("kind", ["whole", "region", "uneven"])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_sines_are_those_of_numpy(dimensions: int, kind: str) -> None:
    random = np.random.default_rng([dimensions, len(kind)])
    for frequencies, widths, channels in [(12, (8,), 3), (40, (9, 5), 1), (1, (1, 2, 3), 4)]:
        reach = 60 if dimensions == 1 else 6
        parameters = random_parameters(
            frequencies=frequencies, hidden=widths, channels=channels, dimensions=dimensions, reach=reach
        )
        axes = _axes(random, kind, dimensions)
        _expect_close(sines_by_core.values_on_grid(parameters, axes), sines.values_on_grid(parameters, axes), _INSIDE)
        points = np.stack([_axis(random, kind, 300) for _ in range(dimensions)], axis=1)
        _expect_close(sines_by_core.values_at(parameters, points), sines.values_at(parameters, points))
        _expect_close(sines_by_core.gradients_at(parameters, points), sines.gradients_at(parameters, points))


def test_a_line_longer_than_a_piece_that_is_not_even_is_evaluated_as_well() -> None:
    random = np.random.default_rng(0)
    axes = [np.sort(random.uniform(-1.0, 1.0, count)).astype(np.float32) for count in (3, 600)]
    sine, wavelet = random_parameters(), random_wavelets()
    _expect_close(sines_by_core.values_on_grid(sine, axes), sines.values_on_grid(sine, axes))
    _expect_close(wavelets_by_core.values_on_grid(wavelet, axes), wavelets.values_in_tiles(wavelet, axes))


def test_one_evaluation_serves_many_questions_in_any_order() -> None:
    parameters = random_wavelets((40, 50))
    evaluation = _of_wavelets(parameters)
    axes = [np.linspace(-1.0, 1.0, 9), np.linspace(0.0, 0.5, 300)]
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (300, 2))
    grid, values, slopes = evaluation.on_grid(axes), evaluation.at(points), evaluation.gradients(points)
    for _ in range(2):
        np.testing.assert_array_equal(evaluation.gradients(points), slopes)
        np.testing.assert_array_equal(evaluation.on_grid(axes), grid)
        np.testing.assert_array_equal(evaluation.at(points), values)


def test_grids_and_points_agree_with_each_other() -> None:
    for evaluation in (_of_wavelets(random_wavelets((40, 50))), _of_sines(random_parameters())):
        axes = [np.linspace(-1.0, 1.0, 20), np.linspace(-0.7, 0.3, 31)]
        points = np.array(list(product(*axes)))
        np.testing.assert_allclose(evaluation.on_grid(axes).reshape(len(points), -1), evaluation.at(points), atol=2e-5)


def test_derivatives_are_those_of_the_values() -> None:
    """Within rounding: differences over a hundredth of a sample."""
    for evaluation in (_of_wavelets(random_wavelets((40, 50))), _of_sines(random_parameters())):
        points, step = np.random.default_rng(1).uniform(-0.9, 0.9, (200, 2)), 1e-3
        for axis, move in enumerate(np.eye(2) * step):
            slopes = (evaluation.at(points + move) - evaluation.at(points - move)) / (2.0 * step)
            found = evaluation.gradients(points)[:, :, axis]
            assert np.abs(found - slopes).mean() <= 0.02 * np.abs(found).mean()


def test_some_outputs_of_many_are_those_of_all() -> None:
    evaluation = _of_sines(random_parameters(channels=7, dimensions=1, reach=60))
    axes = [np.linspace(-1.0, 1.0, 50)]
    np.testing.assert_array_equal(evaluation.on_grid(axes, outputs=(2, 3)), evaluation.on_grid(axes)[:, 2:5])
    with pytest.raises(ConfigError, match="network"):
        evaluation.on_grid(axes, outputs=(5, 3))


def test_a_line_is_evaluated_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = _of_sines(random_parameters(dimensions=1, reach=60))
    axes = [np.linspace(-1.0, 1.0, 1000)]
    whole = evaluation.on_grid(axes)
    monkeypatch.setattr("tuner.core.evaluation._PIECE", 300)
    np.testing.assert_allclose(evaluation.on_grid(axes), whole, atol=1e-5)


@pytest.mark.parametrize("coordinate", [1e30, -1e30, 3e9])
def test_coordinates_far_away_give_numbers(coordinate: float) -> None:
    for evaluation in (_of_wavelets(random_wavelets((20, 28))), _of_sines(random_parameters())):
        assert np.isfinite(evaluation.on_grid([np.array([coordinate]), np.array([0.0, coordinate])])).all()
        assert np.isfinite(evaluation.gradients(np.array([[coordinate, 0.0]]))).all()


def test_coordinates_that_are_no_numbers_do_no_harm() -> None:
    for evaluation in (_of_wavelets(random_wavelets((20, 28))), _of_sines(random_parameters())):
        for wrong in (np.nan, np.inf, -np.inf):
            evaluation.on_grid([np.array([wrong, 0.0]), np.array([0.0, wrong])])
            evaluation.gradients(np.array([[wrong, 0.0], [0.0, 0.0]]))


def test_more_work_than_allowed_is_refused() -> None:
    few = Limits(work=100_000)
    for evaluation in (_of_wavelets(random_wavelets((20, 28)), few), _of_sines(random_parameters(), few)):
        small, large = [np.linspace(-1.0, 1.0, 9)] * 2, [np.linspace(-1.0, 1.0, 4000)] * 2
        assert evaluation.on_grid(small).shape[:2] == (9, 9)
        with pytest.raises(LimitExceeded, match="work"):
            evaluation.on_grid(large)
        with pytest.raises(LimitExceeded, match="work"):
            evaluation.gradients(np.zeros((60_000, 2)))
    with pytest.raises(LimitExceeded, match="work"):
        _of_wavelets(random_wavelets((200, 280)), Limits(work=2000))


def test_more_memory_than_allowed_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="memory"):
        _of_wavelets(random_wavelets((400, 300)), Limits(memory=1 << 20))
    evaluation = _of_sines(random_parameters(), Limits(memory=1 << 21))
    with pytest.raises(LimitExceeded, match="memory"):
        evaluation.on_grid([np.zeros(2), np.zeros(1 << 20)])
    assert evaluation.on_grid([np.zeros(2), np.zeros(3)]).shape == (2, 3, 3)


def test_questions_of_another_shape_are_refused() -> None:
    evaluation = _of_sines(random_parameters())
    with pytest.raises(ConfigError, match="expected 2 axes"):
        evaluation.on_grid([np.zeros(3)])
    with pytest.raises(ConfigError, match="expected 2 axes"):
        evaluation.on_grid([np.zeros(3), np.zeros(0)])
    with pytest.raises(ConfigError, match="expected \\(points, 2\\)"):
        evaluation.at(np.zeros((3, 3)))
    assert evaluation.at(np.zeros((0, 2))).shape == (0, 3)
    parameters = random_wavelets((20, 28))
    layout, network = _parts(parameters)
    with pytest.raises(ConfigError, match="there are 0 integers"):
        Evaluation(network, layout)
    with pytest.raises(ConfigError, match="network"):
        Evaluation(network)


def _parts(parameters: WaveletParameters) -> tuple[Layout, Network]:
    layout = parameters.layout
    return Layout(layout.grid_shape, layout.colours, layout.scales), Network(
        period=parameters.period,
        frequencies=parameters.frequencies,
        factors=parameters.gains,
        tensors=parameters.tensors(),
    )


def _of_wavelets(parameters: WaveletParameters, limits: Limits = _ALL) -> Evaluation:
    layout, network = _parts(parameters)
    return Evaluation(network, layout, parameters.latents, limits)


def _of_sines(parameters: SineParameters, limits: Limits = _ALL) -> Evaluation:
    hidden = [array for layer in parameters.hidden for array in (layer.weight, layer.bias)]
    network = SineNetwork(
        period=parameters.period,
        frequencies=parameters.frequencies,
        phases=parameters.phases,
        tensors=[*hidden, parameters.readout_weight, parameters.readout_bias],
    )
    return Evaluation(network, limits=limits)


@pytest.mark.parametrize("shape", [(700_000,), (1, 700_000), (700_000, 1), (1, 1, 1, 400_000)], ids=str)
def test_a_long_row_has_the_memory_that_it_needs(shape: tuple[int, ...]) -> None:
    """Sums of a row are kept beside the integers, which a picture has so few of that they are not noticed."""
    parameters = random_wavelets(shape, scales=1, colours=1, channels=1, widths=(2,))
    layout, network = _parts(parameters)
    integers = np.concatenate([latents.reshape(-1) for latents in parameters.latents])
    assert np.array_equal(decode(encode(integers, layout), layout), integers)
    evaluation = _of_wavelets(parameters)
    whole = values(parameters.latents, layout, network)
    centres = [(2.0 * np.arange(samples) + 1.0) / samples - 1.0 for samples in shape]
    _expect_close(evaluation.on_grid(centres), whole)
    ends = np.zeros((2, len(shape)), np.float32)
    ends[:, int(np.argmax(shape))] = -0.999, 0.999
    _expect_close(evaluation.at(ends), wavelets.values_at_points(parameters, ends))
    _expect_close(evaluation.gradients(ends), wavelets.gradients_at_points(parameters, ends))
