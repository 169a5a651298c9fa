"""Views against slow twins: the network asked point by point, and numpy's own transform."""

import io

import numpy as np
import pytest
from PIL import Image

from store.render_spec import RenderFormat, RenderSpec, View
from tests.networks import random_representation
from tests.wavelets import wavelet_representation
from tuner.metrics import psnr_db
from tuner.network.synthesis import synthesis_of
from tuner.signal.image import write_image
from worker.views import draw, gradient_magnitude, reconstruction, spectrum_magnitude

PICTURE = random_representation((10, 14))


def spec(view: View = View.RECONSTRUCTION, **more: object) -> RenderSpec:
    return RenderSpec.model_validate({"view": view, "format": RenderFormat.PNG, **more})


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_whole_is_what_decoding_writes() -> None:
    drawn = draw(PICTURE, spec())
    assert drawn.media_type == "image/png"
    assert drawn.content == write_image(PICTURE.render())


def test_a_region_is_a_part_of_the_whole_at_the_same_scale() -> None:
    whole = reconstruction(PICTURE, spec(scale=3.0))
    part = reconstruction(PICTURE, spec(scale=3.0, region=(2.0, 4.0, 6.0, 5.0)))
    assert part.shape == (15, 18, 3)
    assert psnr_db(whole[12:27, 6:24], part) > 100


def test_a_region_may_lie_between_samples() -> None:
    values = reconstruction(PICTURE, spec(region=(3.25, 1.75, 1.0, 1.0)))
    # The middle of that cell, in coordinates.
    x, y = 2 * (3.25 + 0.5) / 14 - 1, 2 * (1.75 + 0.5) / 10 - 1
    np.testing.assert_allclose(values[0, 0], PICTURE.at(np.array([[y, x]], dtype=np.float32))[0], atol=1e-5)


def test_the_gradient_is_that_of_small_differences() -> None:
    step = 1e-2
    here = spec(View.GRADIENT, region=(3.0, 4.0, 2.0, 3.0))
    found = gradient_magnitude(PICTURE, here)
    assert found.shape == (3, 2)
    squares = np.zeros(found.shape)
    for axis, samples in enumerate(PICTURE.grid_shape):
        sides = []
        for sign in (-1, 1):
            y, x = np.meshgrid(np.arange(4, 7) + 0.5, np.arange(3, 5) + 0.5, indexing="ij")
            moved = np.stack([2 * y / 10 - 1, 2 * x / 14 - 1], axis=-1)
            moved[..., axis] += sign * step * 2 / samples / 2
            sides.append(PICTURE.at(moved.reshape(-1, 2).astype(np.float32)).reshape(3, 2, 3).astype(np.float64))
        squares += np.square((sides[1] - sides[0]) / step).sum(axis=-1)
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=1e-2)


def test_the_spectrum_of_a_wave_has_two_peaks() -> None:
    wave = np.cos(2 * np.pi * 3 * np.arange(16) / 16).astype(np.float32)
    magnitude = spectrum_magnitude(np.broadcast_to(wave[None, :, None], (8, 16, 1)))
    assert magnitude.shape == (8, 16)
    peaks = {tuple(place) for place in np.argwhere(magnitude > 1.0)}
    assert peaks == {(4, 8 - 3), (4, 8 + 3)}
    # Orthonormal: the energy is that of the picture.
    assert np.square(magnitude).sum() == pytest.approx(8 * np.square(wave).sum(), rel=1e-5)


def test_numbers_are_not_rounded() -> None:
    numbers = np.load(io.BytesIO(draw(PICTURE, spec(format=RenderFormat.NPY)).content), allow_pickle=False)
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, reconstruction(PICTURE, spec()))


@pytest.mark.parametrize("view", [View.GRADIENT, View.SPECTRUM])
def test_pictures_of_numbers_use_the_whole_range(view: View) -> None:
    shown = pixels(draw(PICTURE, spec(view)).content)
    assert shown.shape == (10, 14)
    assert shown.max() == 255


def test_what_is_too_large_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(ValueError, match="at most"):
        draw(random_representation((3000, 3000)), spec(scale=2.0))


@pytest.mark.parametrize("view", View)
def test_a_wavelet_network_has_every_view(view: View) -> None:
    found = wavelet_representation((20, 28))
    numbers = np.load(io.BytesIO(draw(found, spec(view, format=RenderFormat.NPY)).content), allow_pickle=False)
    if view is View.RECONSTRUCTION:
        np.testing.assert_allclose(np.clip(numbers, 0, 1), found.render().values, atol=1e-6)
    assert numbers.shape[:2] == (20, 28)
    assert pixels(draw(found, spec(view, scale=2.0)).content).shape[:2] == (40, 56)


def test_latents_do_not_make_a_view_expensive() -> None:
    parameters = wavelet_representation((512, 512)).parameters
    assert synthesis_of(parameters).products_per_sample(parameters) < 1000 < parameters.weight_count


def test_other_kinds_of_signal_come_as_numbers() -> None:
    volume = random_representation((4, 5, 6), channels=1)
    content = draw(volume, spec(format=RenderFormat.NPY, region=(1, 1, 1, 3, 2, 2), scale=2.0)).content
    assert np.load(io.BytesIO(content), allow_pickle=False).shape == (4, 4, 6, 1)
