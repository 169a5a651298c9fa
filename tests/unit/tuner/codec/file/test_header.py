"""The core header: exact bytes, and the page that describes them."""

import re
import shutil
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from tuner.codec.file.header import HEADER_FIELDS, MAGIC, Header, checksum, pack_header, unpack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.errors import CorruptFile, LimitExceeded
from tuner.signal.signal import SampleFormat, SignalKind

ASTRONAUT = Header(
    kind=SignalKind.IMAGE,
    sample_format=SampleFormat.U8,
    chunks=1,
    shape=(512, 300),
    channels=3,
    period=2.5,
    frequencies=364,
    widths=(256,),
)
ASTRONAUT_BYTES = (
    "f5544e52 01 00"  # magic, 1.0
    "01 01 01 01"  # image, 8 bits, coder 1, one chunk
    "02 8004 ac02 03"  # two axes, 512, 300, three channels
    "00002040"  # period 2.5
    "ec02 01 8002"  # 364 frequencies, one hidden layer, 256 neurons
    "25dde48c"  # CRC32C
)


def test_the_bytes_of_a_header() -> None:
    assert pack_header(ASTRONAUT).hex() == ASTRONAUT_BYTES.replace(" ", "")


def test_the_core_header_is_small() -> None:
    assert len(pack_header(ASTRONAUT)) == 29
    assert len(pack_header(replace(ASTRONAUT, shape=(5000, 4000), widths=(256, 256)))) <= 32


@pytest.mark.parametrize(
    "header",
    [
        ASTRONAUT,
        replace(ASTRONAUT, sample_format=SampleFormat.U16, channels=1, chunks=2),
        replace(ASTRONAUT, shape=(1,), widths=(1, 2, 3, 4), frequencies=1),
        replace(ASTRONAUT, shape=(7, 8, 9, 10), channels=64, period=3.0),
    ],
)
def test_headers_come_back(header: Header) -> None:
    packed = pack_header(header)
    reader = ByteReader(packed + b"more")
    assert unpack_header(reader) == header
    assert reader.position == len(packed)


@pytest.mark.parametrize("length", range(4, 29))
def test_a_truncated_header_is_corrupt(length: int) -> None:
    with pytest.raises(CorruptFile, match="truncated"):
        unpack_header(ByteReader(pack_header(ASTRONAUT)[:length]))


def test_the_checksum_is_crc32c() -> None:
    """The check value of the polynomial, as every description of it gives."""
    assert checksum(b"123456789") == (0xE3069283).to_bytes(4, "little")


def test_every_number_of_the_network_is_counted() -> None:
    header = replace(ASTRONAUT, widths=(256, 30))
    frequencies, first, second, readout = 364 * 2, 256 * 364 + 256, 30 * 256 + 30, 3 * 30 + 3
    assert header.weights == frequencies + 364 + first + second + readout


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (DecodeLimits(channels=2), "asks for 3 channels, the limit is 2"),
        (DecodeLimits(samples=153_599), "asks for 153600 samples, the limit is 153599"),
        (DecodeLimits(axes=1), "asks for 2 axes, the limit is 1"),
        (DecodeLimits(values=460_799), "asks for 460800 values, the limit is 460799"),
        (DecodeLimits(work=14_638_540_799), "asks for 14638540800 work, the limit is 14638540799"),
        (DecodeLimits(weights=95_302), "asks for 95303 weights, the limit is 95302"),
    ],
)
def test_limits(limits: DecodeLimits, message: str) -> None:
    ASTRONAUT.check_limits(DecodeLimits(channels=3, samples=153_600, weights=95_303))
    with pytest.raises(LimitExceeded, match=message):
        ASTRONAUT.check_limits(limits)


def test_the_page_lists_the_fields_that_are_written() -> None:
    page = files("tuner.codec").joinpath("FORMAT.md").read_text(encoding="utf-8")
    table = page.split("| field | type | values | meaning |")[1].split("\n\n")[0]
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table.strip().splitlines()[1:]]
    assert rows == [(field.name, field.type.value, field.repeat or "1", field.meaning) for field in HEADER_FIELDS]
    assert re.search(r"`F5 54 4E 52`.*major version 1, minor version 0", page)


def test_file_knows_the_format(tmp_path: Path) -> None:
    rules = files("tuner.codec") / "tnr.magic"
    beginning = rules.read_text(encoding="utf-8").split("\n")[1].split("\t")[2]
    assert beginning.encode().decode("unicode_escape").encode("latin-1") == MAGIC
    program = shutil.which("file")
    if program is not None:
        path = tmp_path / "x"
        path.write_bytes(pack_header(ASTRONAUT))
        command = [program, "--brief", "--magic-file", str(rules), str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said == "Tuner representation version 1.0\n"
