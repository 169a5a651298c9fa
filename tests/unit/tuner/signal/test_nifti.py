"""A NIfTI comes back with its numbers, both geometries and what else its header says, as nibabel reads them."""

import gzip
import struct
from io import BytesIO
from typing import Any, Final

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.signal.details import Placement, VolumeDetails
from tuner.signal.formats import encode_signal, inspect_signal, read_signal
from tuner.signal.signal import Signal

quick: Final = settings(derandomize=True, max_examples=40, deadline=None, database=None)
RANDOM = np.random.default_rng(5)
GEOMETRY = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
ROWS = ("srow_x", "srow_y", "srow_z")
REST = ("intent_code", "intent_p1", "intent_p2", "intent_p3", "intent_name", "cal_min", "cal_max", "toffset")
SLICES = ("dim_info", "slice_start", "slice_end", "slice_code", "slice_duration", "descrip", "aux_file", "xyzt_units")
SHEARED = np.array([[-2.0, 0.5, 0.1, 30], [0.3, 2.0, -0.2, -40], [0.0, 0.6, 3.5, -20], [0, 0, 0, 1]])
TURNED = np.array([[0.0, -2.0, 0.0, 11], [2.0, 0.0, 0.0, -7], [0.0, 0.0, -3.0, 5], [0, 0, 0, 1]])


def image(
    samples: NDArray[Any], *, version: int = 1, qform: int = 1, sform: int = 2, fields: dict[str, Any] | None = None
) -> Any:
    made = getattr(nibabel, f"Nifti{version}Image")(samples, None, dtype=samples.dtype)
    header = made.header
    header.set_qform(TURNED, qform)
    header.set_sform(SHEARED, sform)
    header.set_xyzt_units("mm", "msec")
    for name, value in (fields or {}).items():
        header[name] = value
    return made


def stored(signal: Signal) -> NDArray[Any]:
    samples: NDArray[Any] = signal.storage.to_samples(signal.values)[..., 0]
    return samples


def header_of(data: bytes) -> Any:
    return nibabel.Nifti1Image.from_bytes(data).header


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "intent_code": st.sampled_from([0, 3, 1002]),
        "intent_p1": st.floats(-9, 9, width=32),
        "intent_name": st.sampled_from([b"labels", b"sixteen letters!"]),
        "cal_min": st.floats(-9, 9, width=32),
        "cal_max": st.floats(0, 900, width=32),
        "toffset": st.floats(-9, 9, width=32),
        "dim_info": st.integers(0, 57),
        "slice_end": st.integers(0, 5),
        "slice_code": st.integers(0, 6),
        "slice_duration": st.floats(0, 9, width=32),
        "descrip": st.sampled_from([b"made by a test", b"x" * 80, "J\xf6rg".encode("latin-1")]),
        "aux_file": st.sampled_from([b"other.txt", b"y" * 24]),
    },
)


