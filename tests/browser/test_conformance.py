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
from tests.browser.serving import compressed_bytes
from tuner.codec.beginning import decode_beginning
from tuner.codec.decode import decode
from tuner.codec.file.container import Chunk, ChunkType, read_beginning, read_container, write_container
from tuner.codec.file.header import unpack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.sines.quantise import tensors
from tuner.codec.wavelets.prefixes import unpack_prefixes
from tuner.errors import FormatError
from tuner.network.sines.windows import plain_network
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.samples import Storage

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

PROGRAM = Path(__file__).with_name("conformance.mjs")
WEB = Path(__file__).parents[2] / "web/tnr.js"
GOLDEN = Path(__file__).parents[1] / "golden"
WAVELETS = sorted((GOLDEN / "v1-core").glob("*.tnr"))
TILES = sorted((GOLDEN / "v1-tiles").glob("*.tnr"))
SINES = sorted(path for path in GOLDEN.glob("v*/*.tnr") if path not in WAVELETS + TILES)


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
    representation = decode(data)
    parameters = representation.parameters
    assert isinstance(parameters, WaveletParameters)
    latents = np.concatenate([codes.reshape(-1) for codes in parameters.latents])
    # Weights are integers times steps, rounded once: the same bits mean the same integers.
    expected = [parameters.frequencies.astype("<i4"), *parameters.tensors(), latents.astype("<i4")]
    assert answer["network"] == [digest(array) for array in expected]

    rendered = representation.render()
    samples = Storage(representation.sample_format, representation.scaling).to_samples(rendered.values)
    found = np.array(answer["samples"], np.float64).reshape(answer["shape"])
    assert found.shape == samples.shape
    assert np.abs(found - samples).max() <= 1
    # The core makes both, so that not a bit differs: closer than the format promises.
    assert answer["values"] == digest(rendered.values)


def test_the_decoder_stays_small() -> None:
    assert compressed_bytes() <= 60_000


def test_networks_of_tiles_are_the_same_and_the_bits_of_their_blend_too() -> None:
    for path, answer in zip(TILES, answers(TILES), strict=True):
        assert "code" not in answer, (path, answer)
        representation = decode(path.read_bytes())
        parameters = representation.parameters
        assert isinstance(parameters, TiledParameters)
        expected: list[npt.NDArray[Any]] = []
        for tile in parameters.tiles:
            latents = np.concatenate([codes.reshape(-1) for codes in tile.latents])
            expected += [tile.frequencies.astype("<i4"), *tile.tensors(), latents.astype("<i4")]
        assert answer["network"] == [digest(array) for array in expected], path
        rendered = representation.render()
        assert answer["values"] == digest(rendered.values), path
        samples = Storage(representation.sample_format, representation.scaling).to_samples(rendered.values)
        assert np.abs(np.array(answer["samples"]).reshape(samples.shape) - samples).max() <= 1


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


def test_networks_of_sines_are_the_same_and_their_samples_too() -> None:
    assert any(path.name == "windows.tnr" for path in SINES)
    for path, answer in zip(SINES, answers(SINES), strict=True):
        assert "code" not in answer, (path, answer)
        representation = decode(path.read_bytes())
        info = answer["info"]
        assert info["network"] == "sines"
        assert (info["kind"], tuple(info["shape"])) == (representation.kind, representation.grid_shape)
        parameters = representation.parameters
        assert not isinstance(parameters, WaveletParameters)
        network = plain_network(parameters)
        expected = [network.frequencies.astype("<i4"), *tensors(network), np.empty(0, "<i4")]
        assert answer["network"] == [digest(array) for array in expected], path
        storage = Storage(representation.sample_format, representation.scaling)
        samples = storage.to_samples(representation.render().values).astype(np.float64)
        found = np.array(answer["samples"], np.float64).reshape(answer["shape"])
        allowed = 1.0 if representation.sample_format.is_integer else 1e-6 * np.abs(samples).max()
        assert np.abs(found - samples).max() <= allowed, path


