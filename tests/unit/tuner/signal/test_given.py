"""What Python programs have at hand is understood by one rule, or refused in a sentence."""

import os
from io import BytesIO
from pathlib import Path

import dask.array
import numpy as np
import pandas  # type: ignore[import-untyped]
import pytest
import torch
import xarray
from PIL import Image

from tuner.errors import InvalidSignal
from tuner.signal.array import array_signal
from tuner.signal.formats import read_signal
from tuner.signal.given import signal_of
from tuner.signal.kind import SignalKind
from tuner.signal.large_picture import large_picture
from tuner.signal.samples import SampleFormat
from tuner.signal.scattered import scattered_signal
from tuner.signal.signal import Signal

DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">i2", ">f4"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back(dtype: str) -> None:
    samples = np.arange(60).reshape(12, 5).astype(dtype)
    signal = signal_of(samples)
    back = signal.storage.to_samples(signal.values)[..., 0]
    assert back.dtype == np.dtype(dtype).newbyteorder("=")
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


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2"])
def test_the_order_of_bytes_decides_nothing(dtype: str) -> None:
    samples = np.random.default_rng(9).integers(0, 200, (8, 6, 3)).astype(dtype)
    signal = signal_of(samples)
    assert signal.kind is SignalKind.IMAGE
    np.testing.assert_array_equal(signal.storage.to_samples(signal.values), samples)
    large = large_picture(samples, 0)
    assert large is not None
    np.testing.assert_array_equal(large.held().values, signal.values)


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
    with os.scandir(tmp_path) as folder:
        (entry,) = folder  # has a path, and is none
    for given in (tmp_path / "a.png", str(tmp_path / "a.png"), entry, picture, pixels):
        signal = signal_of(given)
        assert (signal.kind, signal.sample_format) == (SignalKind.IMAGE, SampleFormat.U8)
        np.testing.assert_array_equal(signal.storage.to_samples(signal.values), pixels)
    assert signal_of(signal) is signal


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ma.masked_less(np.arange(6.0), 2.0), "2 of 6 elements are masked"),
        ([np.ma.masked_less(np.arange(6.0), 2.0)] * 2, "2 of 6 elements are masked"),
        ([[np.ma.masked, 1.0], [2.0, 3.0]], "1 of 1 elements are masked"),
        ((1.0, (np.ma.masked_less(np.arange(6.0), 2.0),)), "2 of 6 elements are masked"),
        (dask.array.ma.masked_less(dask.array.arange(6.0), 2.0), "2 of 6 elements are masked"),
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


def test_objects_of_other_libraries_are_their_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3).normal(size=(8, 6)).astype(np.float32)
    numbers.tofile(tmp_path / "numbers")
    read_only = np.memmap(tmp_path / "numbers", dtype=np.float32, mode="r", shape=(8, 6))
    frame = pandas.DataFrame(numbers, columns=list("abcdef"))
    labelled = xarray.DataArray(numbers, dims=("y", "x"))
    expected = array_signal(numbers)
    for given in (read_only, frame, labelled, torch.tensor(numbers), numbers.tolist()):
        np.testing.assert_allclose(signal_of(given).values, expected.values, atol=1e-6)
        np.testing.assert_allclose(array_signal(given).values, expected.values, atol=1e-6)
    points = np.random.default_rng(4).uniform(-1, 1, (8, 2))
    scattered = scattered_signal(points, numbers)
    for kind in (torch.tensor, pandas.DataFrame, np.ndarray.tolist):
        again = scattered_signal(kind(points), kind(numbers))
        np.testing.assert_allclose(again.values, scattered.values, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), "a DataFrame makes an array of object"),
        (pandas.Series([1.0, None]), "1 of 2 values are NaN"),
        (xarray.Dataset({"a": ("x", [1.0])}), "a Dataset is no array of numbers"),
        (torch.eye(3).to_sparse(), "a Tensor is no array of numbers"),
        (torch.ones(3, dtype=torch.bool), "a Tensor makes an array of bool"),
        (b"\x89PNG", "read_signal"),
        ({"a": 1}, "a dict makes"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_objects_without_numbers_are_refused_in_a_sentence(given: object, message: str) -> None:
    for make in (signal_of, array_signal):
        with pytest.raises(InvalidSignal, match=message) as caught:
            make(given)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_of_pillow_is_what_its_file_would_be(mode: str, orientation: int) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 256)
    else:
        picture = Image.fromarray(pixels).convert("P" if mode == "PA" else mode).convert(mode)
    picture.getexif()[274] = orientation
    file = BytesIO()
    plain = picture.convert("RGB" if mode in {"CMYK", "YCbCr"} else "RGBA" if mode == "PA" else mode)
    plain.save(file, "PNG", exif=picture.getexif())
    read, made = read_signal(file.getvalue()), signal_of(picture)
    assert (made.kind, made.sample_format, made.grid_shape) == (read.kind, read.sample_format, read.grid_shape)
    np.testing.assert_array_equal(made.values, read.values)


def test_pictures_of_0_to_255_are_never_taken_for_white_ones() -> None:
    pixels = np.random.default_rng(6).uniform(0, 255, (8, 6, 3)).astype(np.float32)
    signal = signal_of(pixels)  # an array of its own range
    np.testing.assert_allclose(signal.storage.to_samples(signal.values), pixels, atol=1e-3)
    with pytest.raises(InvalidSignal, match="expected 0 to 1: divide them"):
        signal_of(Signal(values=pixels))
    with pytest.raises(InvalidSignal, match="expected 0 to 1: divide them"):
        signal_of(Signal(values=pixels - 255))
    overshoot = Signal(values=(pixels / 255 * 1.2 - 0.1).astype(np.float32))
    assert signal_of(overshoot) is overshoot


def test_a_grey_picture_without_an_axis_of_channels_is_two_axes_or_refused() -> None:
    assert signal_of(np.zeros((8, 6), np.uint8)).grid_shape == (8, 6)
    assert signal_of(np.random.default_rng(0).random((8, 6))).grid_shape == (8, 6)
    with pytest.raises(InvalidSignal, match=r"values\[\.\.\., None\]"):
        Signal(values=np.zeros((8, 6), np.float32))


def test_what_is_printed_of_a_signal_is_one_short_line() -> None:
    signal = signal_of(np.zeros((80, 60, 3), np.uint8))
    assert repr(signal) == "Signal(image, 80 x 60, 3 channels, stored as u8)"
    points = np.random.default_rng(7).uniform(-1, 1, (500, 2))
    assert repr(scattered_signal(points, points)) == "ScatteredSignal(500 points, 2 dimensions, 2 channels)"