@st.composite
def volumes(draw: st.DrawFn) -> tuple[NDArray[Any], dict[str, Any], bytes]:
    dtype = np.dtype(draw(st.sampled_from(["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])))
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    samples = (RANDOM.normal(0, 50, shape) if dtype.kind == "f" else RANDOM.integers(0, 99, shape)).astype(dtype)
    options: dict[str, Any] = {
        "qform": draw(st.sampled_from([0, 1, 3])),
        "sform": draw(st.sampled_from([0, 1, 2, 4])),
        "fields": draw(FIELDS),
        "version": draw(st.sampled_from([1, 2])),
    }
    made = image(samples, **options)
    for content in draw(st.lists(st.sampled_from([b"hello", b"\x01\x02" * 30]), max_size=2)):
        made.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, content))
    if draw(st.booleans()) and not len(made.header.extensions):
        made = type(made)(samples.astype(dtype.newbyteorder(">")), None, made.header.as_byteswapped(">"))
        made.header.set_data_dtype(dtype)
        data = made.header.binaryblock + b"\0\0\0\0"
        place = 108 if options["version"] == 1 else 168
        start = len(data)
        number = np.array(start, ">f4" if options["version"] == 1 else ">i8").tobytes()
        data = data[:place] + number + data[place + len(number) :]
        data += samples.astype(dtype.newbyteorder(">")).tobytes(order="F")
    else:
        data = made.to_bytes()
    return samples, options, gzip.compress(data) if draw(st.booleans()) else data


@quick
@given(volumes())
def test_a_volume_comes_back_with_all_that_its_header_says(case: tuple[NDArray[Any], dict[str, Any], bytes]) -> None:
    samples, options, data = case
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    source = getattr(nibabel, f"Nifti{options['version']}Image").from_bytes(plain)
    signal = read_signal(data)
    trailing = next((n for n in range(len(samples.shape), 3, -1) if samples.shape[n - 1] != 1), 3)
    shape = samples.shape[: max(trailing, min(3, samples.ndim))]
    tolerance: Any = {"atol": 1e-4 if samples.dtype.kind == "f" else 0, "rtol": 0.0}
    np.testing.assert_allclose(
        stored(signal).astype(float), np.asarray(source.dataobj).reshape(shape).astype(float), **tolerance
    )
    written = encode_signal(signal, "x.nii")
    again = nibabel.Nifti1Image.from_bytes(written)
    assert again.shape == source.shape
    assert again.get_data_dtype() == samples.dtype
    np.testing.assert_allclose(np.asarray(again.dataobj).astype(float), samples.astype(float), **tolerance)
    exact: Any = {"rtol": 0 if options["version"] == 1 else 1e-6}
    for name in (*REST, *SLICES, "qform_code"):
        np.testing.assert_array_equal(again.header[name], source.header[name].astype(again.header[name].dtype), name)
    if options["qform"]:
        for name in GEOMETRY[2:]:
            np.testing.assert_allclose(again.header[name], source.header[name], **exact, err_msg=name)
        np.testing.assert_allclose(again.header["pixdim"][:4], source.header["pixdim"][:4], **exact)
    if options["sform"]:
        for name in ROWS:
            np.testing.assert_allclose(again.header[name], source.header[name], **exact, err_msg=name)
        assert again.header["sform_code"] == source.header["sform_code"]
    np.testing.assert_allclose(again.affine, source.affine, rtol=1e-6, atol=1e-5)
    contents = [bytes(one.get_content()).rstrip(b"\0") for one in source.header.extensions]
    assert [bytes(one.get_content()).rstrip(b"\0") for one in again.header.extensions] == contents
    assert read_signal(written).details == signal.details or options["version"] == 2
    inspect_signal(data)


@pytest.mark.parametrize("version", [1, 2])
def test_extensions_are_kept_in_either_order_of_bytes(version: int) -> None:
    samples = RANDOM.integers(-900, 900, (3, 4, 5), dtype=np.int16)
    header = getattr(nibabel, f"Nifti{version}Header")(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    made = getattr(nibabel, f"Nifti{version}Image")(samples, SHEARED, header=header)
    for code, content in ((6, b"a word"), (44, bytes(range(1, 30)))):
        made.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, content))
    data = made.to_bytes()
    assert int.from_bytes(data[:4], "big") in {348, 540}
    signal = read_signal(data)
    np.testing.assert_array_equal(stored(signal), samples)
    again = nibabel.Nifti1Image.from_bytes(encode_signal(signal, "x.nii"))
    kept = [(one.get_code(), bytes(one.get_content()).rstrip(b"\0")) for one in again.header.extensions]
    assert kept == [(6, b"a word"), (44, bytes(range(1, 30)))]
    np.testing.assert_allclose(again.affine, SHEARED, rtol=1e-6)


def without_offset(samples: NDArray[Any], gap: int, more: bytes = b"") -> bytes:
    data: bytes = image(samples).to_bytes()
    return data[:108] + bytes(4) + data[112:348] + bytes(gap) + data[352:] + more


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("gap", [0, 4])
def test_voxels_whose_place_is_left_out_are_found_by_their_length(gap: int, packed: bool) -> None:
    samples = RANDOM.integers(-900, 900, (3, 4, 5), dtype=np.int16)
    data = without_offset(samples, gap)
    np.testing.assert_array_equal(stored(read_signal(gzip.compress(data) if packed else data)), samples)


def empty_sform(qform: int) -> bytes:
    made = image(RANDOM.integers(0, 9, (3, 4, 5), dtype=np.int16), qform=qform, sform=1)
    for name in ROWS:
        made.header[name] = 0
    return bytes(made.to_bytes())


@pytest.mark.parametrize("qform", [0, 1])
def test_a_code_without_a_matrix_leaves_the_other_geometry(qform: int) -> None:
    data = empty_sform(qform)
    signal = read_signal(data)
    header = header_of(encode_signal(signal, "x.nii"))
    assert (int(header["qform_code"]), int(header["sform_code"])) == (qform, 0)
    expected = header_of(data).get_qform() if qform else header_of(data).get_base_affine()
    np.testing.assert_allclose(header.get_best_affine(), expected, atol=1e-6)


WHOLE: bytes = image(RANDOM.integers(0, 9, (3, 4, 5), dtype=np.int16)).to_bytes()


def by_qform_alone(turn: tuple[float, ...], pixdim: tuple[float, ...], qform: int = 1) -> bytes:
    """A volume without an sform, its quaternion and steps put into the header as they are."""
    codes = struct.pack("<hh3f", qform, 0, *turn)
    return bytes(WHOLE[:76]) + struct.pack("<4f", *pixdim) + WHOLE[92:252] + codes + WHOLE[268:]


TURNS = st.tuples(*(st.floats(-0.5, 0.5, width=32) for _ in range(3)))
STEPS = st.tuples(*(st.sampled_from([0.0, 0.5, 2.0, 3.25]) for _ in range(3)))


@quick
@given(TURNS, st.sampled_from([0.0, 1.0, -1.0]), STEPS, st.sampled_from([0, 1, 3]))
def test_steps_and_signs_that_are_left_out_are_those_that_nibabel_takes(
    turn: tuple[float, ...], sign: float, steps: tuple[float, ...], qform: int
) -> None:
    data = by_qform_alone(turn, (sign, *steps), qform)
    expected = nibabel.Nifti1Image.from_bytes(data).affine
    details = read_signal(data).details
    assert isinstance(details, VolumeDetails)
    np.testing.assert_allclose(np.reshape(details.affine or (), (4, 4)), expected, atol=1e-6)
    written = encode_signal(read_signal(data), "x.nii")
    np.testing.assert_allclose(nibabel.Nifti1Image.from_bytes(written).affine, expected, atol=1e-6)


@pytest.mark.parametrize("length", [1.00003, 1.4])
def test_a_quaternion_that_is_too_long_is_half_a_turn(length: float) -> None:
    """As the reference library takes it; nibabel refuses such a header."""
    turn = np.array([0.6, 0.64, 0.48])  # of length 1
    data = by_qform_alone(tuple(length * turn), (1.0, 2.0, 2.0, 2.0))
    expected = 2 * (2 * np.outer(turn, turn) - np.eye(3))
    for file in (data, encode_signal(read_signal(data), "x.nii")):
        details = read_signal(file).details
        assert isinstance(details, VolumeDetails)
        np.testing.assert_allclose(np.reshape(details.affine or (), (4, 4))[:3, :3], expected, atol=1e-3)
    assert nibabel.Nifti1Image.from_bytes(encode_signal(read_signal(data), "x.nii")).shape == (3, 4, 5)


def test_both_geometries_follow_a_volume_to_another_grid() -> None:
    made = image(RANDOM.integers(0, 9, (6, 4, 5), dtype=np.int16))
    details = read_signal(made.to_bytes()).details
    assert isinstance(details, VolumeDetails)
    placement = Placement(steps=(0.5, 2.0, 1.0), starts=(3.0, 0.5, 0.0), shape=(4, 2, 5))
    moved = details.placed(placement)
    signal = Signal(values=np.zeros((4, 2, 5, 1), np.float32), kind=read_signal(made.to_bytes()).kind, details=moved)
    header = header_of(encode_signal(signal, "x.nii"))
    inner = np.diag([0.5, 2.0, 1.0, 1.0])
    inner[:3, 3] = placement.starts
    np.testing.assert_allclose(header.get_sform(), SHEARED @ inner, atol=1e-5)
    np.testing.assert_allclose(header.get_qform(), TURNED @ inner, atol=1e-5)


def coloured() -> bytes:
    return bytes(
        nibabel.Nifti1Image(np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4)).to_bytes()
    )


