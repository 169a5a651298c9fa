"""A long line in windows that share a network: the same line back, at any place, in any file."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import random_parameters
from tests.signals import chirp
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.codec.file.container import Chunk, ChunkType, read_container, write_container
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.windows import pack_windows
from tuner.errors import ConfigError, CorruptFile, InvalidSignal, LimitExceeded
from tuner.fit.config import Budget, FitConfig, NaturalGradientConfig
from tuner.fit.natural.batch import fit_batch
from tuner.fit.presets import WINDOW_SAMPLES, signal_config
from tuner.fit.sines.fit import FitResult, fit
from tuner.metrics import snr_db
from tuner.network.sines.config import NetworkConfig
from tuner.network.sines.synthesis import values_at
from tuner.network.sines.windows import WindowedParameters, fold, unfolded, window_length
from tuner.representation import Representation
from tuner.rounding.compress import compress
from tuner.signal.details import AudioDetails
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind

SAMPLES, WINDOWS = 1001, 5
NETWORK = NetworkConfig(frequencies=24, hidden=(24,), windows=WINDOWS, low_limit=0.1, band_limit=0.5)
CONFIG = FitConfig(network=NETWORK, trainer=NaturalGradientConfig(), budget=Budget(max_steps=12))


def sound(samples: int = SAMPLES, channels: int = 2) -> Signal:
    return Signal(
        values=chirp(samples, channels),
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.S16,
        details=AudioDetails(sample_rate=8000),
    )


def in_windows(channels: int = 2) -> Representation:
    """A random network on windows of 216 samples, the last of which reaches beyond the line."""
    signal = sound(channels=channels)
    network = random_parameters(dimensions=1, channels=WINDOWS * channels, reach=30)
    return Representation.of(network, signal)


def slow_value(parameters: WindowedParameters, x: float) -> np.ndarray:
    """The definition, one point at a time."""
    u = (x + 1) / 2 * parameters.samples / parameters.window
    w = min(max(int(np.floor(u)), 0), parameters.windows - 1)
    outputs = values_at(parameters.network, np.array([[2 * (u - w) - 1]], np.float32))[0]
    value: np.ndarray = outputs.reshape(parameters.windows, -1)[w]
    return value


def test_windows_are_as_short_as_fast_transforms_allow() -> None:
    assert [window_length(*pair) for pair in [(1001, 5), (308207, 38), (8, 2), (7, 7)]] == [216, 8192, 4, 4]


def test_a_folded_line_is_all_of_it_and_silence() -> None:
    signal = sound()
    folded = fold(signal, WINDOWS).values
    assert folded.shape == (216, WINDOWS * 2)
    line = folded.reshape(216, WINDOWS, 2).transpose(1, 0, 2).reshape(-1, 2)
    np.testing.assert_array_equal(line[:SAMPLES], signal.values)
    assert not line[SAMPLES:].any()
    assert fold(signal, 1) is signal


def test_values_are_those_of_the_definition_everywhere() -> None:
    representation = in_windows()
    parameters = representation.parameters
    assert isinstance(parameters, WindowedParameters)
    places = np.array([-1.2, -1.0, -0.9999, -0.57, 0.0, 0.13, 0.9999, 1.0, 1.1], np.float32)
    expected = np.array([slow_value(parameters, float(x)) for x in places])
    np.testing.assert_allclose(representation.at(places[:, None]), expected, atol=2e-5)
    grid = (2 * np.arange(SAMPLES) + 1) / SAMPLES - 1
    expected = np.clip([slow_value(parameters, x) for x in grid], -1, 1)
    np.testing.assert_allclose(representation.render().values, expected, atol=1e-4)


@pytest.mark.parametrize(("scale", "region"), [(2.0, None), (0.37, None), (3.0, [(-0.4, 0.31)])])
def test_a_line_is_rendered_at_any_density(scale: float, region: list[tuple[float, float]] | None) -> None:
    representation = in_windows(channels=1)
    rendered = representation.render(scale=scale, region=region)
    low, high = region[0] if region else (-1.0, 1.0)
    count = len(rendered.values)
    places = (low + (high - low) * (np.arange(count) + 0.5) / count).astype(np.float32)
    # At a border neighbouring windows differ, and float32 cannot say on which side of it a point lies.
    close = np.abs(np.clip(representation.at(places[:, None]), -1, 1) - rendered.values) < 1e-3
    assert close.mean() > 0.99
    assert isinstance(rendered.details, AudioDetails)
    assert rendered.details.sample_rate == pytest.approx(8000 * scale, rel=0.01)


def test_derivatives_are_per_unit_of_the_line() -> None:
    representation = in_windows()
    places = np.array([[-0.7], [0.05], [0.9]], np.float32)
    step = np.float32(2e-4)
    slopes = (representation.at(places + step) - representation.at(places - step)) / (2 * step)
    np.testing.assert_allclose(representation.gradient(places)[..., 0], slopes, rtol=0.01, atol=0.2)


def test_a_file_keeps_the_windows() -> None:
    representation = in_windows()
    again = decode(encode(representation))
    assert isinstance(again.parameters, WindowedParameters)
    assert (again.parameters.windows, again.parameters.window, again.channels) == (WINDOWS, 216, 2)
    np.testing.assert_allclose(again.render().values, representation.render().values, atol=1e-3)
    assert encode(again) == encode(representation)


def damaged(windows: int, window: int, kind: int = ChunkType.NETWORK) -> bytes:
    data = encode(in_windows())
    header, payloads = read_container(data, DecodeLimits())
    before = len(pack_windows(WINDOWS, 216, ChunkType.NETWORK, b""))
    payload = pack_windows(windows, window, kind, payloads[ChunkType.WINDOWED][before:])
    return write_container(header, [Chunk(ChunkType.WINDOWED, payload), Chunk(ChunkType.METADATA, b"\xa0")])


@pytest.mark.parametrize(("windows", "window"), [(0, 216), (1, 1001), (4, 216), (6, 216), (5, 2000), (1002, 1)])
def test_windows_that_do_not_fit_are_damage(windows: int, window: int) -> None:
    with pytest.raises(CorruptFile):
        decode(damaged(windows, window))


@pytest.mark.parametrize("kind", [0, 2, 4, 255])
def test_windows_of_another_kind_of_network_are_damage(kind: int) -> None:
    with pytest.raises(CorruptFile, match=f"kind {kind}"):
        decode(damaged(WINDOWS, 216, kind))


def test_windows_count_against_the_limit_of_weights() -> None:
    with pytest.raises(LimitExceeded):
        decode(encode(in_windows()), DecodeLimits(weights=150))


def test_a_long_sound_is_fitted_and_shrunk_to_a_file() -> None:
    signal = sound(channels=1)
    result = fit(signal, CONFIG)
    representation = Representation.of(result.network.parameters_numpy(), signal)
    content = compress(representation, signal, max_loss_db=0.5)
    decoded = decode(content).render()
    assert decoded.values.shape == signal.values.shape
    assert snr_db(signal.values, representation.render().values) > 35
    assert snr_db(signal.values, decoded.values) > snr_db(signal.values, representation.render().values) - 0.7
    assert result.psnr_db > 35


def test_a_batch_is_cut_like_one_sound() -> None:
    signals = [sound(channels=1), replace(sound(channels=1), values=sound(channels=1).values * np.float32(0.5))]
    together, alone = fit_batch(signals, CONFIG), fit(signals[1], CONFIG)
    assert isinstance(together[1], FitResult)
    assert together[1].psnr_db == pytest.approx(alone.psnr_db, abs=0.5)


def test_long_sounds_are_cut_by_the_presets_and_short_ones_are_not() -> None:
    lengths = [WINDOW_SAMPLES, 44_100, 7 * 44_100, 30 * 44_100]
    networks = [signal_config(_outline(samples), "balanced").network for samples in lengths]
    assert [network.windows for network in networks] == [1, 5, 38, 161]
    weights = [
        network.hidden[0] * (network.frequencies + network.windows) / samples
        for network, samples in zip(networks[1:], lengths[1:], strict=True)
    ]
    assert weights == pytest.approx([0.29] * 3, rel=0.05)


def _outline(samples: int) -> Signal:
    return Signal(values=np.zeros((samples, 1), np.float32), kind=SignalKind.AUDIO)


def test_what_cannot_be_cut_is_refused() -> None:
    picture = Signal(values=np.zeros((20, 20, 1), np.float32))
    with pytest.raises(ConfigError, match="expected one axis"):
        fit(picture, CONFIG)
    with pytest.raises(ConfigError, match="windows=1"):
        fit(sound(), CONFIG, held_out=np.zeros(SAMPLES, np.bool_))
    with pytest.raises(ConfigError, match="windows is 0"):
        replace(NETWORK, windows=0)
    with pytest.raises(ConfigError, match="expected windows that cover"):
        WindowedParameters(
            network=random_parameters(dimensions=1, channels=4, reach=30), samples=9, windows=2, window=4
        )
    with pytest.raises(InvalidSignal):
        compress(in_windows(), sound(channels=1))


def test_a_network_for_the_whole_line_stays_as_it_is() -> None:
    network = random_parameters(dimensions=1, channels=2, reach=30)
    assert unfolded(network, sound()) is network