LIMITED = """
const [web, core, path, most] = process.argv.slice(1);
const { readFileSync } = await import("node:fs");
const { configure, open } = await import(web);
configure({ core: new Uint8Array(readFileSync(core)) });
const file = await open(new Uint8Array(readFileSync(path)), { limits: { memory: Number(most) } });
const origin = new Float32Array(file.info.shape.length);
const asked = [() => file.pixels({ scale: 1.5 }), () => file.at(origin), () => file.pixels({ every: 2 })];
console.log(JSON.stringify(await Promise.all(asked.map((ask) => ask().then(() => null, ({ code }) => code)))));
"""


@pytest.mark.parametrize("name", ["v1/colour.tnr", "v1-kinds/windows.tnr", "v1-core/colour.tnr"])
def test_memory_is_held_to_its_limit_before_it_is_taken(name: str) -> None:
    for most, expected in ((1 << 20, "limit_exceeded"), (1 << 31, None)):
        command = ["node", "-e", LIMITED, *map(str, (WEB, MODULE, GOLDEN / name, most))]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        assert json.loads(done.stdout) == [expected] * 3


def damaged(data: bytes) -> list[bytes]:
    """A file cut, with a bit changed, with more behind it, and with fields that contradict each other."""
    random = np.random.default_rng(5)
    found = [b"", data[:3], b"\x89PNG" + data[4:], data[:20], data[:-1], data + b"\0"]
    for _ in range(60):
        at, bit = int(random.integers(len(data))), int(random.integers(8))
        found.append(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    return found + contradicting(data)


def contradicting(data: bytes, kind: ChunkType = ChunkType.WAVELETS) -> list[bytes]:
    """The file with bytes of its network changed, and no place to stop, under checksums that are right."""
    header = unpack_header(ByteReader(data))
    _, payloads = read_container(data, DecodeLimits())
    network = payloads[kind]
    random = np.random.default_rng(6)
    found = []
    for number in range(120):
        changed = bytearray(network)
        # Half of them where the counts and tables are.
        at = int(random.integers(60 if number % 2 else len(network)))
        changed[at] ^= 1 << int(random.integers(8))
        found.append(write_container(header, [Chunk(kind, bytes(changed))]))
    # The last words, in which nothing but what an encoder ends with may be left.
    for bit in range(1, 65, 4):
        changed = bytearray(network)
        changed[-1 - (bit - 1) // 8] ^= 1 << 7 - (bit - 1) % 8
        found.append(write_container(header, [Chunk(kind, bytes(changed))]))
    found += [
        write_container(header, [Chunk(kind, network), Chunk(other, b"")])
        for other in (0x05, 0x90, ChunkType.METADATA, ChunkType.PREFIXES)
    ]
    return found


def refusals(files: Sequence[bytes], folder: Path) -> tuple[list[str | None], list[str | None]]:
    """The codes with which files are refused by tnr.js and by the library, None where they are not."""
    paths: list[Path] = []
    codes: list[str | None] = []
    for number, data in enumerate(files):
        paths.append(folder / f"{number}.tnr")
        paths[-1].write_bytes(data)
        try:
            decode(data)
            codes.append(None)
        except FormatError as error:
            codes.append(error.code)
    return [answer.get("code") for answer in answers(paths)], codes


def test_what_the_library_refuses_is_refused_with_the_same_code(tmp_path: Path) -> None:
    found, codes = refusals(damaged((GOLDEN / "v1-core" / "places.tnr").read_bytes()), tmp_path)
    assert found == codes
    assert set(codes) >= {None, "corrupt_file", "not_a_representation", "unsupported_version"}


def test_damaged_tiles_are_refused_with_the_same_code(tmp_path: Path) -> None:
    data = (GOLDEN / "v1-tiles" / "picture.tnr").read_bytes()
    found, codes = refusals(contradicting(data, ChunkType.TILES), tmp_path)
    assert found == codes
    assert set(codes) >= {None, "corrupt_file"}


@pytest.mark.parametrize("name", ["v1/colour.tnr", "v1-scaled/colour.tnr", "v1-kinds/windows.tnr"])
def test_damaged_networks_of_sines_are_refused_with_the_same_code(name: str, tmp_path: Path) -> None:
    data = (GOLDEN / name).read_bytes()
    _, payloads = read_container(data, DecodeLimits())
    kind = next(ChunkType(kind) for kind in (1, 3, 4) if kind in payloads)
    found, codes = refusals(contradicting(data, kind), tmp_path)
    assert found == codes
    assert set(codes) >= {None, "corrupt_file"}
