"""Arrays of Zarr 2 whose chunks are representations."""

from pathlib import Path
from typing import Literal

import numcodecs
import numpy as np
import pytest
import zarr

from tests.unit.tuner.plugins.files import VOLUME, stored
from tuner.codec.decode import load
from tuner.errors import ConfigError, InvalidSignal
from tuner.plugins.numcodecs import TunerCodec

QUICK = {"psnr_db": 8, "effort": "fast", "max_steps": 2}
RAMP = np.add.outer(100 * np.arange(6), 3 * np.arange(5)).astype(np.int16)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.long
def test_an_array_of_zarr_2_reads_in_its_order(tmp_path: Path, order: Literal["C", "F"]) -> None:
    zarr.create_array(
        tmp_path / "a.zarr",
        data=RAMP,
        chunks=(4, 5),
        zarr_format=2,
        filters=None,
        order=order,
        compressors=TunerCodec(**QUICK),
    )
    back = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert back.metadata.to_dict()["compressor"] == {"id": "tuner.tnr", **QUICK}
    assert (back.shape, back.dtype) == (RAMP.shape, RAMP.dtype)
    # The chunk itself, by the decoder: in the wrong order its elements would stand elsewhere.
    first = load(tmp_path / "a.zarr" / "0.0").render()
    elements = first.storage.to_samples(first.values)[..., 0]
    np.testing.assert_array_equal(back[:4], elements if order == "C" else elements.T)
    assert elements.shape == ((4, 5) if order == "C" else (5, 4))


def test_numcodecs_finds_it_by_its_name() -> None:
    codec = numcodecs.get_codec({"id": "tuner.tnr", **QUICK})
    assert codec == TunerCodec(**QUICK)
    np.testing.assert_array_equal(codec.decode(VOLUME.read_bytes()), stored(VOLUME))
    out = np.empty((12, 10, 8), np.int16)
    assert codec.decode(VOLUME.read_bytes(), out) is out
    np.testing.assert_array_equal(out, stored(VOLUME))


def test_a_byte_order_that_would_not_come_back_is_refused() -> None:
    with pytest.raises(ConfigError, match="Zarr 3"):
        TunerCodec(**QUICK).encode(RAMP.astype(">i2"))


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidSignal, match="expected integers or floats"):
        TunerCodec(**QUICK).encode(RAMP > 0)
