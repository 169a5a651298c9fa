"""The manifest holds by napari's own check, and the reader gives layers without decoding.

`make test-napari` shows the same files in a real window, which takes an installation of its own.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.unit.tuner.plugins.files import COLOUR, FILES, MESH, SOUND, VIDEO, VOLUME, name_of, stored
from tuner.codec.decode import load
from tuner.plugins import lazy_samples
from tuner.plugins.napari import get_reader, read_layers
from tuner.signal.details import VolumeDetails

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # npe2 uses what this release of pydantic warns of
    import npe2


def test_the_manifest_holds() -> None:
    manifest = npe2.PluginManifest.from_distribution("tuner-neural")
    manifest.validate_imports()
    assert manifest.contributions.readers[0].filename_patterns == ["*.tnr"]  # type: ignore[index]


def test_npe2_finds_and_reads_by_it() -> None:
    """As napari does: it looks at what is installed, and asks who reads such a name."""
    manager = npe2.PluginManager.instance()
    manager.discover()
    assert "tuner-neural" in {reader.plugin_name for reader in manager.iter_compatible_readers([str(VOLUME)])}
    ((samples, *_),) = npe2.read([str(VOLUME)], stack=False, plugin_name="tuner-neural")
    np.testing.assert_array_equal(np.asarray(samples), stored(VOLUME))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_layer_has_an_axis_for_each_of_the_grid(path: Path) -> None:
    axes = len(load(path).grid_shape)
    reader = get_reader(str(path))
    if axes < 2:
        assert reader is None
        return
    assert reader is not None
    ((samples, shown, kind),) = reader(str(path))
    assert kind == "image"
    np.testing.assert_array_equal(np.asarray(samples), stored(path))
    apart = shown.get("rgb", False) or "channel_axis" in shown
    assert len(shown["scale"]) == axes == np.ndim(samples) - apart
    if "contrast_limits" in shown:
        low, high = shown["contrast_limits"]
        assert low < high
        assert low <= stored(path).min()
        assert stored(path).max() <= high


def test_distances_between_samples_are_those_of_the_file() -> None:
    assert read_layers(str(MESH))[0][1]["translate"] == load(MESH).details.origin  # type: ignore[union-attr]
    assert read_layers(str(VIDEO))[0][1]["scale"] == (1001 / 30000, 1.0, 1.0)
    details = load(VOLUME).details
    assert isinstance(details, VolumeDetails)
    lengths = np.linalg.norm(np.array(details.affine).reshape(4, 4)[:3, :3], axis=0)
    np.testing.assert_allclose(read_layers(str(VOLUME))[0][1]["scale"], lengths)


def test_nothing_is_decoded_before_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> object:
        raise AssertionError

    monkeypatch.setattr(lazy_samples, "decode", never)
    for path in (COLOUR, VOLUME, VIDEO, MESH):
        assert read_layers(str(path))


def test_several_files_are_several_layers() -> None:
    assert [shown["name"] for _, shown, _ in read_layers([str(COLOUR), str(VOLUME)])] == ["colour", "volume"]


def test_other_files_are_left_to_other_readers(tmp_path: Path) -> None:
    (tmp_path / "other.tnr").write_bytes(b"nothing of that kind")
    for path in (str(tmp_path / "other.tnr"), str(tmp_path / "none.tnr"), "picture.png", str(SOUND)):
        assert get_reader(path) is None
        assert get_reader([str(COLOUR), path]) is None