def mgz() -> bytes:
    file = nibabel.MGHImage(np.zeros((2, 3, 4), np.float32), np.eye(4)).to_bytes()
    return gzip.compress(file)


REFUSED: dict[str, tuple[bytes, type[SignalError], str]] = {
    "the header of a pair": (WHOLE[:344] + b"ni1\0", UnsupportedFormat, "pair"),
    "the header of a pair, and what follows": (WHOLE[:344] + b"ni1\0" + WHOLE[348:], UnsupportedFormat, "pair"),
    "an old header": (WHOLE[:344] + bytes(4), UnsupportedFormat, "Analyze"),
    "a FreeSurfer volume": (mgz(), UnsupportedFormat, "mgz"),
    "no place and more bytes": (
        without_offset(np.zeros((2, 2, 2), np.int16), 4, b"more"),
        UnsupportedFormat,
        "vox_offset is 0",
    ),
    "a place inside the header": (
        WHOLE[:108] + np.float32(100).tobytes() + WHOLE[112:],
        DamagedSignal,
        "begin at byte",
    ),
    "voxels of colours": (coloured(), UnsupportedFormat, "voxels of type"),
    "voxels of truth values, too many axes": (
        nibabel.Nifti1Image(np.zeros((2, 2, 2, 1, 3), np.float32), np.eye(4)).to_bytes(),
        UnsupportedFormat,
        "axes",
    ),
    "a negative step and no sform": (
        by_qform_alone((0, 0, 0), (1, 2, -2, 2)),
        UnsupportedFormat,
        "sizes of the voxels",
    ),
    "a cut volume": (WHOLE[:-3], DamagedSignal, "truncated"),
    "integers beyond 2^53": (image(np.array([[[0, 2**60]]])).to_bytes(), InvalidSignal, "2\\^53"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(name: str) -> None:
    data, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        read_signal(data)
    assert type(caught.value) is error


def test_slope_of_zero_and_nan_mean_none() -> None:
    for slope in (0.0, np.nan, np.inf):
        data = WHOLE[:112] + np.array([slope, 3.0], "<f4").tobytes() + WHOLE[120:]
        details = read_signal(data).details
        assert isinstance(details, VolumeDetails)
        assert (details.slope, details.intercept) == (1.0, 0.0)
    assert BytesIO(WHOLE).read(4) == (348).to_bytes(4, "little")
