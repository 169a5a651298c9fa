"""What a user may ask of a representation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.networks import random_parameters, random_representation
from tests.wavelets import wavelet_representation
from tuner.codec.decode import decode, load
from tuner.codec.encode import encode, save
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError, CorruptFile, LimitExceeded
from tuner.representation import Representation
from tuner.signal.details import AudioDetails, Details, DistanceDetails, VideoDetails, VolumeDetails
from tuner.signal.grid import Grid
from tuner.signal.signal import SampleFormat, SignalKind


def test_render_gives_the_values_at_the_cell_centres_limited_to_0_and_1() -> None:
    parameters = random_parameters()
    contrasty = replace(parameters, readout_weight=4 * parameters.readout_weight)
    representation = Representation(parameters=contrasty, grid_shape=(10, 14))
    rendered = representation.render()
    values = representation.at(Grid((10, 14), 2.5).coords())
    assert values.min() < 0.0 < 1.0 < values.max()
    np.testing.assert_allclose(rendered.values.reshape(-1, 3), np.clip(values, 0, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "scale", "expected"),
    [(None, 1.0, (10, 14)), (None, 2.5, (25, 35)), (None, 0.01, (1, 1)), ((7, 3), 1.0, (7, 3)), ((7, 3), 9.0, (7, 3))],
)
def test_render_at_any_size(shape: tuple[int, int] | None, scale: float, expected: tuple[int, int]) -> None:
    assert random_representation().render(shape, scale=scale).grid_shape == expected


def test_another_scale_keeps_the_picture_in_place() -> None:
    """Three cells for one: the middle one has the same centre."""
    representation = random_representation()
    np.testing.assert_allclose(
        representation.render(scale=3.0).values[1::3, 1::3], representation.render().values, atol=2e-6
    )


def test_render_passes_on_what_the_file_needs() -> None:
    representation = Representation(
        parameters=random_parameters(channels=1),
        grid_shape=(4, 5),
        sample_format=SampleFormat.U16,
        icc_profile=b"profile",
    )
    rendered = representation.render()
    assert (rendered.kind, rendered.sample_format, rendered.icc_profile) == (
        SignalKind.IMAGE,
        SampleFormat.U16,
        b"profile",
    )
    assert rendered.values.shape == (4, 5, 1)


def test_of_takes_everything_from_the_signal() -> None:
    signal = random_representation((6, 7)).render()
    representation = Representation.of(random_parameters(), signal)
    assert representation.grid_shape == (6, 7)
    assert representation.channels == 3


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_must_be_positive(scale: float) -> None:
    with pytest.raises(ConfigError, match="scale is"):
        random_representation().render(scale=scale)


@pytest.mark.parametrize("scale", [1e5, 1e300, 1.7e308])
def test_what_no_memory_holds_is_refused_before_it_is_made(scale: float) -> None:
    whole = random_representation()
    with pytest.raises(ConfigError, match="are free: ask for a smaller scale, or for one region"):
        whole.render(scale=scale)
    with pytest.raises(ConfigError, match="are free"):
        whole.crop([(0, 2), (0, 2)], scale=10 * scale if scale < 1e300 else scale)


@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 4, 4)])
def test_shapes_must_fit_the_network(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="expected 2 axes"):
        random_representation().render(shape)
    with pytest.raises(ConfigError, match="expected 2 axes"):
        Representation(parameters=random_parameters(), grid_shape=shape)


def test_coordinates_must_fit_the_network() -> None:
    with pytest.raises(ConfigError, match=r"expected \(points, 2\)"):
        random_representation().at(np.zeros((5, 3), dtype=np.float32))


def test_save_and_load(tmp_path: Path) -> None:
    representation = random_representation(hidden=(7, 6))
    save(representation, tmp_path / "a.tnr")
    loaded = load(tmp_path / "a.tnr")
    np.testing.assert_allclose(loaded.render().values, representation.render().values, atol=1e-3)
    save(loaded, tmp_path / "b.tnr")
    assert (tmp_path / "b.tnr").read_bytes() == (tmp_path / "a.tnr").read_bytes()


def test_load_checks_the_size_of_the_file_first(tmp_path: Path) -> None:
    path = tmp_path / "a.tnr"
    save(random_representation(), path)
    with pytest.raises(LimitExceeded, match="file bytes"):
        load(path, DecodeLimits(file_bytes=100))


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    """The target is a directory: the rename fails, and nothing is left behind."""
    (tmp_path / "a.tnr").mkdir()
    with pytest.raises(OSError, match=r"a\.tnr"):
        save(random_representation(), tmp_path / "a.tnr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tnr"]


@pytest.mark.parametrize(("made", "kind"), [(random_representation, "sines"), (wavelet_representation, "wavelets")])
def test_what_a_shell_shows_of_it_is_one_short_line(made: Callable[..., Representation], kind: str) -> None:
    representation = made((9, 7))
    assert repr(representation) == f"<Representation: image, 9 x 7, 3 channels, {kind}, no file yet>"
    data = encode(representation)
    assert repr(decode(data)) == f"<Representation: image, 9 x 7, 3 channels, {kind}, {len(data)} bytes>"


DETAILS: dict[SignalKind, Details] = {
    SignalKind.AUDIO: AudioDetails(sample_rate=8000),
    SignalKind.VOLUME: VolumeDetails(affine=(2.0, 0, 0, 1, 0, 3.0, 0, 2, 0, 0, 4.0, 3, 0, 0, 0, 1)),
    SignalKind.VIDEO: VideoDetails(rate=(25, 1), aspect=(4, 3)),
    SignalKind.DISTANCE: DistanceDetails(origin=(0.0, 1.0, 2.0), spacing=(1.0, 2.0, 3.0)),
}


@pytest.mark.parametrize("kind", DETAILS)
@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_a_file_whose_kind_and_grid_disagree_is_refused_or_read_in_parts(kind: SignalKind, axes: int) -> None:
    """Where details speak of each axis, there must be as many; nothing else depends on the axes of a kind."""
    shape = (5, 4, 3, 2)[:axes]
    data = encode(
        Representation(
            parameters=wavelet_representation(shape).parameters, grid_shape=shape, kind=kind, details=DETAILS[kind]
        )
    )
    if kind in {SignalKind.VIDEO, SignalKind.DISTANCE} and axes != 3:
        with pytest.raises(CorruptFile, match=f"has {axes} axes, expected 3"):
            decode(data)
        return
    found = decode(data)
    assert found.crop([(0, 1)] * axes).grid_shape == (1,) * axes
    assert found.render(scale=2.0).grid_shape == tuple(2 * side for side in shape)
