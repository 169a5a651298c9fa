"""Chunks around payloads that nobody looks into."""

import pytest

from tests.unit.tuner.codec.file.test_header import ASTRONAUT
from tuner.codec.file.container import Chunk, ChunkType, read_beginning, read_container, write_container
from tuner.codec.file.header import pack_header
from tuner.codec.limits import DecodeLimits
from tuner.errors import CorruptFile, UnsupportedVersion

NETWORK = Chunk(ChunkType.NETWORK, b"a network")
PROFILE = Chunk(ChunkType.ICC_PROFILE, bytes(range(200)))


def test_the_bytes_of_a_chunk() -> None:
    data = write_container(ASTRONAUT, [NETWORK])
    assert data == pack_header(ASTRONAUT) + b"\x01\x09a network" + bytes.fromhex("fd377f1d")


def test_chunks_come_back_in_any_order() -> None:
    for chunks in ([NETWORK, PROFILE], [PROFILE, NETWORK]):
        header, payloads = read_container(write_container(ASTRONAUT, chunks), DecodeLimits())
        assert header.chunks == 2
        assert payloads == {ChunkType.NETWORK: NETWORK.payload, ChunkType.ICC_PROFILE: PROFILE.payload}


def test_an_unknown_chunk_is_skipped_if_it_may_be() -> None:
    data = write_container(ASTRONAUT, [Chunk(0x90, b"from the future"), NETWORK])
    assert read_container(data, DecodeLimits())[1] == {ChunkType.NETWORK: NETWORK.payload}


def test_an_unknown_chunk_is_refused_if_it_may_not() -> None:
    with pytest.raises(UnsupportedVersion, match="chunk type 0x70 is unknown"):
        read_container(write_container(ASTRONAUT, [NETWORK, Chunk(0x70, b"")]), DecodeLimits())
    data = write_container(ASTRONAUT, [Chunk(0x70, b"a chunk of the future"), PROFILE])
    for end in (len(data) - 1, data.index(b"future")):  # whole, and itself cut off
        with pytest.raises(UnsupportedVersion, match="chunk type 0x70 is unknown"):
            read_beginning(data[:end], DecodeLimits())


def test_every_flipped_bit_is_noticed() -> None:
    data = write_container(ASTRONAUT, [NETWORK])
    for position in range(6, len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises((CorruptFile, UnsupportedVersion)):
            read_container(bytes(damaged), DecodeLimits())


def test_every_truncation_is_noticed() -> None:
    data = write_container(ASTRONAUT, [NETWORK, PROFILE])
    for length in range(4, len(data)):
        with pytest.raises(CorruptFile, match="truncated"):
            read_container(data[:length], DecodeLimits())
