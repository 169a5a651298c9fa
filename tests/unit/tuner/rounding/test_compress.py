"""The loss that was allowed is not exceeded, and is used."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import nearly, random_parameters, random_representation
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.errors import ConfigError, InvalidSignal
from tuner.metrics import picture_psnr_db
from tuner.network.sines.synthesis import values_at
from tuner.representation import Representation
from tuner.rounding.compress import canonical, compress
from tuner.rounding.view import View
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import SampleFormat, Signal

REPRESENTATION = random_representation((96, 80), frequencies=60, hidden=(40,))
SIGNAL = nearly(REPRESENTATION)


def psnr_db(representation: Representation, signal: Signal) -> float:
    return picture_psnr_db(signal.values, representation.render().values, signal.sample_format)


@pytest.mark.parametrize("max_loss_db", [0.02, 0.1, 1.0])
def test_the_loss_is_within_its_bound(max_loss_db: float) -> None:
    data = compress(REPRESENTATION, SIGNAL, max_loss_db=max_loss_db)
    loss_db = psnr_db(REPRESENTATION, SIGNAL) - psnr_db(decode(data), SIGNAL)
    assert 0.4 * max_loss_db <= loss_db <= max_loss_db + 1e-4


def test_all_care_makes_a_smaller_file_for_the_same_loss() -> None:
    fitted = random_representation((64, 48), frequencies=40, hidden=(24,))
    signal = nearly(fitted)
    plain, thorough = (compress(fitted, signal, max_loss_db=0.5, thorough=care) for care in (False, True))
    assert len(thorough) < len(plain)
    assert psnr_db(fitted, signal) - psnr_db(decode(thorough), signal) <= 0.5 + 1e-4


def test_more_loss_makes_a_smaller_file() -> None:
    sizes = [len(compress(REPRESENTATION, SIGNAL, max_loss_db=loss)) for loss in (0.02, 0.1, 0.5, 2.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert 8 * sizes[1] / REPRESENTATION.parameters.weight_count < 8.0, "bits per weight at 0.1 dB"


@pytest.mark.parametrize(
    "representation",
    [
        random_representation((40, 30), hidden=(20, 10)),
        random_representation((500,), frequencies=6, hidden=(20,)),
        random_representation((12, 11, 10), frequencies=30, hidden=(20,), channels=1),
    ],
    ids=["two layers", "one axis", "three axes"],
)
def test_any_depth_and_dimension(representation: Representation) -> None:
    signal = nearly(representation)
    decoded = decode(compress(representation, signal))
    assert psnr_db(representation, signal) - psnr_db(decoded, signal) <= 0.1 + 1e-4


def test_the_same_bytes_every_time() -> None:
    assert compress(REPRESENTATION, SIGNAL) == compress(REPRESENTATION, SIGNAL)


def test_the_order_of_the_columns_and_whole_turns_change_nothing() -> None:
    parameters = REPRESENTATION.sine_parameters
    order = np.random.default_rng(0).permutation(len(parameters.frequencies))
    turned = replace(
        parameters,
        frequencies=parameters.frequencies[order],
        phases=parameters.phases[order],
        hidden=(replace(parameters.hidden[0], weight=parameters.hidden[0].weight[:, order]),),
    )
    assert compress(replace(REPRESENTATION, parameters=turned), SIGNAL) == compress(REPRESENTATION, SIGNAL)


def test_canonical_is_the_same_function() -> None:
    parameters = random_parameters(hidden=(8, 6))
    reversed_columns = replace(
        parameters,
        frequencies=parameters.frequencies[::-1].copy(),
        phases=parameters.phases[::-1] + np.float32(8 * np.pi),
        hidden=(
            replace(parameters.hidden[0], weight=parameters.hidden[0].weight[:, ::-1].copy()),
            replace(parameters.hidden[1], bias=parameters.hidden[1].bias - np.float32(4 * np.pi)),
        ),
    )
    standard = canonical(reversed_columns)
    assert np.array_equal(standard.frequencies, parameters.frequencies)
    assert np.abs(standard.phases).max() <= np.pi
    assert np.abs(standard.hidden[1].bias).max() <= np.pi
    coords = Grid((9, 9), 2.5).coords()
    np.testing.assert_allclose(values_at(standard, coords), values_at(reversed_columns, coords), atol=1e-5)


def test_the_readout_is_solved_for_the_rounded_network() -> None:
    """Coarse steps everywhere, so that plain rounding loses far more than the search allows itself."""
    data = compress(REPRESENTATION, SIGNAL, max_loss_db=2.0)
    decoded = decode(data)
    plain = decode(encode(replace(REPRESENTATION, parameters=canonical(REPRESENTATION.sine_parameters)), decoded.steps))
    assert psnr_db(decoded, SIGNAL) > psnr_db(plain, SIGNAL) + 0.05


def test_a_view_solves_the_readout_by_least_squares() -> None:
    solved = View(SIGNAL).solve_readout(REPRESENTATION.sine_parameters)
    hidden = hidden_values(REPRESENTATION)
    expected, *_ = np.linalg.lstsq(hidden, SIGNAL.values.reshape(-1, 3).astype(np.float64), rcond=None)
    np.testing.assert_allclose(solved.readout_weight.T, expected[:-1], atol=1e-4)
    np.testing.assert_allclose(solved.readout_bias, expected[-1], atol=1e-4)


def hidden_values(representation: Representation) -> np.ndarray:
    """Hidden neurons and a constant at every sample: one neuron at a time through the read-out."""
    parameters = representation.sine_parameters
    width = len(parameters.hidden[-1].bias)
    identity: FloatArray = np.eye(width, dtype=np.float32)
    unread = replace(parameters, readout_weight=identity, readout_bias=np.zeros(width, dtype=np.float32))
    hidden = values_at(unread, Grid(representation.grid_shape, parameters.period).coords())
    return np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1).astype(np.float64)


def test_a_picture_that_is_reproduced_perfectly() -> None:
    """No finite loss is small beside no error at all; the file must still be one that shows the picture."""
    flat = replace(
        random_parameters(), readout_weight=np.zeros((3, 8), np.float32), readout_bias=np.full(3, 0.2, np.float32)
    )
    signal = Signal(values=np.full((6, 5, 3), 0.2, dtype=np.float32))
    decoded = decode(compress(Representation(parameters=flat, grid_shape=(6, 5)), signal))
    assert psnr_db(decoded, signal) > 100.0


def test_a_single_pixel() -> None:
    representation = random_representation((1, 1))
    signal = Signal(values=np.array([[[0.1, 0.5, 0.9]]], dtype=np.float32), sample_format=SampleFormat.U16)
    decode(compress(representation, signal))


@pytest.mark.parametrize("max_loss_db", [0.0, -0.1, float("nan"), float("inf")])
def test_a_loss_must_be_positive(max_loss_db: float) -> None:
    with pytest.raises(ConfigError, match="max_loss_db is"):
        compress(REPRESENTATION, SIGNAL, max_loss_db=max_loss_db)


def test_the_signal_must_be_the_one_that_was_fitted() -> None:
    other = Signal(values=np.zeros((80, 96, 3), dtype=np.float32))
    with pytest.raises(InvalidSignal, match="expected \\(96, 80\\) with 3"):
        compress(REPRESENTATION, other)
