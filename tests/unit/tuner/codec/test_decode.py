"""Whole files: what is written is read."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.networks import random_representation
from tests.reference import tnr_decoder
from tuner.codec.decode import decode, decode_integers
from tuner.codec.encode import encode
from tuner.codec.sines.quantise import QuantisedNetwork, quantise, tensors
from tuner.representation import Representation
from tuner.signal.signal import SampleFormat

CASES = {
    "colour": random_representation(),
    "grey, 16 bits": replace(random_representation(channels=1), sample_format=SampleFormat.U16),
    "four layers": random_representation(hidden=(5, 9, 2, 6)),
    "one sample, one neuron": random_representation((1, 1), frequencies=1, hidden=(1,), channels=1),
    "one axis": random_representation((30,), frequencies=5),
    "three axes": random_representation((4, 5, 6), frequencies=40),
    "profile": replace(random_representation(), icc_profile=bytes(range(256)) * 3),
    "empty profile": replace(random_representation(), icc_profile=b""),
    "many weights": random_representation((64, 64), frequencies=80, hidden=(200,)),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def representation(request: pytest.FixtureRequest) -> Representation:
    chosen: Representation = request.param
    return chosen


def some_steps(representation: Representation) -> tuple[float, ...]:
    return tuple(0.01 * 1.3**number for number in range(len(tensors(representation.sine_parameters))))


def test_integers_come_back_bit_by_bit(representation: Representation) -> None:
    steps = some_steps(representation)
    written = quantise(representation.sine_parameters, steps)
    read = decode_integers(encode(representation, steps))
    assert isinstance(read, QuantisedNetwork)
    assert np.array_equal(read.frequencies, written.frequencies)
    assert (read.period, read.steps) == (written.period, written.steps)
    for before, after in zip(written.integers, read.integers, strict=True):
        assert before.dtype == after.dtype == np.int32
        assert np.array_equal(before, after)


def test_everything_else_comes_back(representation: Representation) -> None:
    read = decode(encode(representation))
    for name in ("kind", "grid_shape", "channels", "sample_format", "icc_profile"):
        assert getattr(read, name) == getattr(representation, name)
    np.testing.assert_allclose(read.render().values, representation.render().values, atol=2e-3)


def test_a_decoded_file_is_written_with_the_same_bytes(representation: Representation) -> None:
    data = encode(representation, some_steps(representation))
    assert encode(decode(data)) == data


def test_the_page_alone_is_enough_to_decode(representation: Representation) -> None:
    data = encode(representation, some_steps(representation))
    ours, reference = decode_integers(data), tnr_decoder.decode(data)
    assert isinstance(ours, QuantisedNetwork)
    for mine, other in zip((ours.frequencies, *ours.integers), reference.matrices, strict=True):
        assert mine.reshape(len(mine), -1).tolist() == other
    position = [samples // 3 for samples in representation.grid_shape]
    value = decode(data).render().values[tuple(position)]
    np.testing.assert_allclose(value, np.clip(reference.value(position), 0, 1), atol=1e-5)
    profile = representation.icc_profile
    assert reference.metadata == ({} if profile is None else {0x81: profile})


BLOCKED = """
import sys

NEEDED = {"tuner", "numpy", "constriction", "google_crc32c", "wasmtime"}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in NEEDED | sys.stdlib_module_names:
            raise ImportError(f"{name} is not needed to decode")

sys.meta_path.insert(0, Block())
from pathlib import Path
from tuner.codec.decode import decode
representation = decode(Path(sys.argv[1]).read_bytes())
rendered = representation.render().values
print(rendered.shape, representation.at(rendered[0, :, :2]).shape)
"""


def test_decoding_needs_numpy_constriction_crc32c_and_the_core_only(tmp_path: Path) -> None:
    path = tmp_path / "a.tnr"
    path.write_bytes(encode(random_representation()))
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[4],
    )
    assert (done.stdout, done.stderr) == ("(10, 14, 3) (14, 3)\n", "")
