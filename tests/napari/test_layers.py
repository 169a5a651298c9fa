"""The real napari finds the reader and slices its layers: `make test-napari`, in an installation of its own.

What is tried is the viewer's model, with the layers and their slicing but without the window, for which a machine
without a screen has no OpenGL. Where napari is not installed, this is left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.codec.decode import load
from tuner.plugins.lazy_samples import LazySamples

napari = pytest.importorskip("napari")
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def viewer() -> Any:
    from napari.components import ViewerModel
    from napari.plugins import _initialize_plugins

    _initialize_plugins()
    return ViewerModel()


def samples_of(path: Path) -> np.ndarray[Any, Any]:
    signal = load(path).render()
    return signal.storage.to_samples(signal.values)


@pytest.mark.parametrize("name", ["volume", "mesh"])
def test_a_volume_is_sliced_where_the_slider_stands(viewer: Any, name: str) -> None:
    path = GOLDEN / "v1-kinds" / f"{name}.tnr"
    (layer,) = viewer.open(path, plugin="tuner-neural")
    expected = samples_of(path)[..., 0]
    assert isinstance(layer.data, LazySamples)
    for index in (0, 3, len(expected) - 1):
        viewer.dims.set_current_step(0, index)
        np.testing.assert_array_equal(layer._slice.image.raw, expected[index])


def test_frames_of_a_video_are_colours(viewer: Any) -> None:
    path = GOLDEN / "v1-kinds" / "video.tnr"
    (layer,) = viewer.open(path, plugin="tuner-neural")
    assert layer.rgb
    np.testing.assert_allclose(layer.scale, [1001 / 30000, 1, 1])
    viewer.dims.set_current_step(0, 4)
    np.testing.assert_array_equal(layer._slice.image.raw, samples_of(path)[4])


def test_a_picture_and_the_channels_of_a_volume(viewer: Any) -> None:
    (picture,) = viewer.open(GOLDEN / "v1" / "colour.tnr", plugin="tuner-neural")
    np.testing.assert_array_equal(np.asarray(picture.data), samples_of(GOLDEN / "v1" / "colour.tnr"))
    assert len(viewer.open(GOLDEN / "v1-core" / "volume.tnr", plugin="tuner-neural")) == 2
