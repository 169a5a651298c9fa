"""What `make bench-large` sends: signals of the size that was asked for, the same ones every time."""

from pathlib import Path

import pytest

from benchmarks.large import PSNR_DB, REFERENCE, REGION, TILE, write
from tuner.signal.formats import format_of, read_signal

SIGNALS = {
    "picture:40": ((40, 40), 3, "image"),
    "volume:20": ((20, 20, 20), 1, "npy"),
    "sound:0.5": ((22_050,), 2, "flac"),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_have_their_size_and_are_the_same_every_time(name: str, tmp_path: Path) -> None:
    shape, channels, file_format = SIGNALS[name]
    content = write(name, tmp_path).read_bytes()
    signal = read_signal(content)
    assert (signal.grid_shape, signal.channels, format_of(content).name) == (shape, channels, file_format)
    assert signal.values.std() > 0.02
    assert write(name, tmp_path).read_bytes() == content


def test_every_kind_has_what_it_is_compared_with() -> None:
    kinds = {name.split(":")[0] for name in SIGNALS}
    assert set(PSNR_DB) == set(REFERENCE) == set(TILE) == set(REGION) == kinds
