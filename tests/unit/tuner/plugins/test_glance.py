"""What a file says before it is decoded is what it says afterwards, and costs no network."""

from io import BytesIO
from pathlib import Path

import pytest

from tests.unit.tuner.plugins.files import COLOUR, FILES, PROFILE, name_of
from tuner.codec.decode import decode
from tuner.codec.file.header import unpack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.errors import CorruptFile, FormatError, LimitExceeded, NotARepresentation
from tuner.plugins.glance import glance


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_agrees_with_the_decoder(path: Path) -> None:
    whole = decode(path.read_bytes())
    seen = glance(BytesIO(path.read_bytes()), DecodeLimits())
    assert (seen.kind, seen.grid_shape, seen.channels) == (whole.kind, whole.grid_shape, whole.channels)
    assert (seen.sample_format, seen.icc_profile) == (whole.sample_format, whole.icc_profile)
    assert (seen.metadata.scaling, seen.metadata.details) == (whole.scaling, whole.details)
    assert seen.metadata.report == whole.report


def test_it_begins_where_the_file_stands() -> None:
    file = BytesIO(b"before" + COLOUR.read_bytes())
    file.seek(6)
    assert glance(file, DecodeLimits()).grid_shape == (48, 32)


@pytest.mark.parametrize("path", [COLOUR, PROFILE], ids=name_of)
def test_a_file_cut_anywhere_raises_errors_of_the_format_only(path: Path) -> None:
    content = path.read_bytes()
    reader = ByteReader(content)
    unpack_header(reader)
    for length in range(0, len(content), 1 + len(content) // 200):
        try:
            glance(BytesIO(content[:length]), DecodeLimits())
        except FormatError:
            continue
        assert length > reader.position  # what misses behind the header shows when it is decoded


def test_damage_of_what_it_reads_is_noticed() -> None:
    content = bytearray(PROFILE.read_bytes())
    profile = decode(bytes(content)).icc_profile
    assert profile is not None
    content[content.index(profile) + 5] ^= 1
    with pytest.raises(CorruptFile, match="checksum"):
        glance(BytesIO(bytes(content)), DecodeLimits())


def test_limits_hold_before_anything_else() -> None:
    with pytest.raises(LimitExceeded):
        glance(BytesIO(COLOUR.read_bytes()), DecodeLimits(samples=10))
    with pytest.raises(NotARepresentation):
        glance(BytesIO(b"\x89PNG and more"), DecodeLimits())
