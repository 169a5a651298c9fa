"""The folder `conformance/` is what its command makes, and three decoders conform: ours, the pages' and Node's."""

import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.check import answers_of, expected_of, faults, faults_of_all, questions
from core.build import MODULE
from tests.golden.conformance import FOLDER, folder_files, refused_files
from tests.reference import tnr_file, tnr_tiles, tnr_wavelets
from tuner.codec.decode import decode
from tuner.errors import FormatError

INDEX: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
VALID = INDEX["valid"]
# The decoder of the pages takes seconds for these, and test_golden.py holds it to their integers.
SLOW = {f"v1-core-{name}" for name in ("colour", "deep", "places", "volume")} | {"v1-tiles-picture", "v1-tiles-volume"}
MOST_BYTES = 2_000_000
NAMES = [entry["name"] for entry in VALID]


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return folder_files()


def test_the_command_still_makes_the_folder(made: dict[str, bytes]) -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.*") if path.suffix in {".tnr", ".npy"}}
    assert there == {path for path in made if not path.endswith(".json")}
    for path, data in made.items():
        if path.endswith(".tnr") or path == "index.json":
            assert (FOLDER / path).read_bytes() == data, path
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < MOST_BYTES


@pytest.mark.parametrize("entry", VALID, ids=NAMES)
def test_the_library_finds_what_is_expected(entry: dict[str, Any], made: dict[str, bytes]) -> None:
    answer = json.loads(made[entry["expected"]])
    answer |= answer.pop("points", {})
    expected = expected_of(entry)
    assert answer["integers"] == expected["integers"]
    assert answer["digests"] == expected["digests"]
    for path in [entry.get("samples"), *_paths_of_beginnings(entry, expected)]:
        if path is not None:
            wanted, found = np.load(FOLDER / path), np.load(BytesIO(made[path]))
            assert (wanted.dtype, wanted.shape) == (found.dtype, found.shape)
            assert np.abs(wanted.astype("f8") - found.astype("f8")).max() <= expected["sample_tolerance"]
    answer.pop("beginnings", None)
    assert faults(entry, answer) == []


def _paths_of_beginnings(entry: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [f"expected/{entry['name']}-first-{each['bytes']}-bytes.npy" for each in expected.get("beginnings", [])]


@pytest.mark.parametrize("kind", ["invalid", "excessive"])
def test_the_library_refuses_what_it_must(kind: str) -> None:
    refused = refused_files()
    for entry in INDEX[kind]:
        with pytest.raises(FormatError) as error:
            decode((FOLDER / entry["file"]).read_bytes())
        assert error.value.code == entry["code"] == refused[entry["name"]].code, entry
    assert (kind == "excessive") == all(entry["code"] == "limit_exceeded" for entry in INDEX[kind])


@pytest.mark.parametrize("entry", [each for each in VALID if each["name"] not in SLOW], ids=lambda each: each["name"])
def test_the_decoder_of_the_pages_conforms(entry: dict[str, Any]) -> None:
    expected = expected_of(entry)
    file = tnr_file.decode((FOLDER / entry["file"]).read_bytes())
    answer: dict[str, Any] = {
        "header": file.header | {"channels": int(file.header["channels"])},
        "chunks": [f"{kind:02x}" for kind in file.chunks],
        "metadata": {key: _plain(value) for key, value in file.metadata.items() if key != "unheard-of"},
        "digests": {"integers": hashlib.sha256(b"".join(_packed(file.network))).hexdigest()},
    }
    if file.profile is not None:
        answer["profile"] = hashlib.sha256(file.profile).hexdigest()
    samples = np.load(FOLDER / entry["samples"])
    answer["values"] = []
    for point in expected["points"]["at"][:2]:  # those which are samples
        shape = file.header["shape"]
        place = [round(((x + 1) * count - 1) / 2) for x, count in zip(point, shape, strict=True)]
        answer["values"].append(file.network.value(place))
        written = samples[tuple(place)].astype(np.float64)
        assert np.abs(written - file.written(place)).max() <= expected["sample_tolerance"]
    assert faults(entry, answer) == []


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _packed(network: tnr_file.Network) -> Iterator[bytes]:
    """Integers in the order that the folder's page says."""
    if isinstance(network, tnr_tiles.Decoded):
        for tile in network.tiles.values():
            yield from _packed(tile.network)
        return
    frequencies = [network.frequencies] if isinstance(network, tnr_wavelets.Decoded) else []
    matrices = [*frequencies, *network.matrices]
    numbers = [number for matrix in matrices for row in matrix for number in row]
    if isinstance(network, tnr_wavelets.Decoded):
        numbers += network.exponents
        for level in network.levels:
            numbers += [band[node] for band in level.subbands for node in sorted(band)]
    yield struct.pack(f"<{len(numbers)}i", *numbers)


def test_the_decoder_of_the_pages_refuses_what_they_forbid() -> None:
    for entry in INDEX["invalid"]:
        with pytest.raises(AssertionError):
            tnr_file.decode((FOLDER / entry["file"]).read_bytes())


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_node_conforms() -> None:
    answers = answers_of(["node", str(Path(__file__).with_name("by_node.mjs")), str(MODULE)], questions())
    assert faults_of_all(answers) == []


def test_a_wrong_answer_is_seen() -> None:
    entry = next(each for each in VALID if each["name"] == "beginnings")
    right = np.load(FOLDER / entry["samples"]).astype(int)
    assert faults(entry, {"samples": right.tolist()}) == []
    wrong = right + 2 * (np.indices(right.shape).sum(0) == 0)
    assert "off by 2" in faults(entry, {"samples": wrong.tolist()})[0]
    assert faults(entry, {"digests": {"latents": "0"}}) == ["the digest of latents differs"]
    assert faults(entry, {"refused": "no"})
    assert faults_of_all([]) == [f"0 answers to {len(questions())} questions"]
