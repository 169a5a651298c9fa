"""What Python programs have at hand is understood by one rule, or refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tuner.errors import InvalidSignal
from tuner.signal.given import signal_of
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat

DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">i2", ">f4"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back(dtype: str) -> None:
    samples = np.arange(60).reshape(12, 5).astype(dtype)
    signal = signal_of(samples)
    back = signal.storage.to_samples(signal.values)[..., 0]
    assert back.dtype == (np.dtype("f4") if dtype == "f2" else np.dtype(dtype).newbyteorder("="))
    np.testing.assert_allclose(back, samples, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "grid", "channels"),
    [
        ((8, 6), "u1", SignalKind.IMAGE, (8, 6), 1),
        ((8, 6, 3), "u1", SignalKind.IMAGE, (8, 6), 3),
        ((8, 6, 4), "u2", SignalKind.IMAGE, (8, 6), 4),
        ((8, 6, 5), "u1", SignalKind.ARRAY, (8, 6, 5), 1),
        ((8, 6), "f4", SignalKind.ARRAY, (8, 6), 1),
        ((8, 6, 3), "f4", SignalKind.ARRAY, (8, 6), 3),
        ((8, 6, 7), "f8", SignalKind.ARRAY, (8, 6, 7), 1),
        ((8, 3), "f8", SignalKind.ARRAY, (8, 3), 1),
        ((9,), "i2", SignalKind.ARRAY, (9,), 1),
        ((4, 5, 6, 3), "u1", SignalKind.ARRAY, (4, 5, 6), 3),
    ],
)
def test_shapes_and_dtypes_decide(
    shape: tuple[int, ...], dtype: str, kind: SignalKind, grid: tuple[int, ...], channels: int
) -> None:
    signal = signal_of(np.random.default_rng(0).integers(0, 100, shape).astype(dtype))
    assert (signal.kind, signal.grid_shape, signal.channels) == (kind, grid, channels)


def test_words_decide_otherwise() -> None:
    samples = np.zeros((8, 6, 3), dtype=np.uint8)
    assert signal_of(samples, channels_last=False).grid_shape == (8, 6, 3)
    assert signal_of(np.zeros((8, 6), np.float32), channels_last=True).grid_shape == (8,)
    sound = signal_of(np.zeros((100, 2), dtype=np.int16), sample_rate=8000)
    assert (sound.kind, sound.channels, sound.sample_format) == (SignalKind.AUDIO, 2, SampleFormat.S16)


def test_memory_layout_and_owner_do_not_matter() -> None:
    whole = np.random.default_rng(1).random((20, 12))
    part = whole[::2, ::-3]
    part.setflags(write=False)
    plain = signal_of(np.ascontiguousarray(part))
    for given in (part, np.asfortranarray(part), part.tolist(), torch.tensor(part.copy())):
        np.testing.assert_array_equal(signal_of(given).values, plain.values)
    with_gradient = torch.tensor(part.copy(), requires_grad=True)
    np.testing.assert_array_equal(signal_of(with_gradient).values, plain.values)
    assert signal_of(torch.ones(4, 4, dtype=torch.bfloat16)).sample_format is SampleFormat.F32


def test_a_picture_is_the_same_from_a_path_an_array_and_pillow(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    for given in (tmp_path / "a.png", str(tmp_path / "a.png"), picture, pixels):
        signal = signal_of(given)
        assert (signal.kind, signal.sample_format) == (SignalKind.IMAGE, SampleFormat.U8)
        np.testing.assert_array_equal(signal.storage.to_samples(signal.values), pixels)
    assert signal_of(signal) is signal


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ma.masked_less(np.arange(6.0), 2.0), "2 of 6 samples are masked"),
        (np.zeros(4, dtype=bool), "array of bool"),
        (np.zeros(4, dtype=complex), "array of complex128"),
        (["a", "b"], "array of <U1"),
        ([[1, 2], [3]], "list is no array"),
        (None, "NoneType"),
        (3.0, "at least one axis"),
        (np.zeros((0, 4)), "none of them empty"),
        (np.array([1.0, np.nan]), "NaN"),
        (np.zeros((2,) * 6, np.float32), "axes"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_signal_is_refused_in_a_sentence(given: object, message: str) -> None:
    with pytest.raises(InvalidSignal, match=message):
        signal_of(given)


def test_unsigned_or_solid_sounds_are_refused() -> None:
    with pytest.raises(InvalidSignal, match="expected signed"):
        signal_of(np.zeros(10, np.uint8), sample_rate=8000)
    with pytest.raises(InvalidSignal, match=r"\(samples,\) or \(samples, channels\)"):
        signal_of(np.zeros((4, 4, 4)), sample_rate=8000)
