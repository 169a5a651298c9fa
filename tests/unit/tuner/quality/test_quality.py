"""Each measure against a slow and obvious twin, and at the points where its value is known."""

from math import e, inf, log10, sqrt

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torchmetrics.functional.image import structural_similarity_index_measure

from tests.signals import blob, chirp, octahedron
from tuner.decibels import PSNR_CEILING_DB
from tuner.errors import InvalidSignal
from tuner.metrics import snr_db, written_psnr_db
from tuner.quality.picture import out_of_band_energy, ssim
from tuner.quality.sound import log_spectral_distance_db
from tuner.quality.surface import chamfer_distance, occupancy_iou
from tuner.shapes import FloatArray
from tuner.signal.distance import signed_distances, unsigned_distances
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.triangles import Mesh
from tuner.signal.winding import winding_numbers

RANDOM = np.random.default_rng(11)
PICTURE = np.repeat(blob((20, 16)), 3, axis=-1) * np.array([1.0, 0.8, 0.5], np.float32)
NOISY = (PICTURE + 0.1 * RANDOM.standard_normal(PICTURE.shape)).astype(np.float32)


def slow_out_of_band(values: FloatArray, resolution: int) -> float:
    height, width, _ = values.shape
    grey = [
        [sum(w * float(c) for w, c in zip((0.2126, 0.7152, 0.0722), pixel, strict=True)) for pixel in row]
        for row in values
    ]
    logs = {}
    for v in range(-(height // 2), height - height // 2):
        for u in range(-(width // 2), width - width // 2):
            wave = np.exp(-2j * np.pi * (v * np.arange(height)[:, None] / height + u * np.arange(width) / width))
            logs[v, u] = log10(1 + abs((np.array(grey) * wave).sum())) / log10(e)
    low, high = min(logs.values()), max(logs.values())
    half = (1.1 * resolution + 1) / 2
    outside = [int(255 * (log - low) / (high - low)) for (v, u), log in logs.items() if abs(v) > half or abs(u) > half]
    return sum(level * level for level in outside) / len(outside)


def test_out_of_band_energy_is_that_of_the_definition() -> None:
    for resolution in (4, 9):
        assert out_of_band_energy(NOISY, resolution) == pytest.approx(slow_out_of_band(NOISY, resolution), rel=0.02)
    assert out_of_band_energy(NOISY, 24) == 0.0
    assert out_of_band_energy(NOISY, 6) > out_of_band_energy(PICTURE, 6)


def slow_ssim(first: FloatArray, second: FloatArray) -> float:
    """Wang et al. 2004, equation 13, one window after the other; borders mirrored."""
    x = np.arange(-5, 6)
    kernel = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    values = []
    for channel in range(3):
        a, b = (np.pad(image[..., channel].astype(float), 5, mode="reflect") for image in (first, second))
        for row in range(first.shape[0]):
            for column in range(first.shape[1]):
                p, q = (image[row : row + 11, column : column + 11] for image in (a, b))
                mp, mq = (kernel * p).sum(), (kernel * q).sum()
                vp, vq, vpq = (
                    (kernel * p * p).sum() - mp**2,
                    (kernel * q * q).sum() - mq**2,
                    (kernel * p * q).sum() - mp * mq,
                )
                values.append((2 * mp * mq + 1e-4) * (2 * vpq + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return float(np.mean(np.array(values).reshape(3, *first.shape[:2])[:, 5:-5, 5:-5]))


def test_ssim_is_that_of_the_definition() -> None:
    assert ssim(PICTURE, PICTURE) == pytest.approx(1.0)
    assert ssim(PICTURE, NOISY) == pytest.approx(slow_ssim(PICTURE, NOISY), abs=1e-9)


def test_ssim_counts_no_mirrored_border() -> None:
    """The mean over all positions, which torchmetrics would give, is another number."""
    spoilt = PICTURE.copy()
    spoilt[:3] += 0.2
    assert ssim(PICTURE, spoilt) == pytest.approx(slow_ssim(PICTURE, spoilt), abs=1e-9)
    assert torchmetrics_mean(PICTURE, spoilt) < ssim(PICTURE, spoilt) - 0.005


def torchmetrics_mean(first: FloatArray, second: FloatArray) -> float:
    ours, theirs = (torch.tensor(picture.transpose(2, 0, 1)[None]).double() for picture in (second, first))
    mean = structural_similarity_index_measure(ours, theirs, data_range=1.0)
    return float(torch.as_tensor(mean))


def slow_log_spectral_distance(first: FloatArray, second: FloatArray, window: int) -> float:
    distances = []
    for channel in range(first.shape[1]):
        for start in range(0, len(first) - window + 1, window // 4):
            total = 0.0
            for k in range(window // 2 + 1):
                powers = []
                for sound in (first, second):
                    weights = [0.5 - 0.5 * np.cos(2 * np.pi * n / window) for n in range(window)]
                    value = sum(
                        weights[n] * float(sound[start + n, channel]) * np.exp(-2j * np.pi * k * n / window)
                        for n in range(window)
                    )
                    powers.append(10 * log10(max(abs(2 * value / sum(weights)) ** 2, 1e-10)))
                total += (powers[0] - powers[1]) ** 2
            distances.append(sqrt(total / (window // 2 + 1)))
    return sum(distances) / len(distances)


def test_log_spectral_distance_is_that_of_the_definition() -> None:
    sound = chirp(80, 2)
    other = (0.5 * sound + 0.01).astype(np.float32)
    expected = slow_log_spectral_distance(sound, other, 16)
    assert log_spectral_distance_db(sound, other, window=16) == pytest.approx(expected, rel=1e-6)
    assert log_spectral_distance_db(sound, sound) == 0.0
    loud = np.sin(np.arange(4096) * 2 * np.pi / 16)[:, None].astype(np.float32)
    assert 0.0 < log_spectral_distance_db(loud, 0.1 * loud.astype(np.float32)) <= 20.0 + 1e-3


def test_signal_to_noise_ratio() -> None:
    sound = chirp(500)
    assert snr_db(sound, (0.9 * sound).astype(np.float32)) == pytest.approx(20.0, abs=1e-3)
    assert snr_db(sound, np.zeros_like(sound)) == pytest.approx(0.0)
    assert snr_db(sound, sound) == snr_db(0 * sound, 0 * sound) == PSNR_CEILING_DB
    assert snr_db(0 * sound, sound) == -inf


def test_written_psnr_sees_what_a_file_would_hold() -> None:
    reference = np.array([[-0.5], [0.25], [0.9]], np.float32)
    near = reference + np.float32(1e-6)
    assert written_psnr_db(reference, near, Storage(SampleFormat.S16)) == PSNR_CEILING_DB
    assert written_psnr_db(reference, near, Storage(SampleFormat.F32)) < 130
    coarse = Storage(SampleFormat.S16, Scaling(4.0, -2.0))
    np.testing.assert_array_equal(coarse.as_written(np.array([-1.0, 0.3, 0.62, 2.0], np.float32)), [0, 0.25, 0.5, 1])


def test_iou_counts_insides() -> None:
    a, b = np.array([-1.0, -1, 1, 1], np.float32), np.array([-1.0, 1, -1, 1], np.float32)
    assert occupancy_iou(a, b) == pytest.approx(1 / 3)
    assert occupancy_iou(a, a) == occupancy_iou(np.abs(a), np.abs(a)) == 1.0


def test_chamfer_distance_is_that_of_all_pairs() -> None:
    first, second = octahedron(1.0), octahedron(1.2)
    a, b = first.sample(300, 0)[0], second.sample(300, 0)[0]
    pairs = cdist(a, b)
    expected = (pairs.min(1).mean() + pairs.min(0).mean()) / 2
    assert chamfer_distance(first, second, samples=300) == pytest.approx(expected)
    # Faces of an octahedron of radius r lie r / sqrt(3) from its centre.
    assert chamfer_distance(first, second, samples=20_000) == pytest.approx(0.2 / sqrt(3), rel=0.1)


def slow_distance(point: np.ndarray, triangles: np.ndarray) -> float:
    """To a dense net of points of each triangle."""
    u, v = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))
    u, v = u[u + v <= 1 + 1e-9], v[np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))[0] + v <= 1 + 1e-9]
    net = (
        triangles[:, 0, None]
        + u[:, None] * (triangles[:, 1] - triangles[:, 0])[:, None]
        + v[:, None] * (triangles[:, 2] - triangles[:, 0])[:, None]
    )
    return float(np.sqrt(np.square(net - point).sum(-1)).min())


def test_distances_to_a_mesh_are_those_to_its_triangles() -> None:
    mesh = octahedron()
    points = 10 + 2.5 * RANDOM.standard_normal((40, 3))
    for point, distance in zip(points, unsigned_distances(mesh, points), strict=True):
        assert distance == pytest.approx(slow_distance(point, mesh.triangles), abs=0.03)
    inside = np.abs(points - 10).sum(1) < 1.5
    np.testing.assert_allclose(winding_numbers(mesh, points), inside, atol=1e-9)


def test_a_hole_does_not_turn_the_inside_out() -> None:
    whole = octahedron(1.0, 0.0)
    torn = Mesh(whole.vertices, whole.faces[1:])
    axes = [np.linspace(-1.31, 1.29, 27)] * 3
    a, b = signed_distances(whole, axes) < 0, signed_distances(torn, axes) < 0
    assert np.count_nonzero(a != b) < 0.12 * np.count_nonzero(a)
    assert np.count_nonzero(a) == np.count_nonzero(np.abs(np.stack(np.meshgrid(*axes))).sum(0) < 1 - 1e-9)


def test_a_mesh_that_is_inside_out_has_the_same_inside() -> None:
    mesh = octahedron(1.0, 0.0)
    axes = [np.linspace(-1.31, 1.29, 11)] * 3
    turned = Mesh(mesh.vertices, mesh.faces[:, ::-1].copy())
    np.testing.assert_allclose(signed_distances(turned, axes), signed_distances(mesh, axes))


def test_measures_refuse_what_does_not_fit_together() -> None:
    with pytest.raises(InvalidSignal, match="expected one shape"):
        log_spectral_distance_db(chirp(9), chirp(8))
    with pytest.raises(InvalidSignal, match="at least 11"):
        ssim(PICTURE[:10], PICTURE[:10])
    with pytest.raises(InvalidSignal, match="expected the reference's"):
        occupancy_iou(PICTURE, PICTURE[1:])
    with pytest.raises(InvalidSignal, match="at least 1"):
        out_of_band_energy(PICTURE, 0)
