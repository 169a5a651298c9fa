"""web/tnr.js in Node against the library: the same integers, the same samples, the same refusals."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from core.build import MODULE
from tuner.codec.beginning import decode_beginning
from tuner.codec.decode import decode, decode_integers
from tuner.codec.file.container import Chunk, ChunkType, read_beginning, read_container, write_container
from tuner.codec.file.header import unpack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.wavelets.chunk import QuantisedWavelets
from tuner.codec.wavelets.prefixes import unpack_prefixes
from tuner.errors import FormatError
from tuner.signal.samples import Storage

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

PROGRAM = Path(__file__).with_name("conformance.mjs")
GOLDEN = Path(__file__).parents[1] / "golden"
WAVELETS = sorted((GOLDEN / "v1-core").glob("*.tnr"))
# Whether the module that is committed evaluates them; one that does not is refused by name.
CORE_HAS_SINES = b"core_sines" in MODULE.read_bytes()
SINES = sorted(path for path in GOLDEN.glob("v*/*.tnr") if path not in WAVELETS)


def answers(paths: Sequence[Path]) -> list[dict[str, Any]]:
    done = subprocess.run(["node", PROGRAM, MODULE, *paths], capture_output=True, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def of_wavelets() -> dict[str, dict[str, Any]]:
    return dict(zip((path.name for path in WAVELETS), answers(WAVELETS), strict=True))


@pytest.mark.parametrize("path", WAVELETS, ids=lambda path: path.name)
def test_integers_are_the_same_and_samples_too(path: Path, of_wavelets: dict[str, dict[str, Any]]) -> None:
    answer, data = of_wavelets[path.name], path.read_bytes()
    assert "code" not in answer, answer
    network, representation = decode_integers(data), decode(data)
    assert isinstance(network, QuantisedWavelets)
    latents = np.concatenate([codes.reshape(-1) for codes in network.latents])
    expected = [network.frequencies, *network.integers, latents]
    assert answer["integers"] == [digest(array.astype("<i4")) for array in expected]

    rendered = representation.render()
    samples = Storage(representation.sample_format, representation.scaling).to_samples(rendered.values)
    found = np.array(answer["samples"], np.float64).reshape(answer["shape"])
    assert found.shape == samples.shape
    assert np.abs(found - samples).max() <= 1
    # The core makes both, so that not a bit differs: closer than the format promises.
    assert answer["values"] == digest(rendered.values)


def test_places_to_stop_show_what_the_beginning_of_the_file_shows(of_wavelets: dict[str, dict[str, Any]]) -> None:
    data = (GOLDEN / "v1-core" / "places.tnr").read_bytes()
    _, payloads, _ = read_beginning(data, DecodeLimits())
    start = data.index(payloads[ChunkType.WAVELETS])
    answer = of_wavelets["places.tnr"]
    assert len(answer["coarse"]) == 2
    for prefix, coarse, place in zip(
        unpack_prefixes(payloads[ChunkType.PREFIXES]), answer["coarse"], answer["info"]["places"], strict=True
    ):
        assert place == {"missing": prefix.missing_levels, "end": start + prefix.byte_count}
        beginning = decode_beginning(data[: place["end"]])
        assert coarse == digest(beginning.representation.render().values)


def test_a_network_of_sines_is_evaluated_as_far_as_the_core_can_and_refused_in_words_beyond() -> None:
    for path, answer in zip(SINES, answers(SINES), strict=True):
        representation = decode(path.read_bytes())
        info = answer["info"]
        assert info["network"] == "sines"
        assert (info["kind"], tuple(info["shape"])) == (representation.kind, representation.grid_shape)
        if CORE_HAS_SINES and path.name != "windows.tnr":
            storage = Storage(representation.sample_format, representation.scaling)
            samples = storage.to_samples(representation.render().values).astype(np.float64)
            found = np.array(answer["samples"], np.float64).reshape(answer["shape"])
            allowed = 1.0 if representation.sample_format.is_integer else 1e-6 * np.abs(samples).max()
            assert np.abs(found - samples).max() <= allowed, path
        else:
            assert answer["code"] == "unsupported"
            assert "network of sines in chunk" in answer["message"]


def damaged(data: bytes) -> list[bytes]:
    """A file cut, with a bit changed, with more behind it, and with fields that contradict each other."""
    random = np.random.default_rng(5)
    found = [b"", data[:3], b"\x89PNG" + data[4:], data[:20], data[:-1], data + b"\0"]
    for _ in range(60):
        at, bit = int(random.integers(len(data))), int(random.integers(8))
        found.append(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    return found + contradicting(data)


def contradicting(data: bytes) -> list[bytes]:
    """The file with bytes of its network changed, and no place to stop, under checksums that are right."""
    header = unpack_header(ByteReader(data))
    _, payloads = read_container(data, DecodeLimits())
    network = payloads[ChunkType.WAVELETS]
    random = np.random.default_rng(6)
    found = []
    for number in range(120):
        changed = bytearray(network)
        # Half of them where the counts and tables are.
        at = int(random.integers(60 if number % 2 else len(network)))
        changed[at] ^= 1 << int(random.integers(8))
        found.append(write_container(header, [Chunk(ChunkType.WAVELETS, bytes(changed))]))
    found += [
        write_container(header, [Chunk(ChunkType.WAVELETS, network), Chunk(kind, b"")])
        for kind in (0x05, 0x90, ChunkType.METADATA, ChunkType.PREFIXES)
    ]
    return found


def test_what_the_library_refuses_is_refused_with_the_same_code(tmp_path: Path) -> None:
    paths: list[Path] = []
    codes: list[str | None] = []
    for number, data in enumerate(damaged((GOLDEN / "v1-core" / "places.tnr").read_bytes())):
        paths.append(tmp_path / f"{number}.tnr")
        paths[-1].write_bytes(data)
        try:
            decode(data)
            codes.append(None)
        except FormatError as error:
            codes.append(error.code)
    assert [answer.get("code") for answer in answers(paths)] == codes
    assert set(codes) >= {None, "corrupt_file", "not_a_representation", "unsupported_version"}
