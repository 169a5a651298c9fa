"""The beginning of a file is a coarser signal, or says how much of the file is missing."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.tiles import random_tiles, tiled
from tests.wavelets import random_wavelets
from tuner.cli import app
from tuner.codec.beginning import decode_beginning, load_beginning
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.codec.file.container import Chunk, ChunkType, read_container, write_container
from tuner.codec.limits import DecodeLimits
from tuner.codec.wavelets.prefixes import unpack_prefixes
from tuner.errors import CorruptFile, FormatError, LimitExceeded
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.representation import Representation
from tuner.signal.formats import read_signal
from tuner.signal.samples import SampleFormat

SHAPES = {"sound": (40_000,), "picture": (120, 150), "volume": (30, 25, 24), "video and more": (10, 9, 12, 11)}

# A level of pictures has four times as many latents as the one before it, that of four axes sixteen times.
PLACES = {"sound": 3, "picture": 2, "volume": 1, "video and more": 1}


def _network(shape: tuple[int, ...]) -> WaveletParameters:
    """So large that a beginning is worth something: a byte or more for each latent."""
    parameters, rng = random_wavelets(shape, scales=3, colours=1, channels=1), np.random.default_rng(0)
    latents = (rng.normal(0.0, 30.0, codes.shape).astype(np.int32) for codes in parameters.latents)
    return replace(parameters, latents=tuple(latents))


def _file(shape: tuple[int, ...]) -> bytes:
    return encode(Representation(parameters=_network(shape), grid_shape=shape, icc_profile=b"profile"))


FILES = {name: _file(shape) for name, shape in SHAPES.items()}


def _latents(representation: Representation) -> tuple[np.ndarray, ...]:
    assert isinstance(representation.parameters, WaveletParameters)
    return representation.parameters.latents


@pytest.mark.parametrize("name", FILES)
def test_each_beginning_has_all_that_its_levels_have(name: str) -> None:
    whole = _latents(decode(FILES[name]))
    places: dict[int, int] = {}
    for size in range(len(FILES[name]) // 15, len(FILES[name]) - 100, len(FILES[name]) // 15):
        try:
            found = decode_beginning(FILES[name][:size])
        except CorruptFile:
            assert not places, "more bytes hold less"
            continue
        kept = len(whole) - found.missing_levels
        for level, (mine, expected) in enumerate(zip(_latents(found.representation), whole, strict=True)):
            np.testing.assert_array_equal(mine, expected if level < kept else 0 * expected)
        assert found.representation.icc_profile is None
        places[size] = found.missing_levels
    assert len(set(places.values())) >= PLACES[name]
    assert all(before >= after for before, after in pairwise(places.values()))
    assert decode_beginning(FILES[name]).representation.icc_profile == b"profile"


@pytest.mark.parametrize("name", FILES)
def test_what_there_is_to_see_is_some_of_the_samples(name: str) -> None:
    beginning = decode_beginning(FILES[name][: len(FILES[name]) // 2])
    every = 2**beginning.missing_levels
    assert every > 1
    picked = tuple(slice(every // 2, None, every) for _ in SHAPES[name])
    np.testing.assert_allclose(beginning.coarse(), beginning.representation.render().values[picked], atol=1e-5)
    whole = decode_beginning(FILES[name])
    np.testing.assert_allclose(whole.coarse(), whole.representation.render().values, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_a_place_is_the_last_byte_that_its_levels_need(name: str) -> None:
    """With one byte fewer a level is not there, and the file says how many bytes are needed for the first one."""
    _, payloads = read_container(FILES[name], DecodeLimits())
    before = FILES[name].index(payloads[ChunkType.WAVELETS])
    prefixes = unpack_prefixes(payloads[ChunkType.PREFIXES])
    assert [prefix.missing_levels for prefix in prefixes] == list(range(len(prefixes), 0, -1))
    for prefix, longer in pairwise(prefixes):
        end = before + longer.byte_count
        assert decode_beginning(FILES[name][:end]).missing_levels == longer.missing_levels
        assert decode_beginning(FILES[name][: end - 1]).missing_levels == prefix.missing_levels
    first = before + prefixes[0].byte_count
    with pytest.raises(CorruptFile, match=f"fetch at least {first}$"):
        decode_beginning(FILES[name][: first - 1])


def test_damage_in_a_beginning_is_found() -> None:
    data = bytearray(FILES["picture"])
    _, payloads = read_container(bytes(data), DecodeLimits())
    before = data.index(payloads[ChunkType.WAVELETS])
    first, *_, last = unpack_prefixes(payloads[ChunkType.PREFIXES])
    data[before + last.byte_count - 1] ^= 1
    assert decode_beginning(bytes(data[:-20])).missing_levels == last.missing_levels + 1  # what is before it is whole
    data[before + first.byte_count - 1] ^= 1
    with pytest.raises(CorruptFile, match="damaged"):
        decode_beginning(bytes(data[:-20]))


def test_no_beginning_of_any_length_or_with_any_byte_changed_is_more_than_an_error() -> None:
    rng = np.random.default_rng(5)
    data = FILES["picture"]
    for size in [*range(120), *rng.integers(120, len(data), 30).tolist()]:
        cut = bytearray(data[:size])
        if size and rng.integers(2):
            cut[rng.integers(min(size, 200))] = rng.integers(256)
        try:
            decode_beginning(bytes(cut))
        except FormatError:
            continue


def _with_prefixes(packed: bytes) -> bytes:
    header, payloads = read_container(FILES["picture"], DecodeLimits())
    payloads[ChunkType.PREFIXES] = packed
    return write_container(header, [Chunk(kind, payload) for kind, payload in payloads.items()])


@pytest.mark.parametrize(
    "packed", [b"", b"\x00", b"\x01", b"\x01\x05abc", b"\x01\x05abcd", b"\x01\x05abcdx", b"\x20" + 32 * b"\x05abcd"]
)
def test_prefixes_that_are_none_make_a_file_damaged(packed: bytes) -> None:
    for reader in (decode, decode_beginning):
        with pytest.raises(CorruptFile):
            reader(_with_prefixes(packed))


def test_small_files_and_sines_have_no_places_to_stop() -> None:
    small = encode(Representation(parameters=random_wavelets((20, 20)), grid_shape=(20, 20)))
    assert ChunkType.PREFIXES not in read_container(small, DecodeLimits())[1]
    with pytest.raises(CorruptFile, match="whole file"):
        decode_beginning(small[:-1])


def test_limits_hold() -> None:
    with pytest.raises(LimitExceeded):
        decode_beginning(FILES["picture"][:-1], DecodeLimits(samples=100))
    with pytest.raises(LimitExceeded):
        decode_beginning(FILES["picture"][:-1], DecodeLimits(file_bytes=100))


def test_a_profile_comes_after_the_network_and_metadata_before_it() -> None:
    data = encode(
        Representation(
            parameters=_network((120, 150)),
            grid_shape=(120, 150),
            icc_profile=b"profile",
            report={"asked": "32 dB"},
            sample_format=SampleFormat.U16,
        )
    )
    _, payloads = read_container(data, DecodeLimits())
    expected = [ChunkType.METADATA, ChunkType.PREFIXES, ChunkType.WAVELETS, ChunkType.ICC_PROFILE]
    assert list(payloads) == expected
    assert decode_beginning(data[: len(data) * 9 // 10]).representation.report == {"asked": "32 dB"}


def test_a_whole_file_and_a_beginning_on_disk(tmp_path: Path) -> None:
    path, shown = tmp_path / "arriving.tnr", tmp_path / "shown.png"
    path.write_bytes(FILES["picture"])
    assert load_beginning(path).missing_levels == 0
    path.write_bytes(FILES["picture"][: len(FILES["picture"]) // 2])
    found = load_beginning(path)
    assert found.missing_levels
    assert CliRunner().invoke(app, ["decode", str(path), "-o", str(shown)]).exit_code == 1
    result = CliRunner().invoke(app, ["decode", str(path), "-o", str(shown), "--beginning"])
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(read_signal(shown).values, found.representation.render().values, atol=0.5001 / 255)


def test_a_part_of_a_signal_in_tiles_is_no_beginning() -> None:
    data = encode(tiled(random_tiles()))
    assert decode_beginning(data).missing_levels == 0
    for size in (len(data) // 2, len(data) - 1):
        with pytest.raises(CorruptFile, match="in tiles, which has no coarser beginning"):
            decode_beginning(data[:size])
