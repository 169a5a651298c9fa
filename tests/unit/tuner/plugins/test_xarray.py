"""xarray finds the engine by its entry point, names axes and places, and computes what is asked for."""

from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from tests.unit.tuner.plugins.files import COLOUR, FILES, MESH, SOUND, UNEVEN, VIDEO, VOLUME, name_of, stored
from tuner.codec.decode import load
from tuner.errors import NotARepresentation
from tuner.plugins import lazy_samples
from tuner.plugins.xarray import TunerBackend


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_opens(path: Path) -> None:
    with xr.open_dataset(path, engine="tuner") as opened:
        assert opened["samples"].attrs["kind"] == load(path).kind.value
        np.testing.assert_array_equal(opened["samples"], stored(path))
        assert len(set(opened["samples"].dims)) == opened["samples"].ndim


def test_it_is_found_without_naming_it() -> None:
    assert "tuner" in xr.backends.list_engines()
    with xr.open_dataset(str(COLOUR)) as opened:
        assert dict(opened.sizes) == {"y": 48, "x": 32, "channel": 3}
    with xr.open_dataset(COLOUR.read_bytes()) as opened:
        np.testing.assert_array_equal(opened["samples"], stored(COLOUR))
    assert not TunerBackend().guess_can_open("picture.nc")


def test_nothing_is_decoded_before_values_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> object:
        raise AssertionError

    monkeypatch.setattr(lazy_samples, "decode", never)
    with xr.open_dataset(VOLUME, chunks={}) as opened:
        part = opened["samples"].isel(i=3)
        assert part.shape == (10, 8)
        with pytest.raises(AssertionError):
            part.load()


def test_parts_are_those_of_the_whole_also_by_dask() -> None:
    whole = stored(VOLUME)
    with xr.open_dataset(VOLUME) as opened:
        np.testing.assert_array_equal(
            opened["samples"].isel(i=slice(None, None, -3), j=[4, 1], k=2), whole[::-3, [4, 1], 2]
        )
        np.testing.assert_array_equal(opened["samples"][np.array([True, False] * 6)], whole[::2])
    with xr.open_dataset(VOLUME, chunks={"i": 5}) as opened, dask.config.set(scheduler="threads"):
        assert opened["samples"].chunks == ((5, 5, 2), (10,), (8,))
        np.testing.assert_array_equal(opened["samples"].mean("i"), whole.mean(axis=0))


def test_positions_are_those_of_the_file() -> None:
    with xr.open_dataset(SOUND) as sound:
        np.testing.assert_allclose(sound["time"], np.arange(512) / 8000)
    with xr.open_dataset(VIDEO) as video:
        np.testing.assert_allclose(video["time"], np.arange(6) * 1001 / 30000)
    with xr.open_dataset(UNEVEN) as uneven:
        np.testing.assert_allclose(uneven["time"], np.array([0, 20, 45, 75, 76, 252]) / 600)
    with xr.open_dataset(MESH) as field:
        details = load(MESH).details
        for axis, first, step in zip("xyz", details.origin, details.spacing, strict=True):  # type: ignore[union-attr]
            np.testing.assert_allclose(field[axis][:2], [first, first + step])
    with xr.open_dataset(VOLUME, drop_variables=["samples"]) as empty:
        assert not empty.data_vars


def test_it_can_be_written_to_another_file(tmp_path: Path) -> None:
    """Attributes are of types that files hold."""
    with xr.open_dataset(VOLUME) as opened:
        opened.to_zarr(tmp_path / "copy.zarr", consolidated=False)
    with xr.open_dataset(tmp_path / "copy.zarr", engine="zarr", consolidated=False) as copy:
        np.testing.assert_array_equal(copy["samples"], stored(VOLUME))


def test_another_file_is_refused_by_our_error(tmp_path: Path) -> None:
    (tmp_path / "other.tnr").write_bytes(b"nothing of that kind")
    with pytest.raises(NotARepresentation):
        xr.open_dataset(tmp_path / "other.tnr")
