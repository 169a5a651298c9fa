"""Arrays of Zarr 3 whose chunks are representations, by zarr itself and by dask."""

from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from tests.unit.tuner.plugins.files import VOLUME, stored
from tuner.codec.decode import decode
from tuner.errors import FitError
from tuner.plugins import chunks
from tuner.plugins.zarr import TunerCodec

QUICK = TunerCodec(psnr_db=8, effort="fast", max_steps=2)
Z, Y, X = np.mgrid[:6, :5, :8]
WAVES = (1000 * np.sin(Z / 4 + Y / 5) * np.cos(X / 6)).astype(np.int16)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume of four chunks, of which those at the border are filled up."""
    path = tmp_path_factory.mktemp("zarr") / "waves.zarr"
    zarr.create_array(path, data=WAVES, chunks=(4, 5, 5), serializer=QUICK, compressors=None)
    return path


def test_the_array_says_what_was_promised(written: Path) -> None:
    codecs = zarr.open_array(written, mode="r").metadata.to_dict()["codecs"]
    assert codecs == ({"name": "tuner.tnr", "configuration": {"psnr_db": 8, "effort": "fast", "max_steps": 2}},)


def test_chunks_are_files(written: Path) -> None:
    files = sorted(path for path in (written / "c").rglob("*") if path.is_file())
    assert len(files) == 4
    assert {decode(path.read_bytes()).grid_shape for path in files} == {(4, 5, 5)}


def test_it_reads_as_it_was_promised(written: Path) -> None:
    back = zarr.open_array(written, mode="r")
    assert (back.shape, back.dtype) == (WAVES.shape, WAVES.dtype)
    error = np.asarray(back[:]).astype(float) - WAVES
    assert np.sqrt((error**2).mean()) < 2000 * 10 ** (-8 / 20)


def test_dask_decodes_the_chunks_it_needs(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counted(*given: object) -> object:
        decoded.append(given)
        return decode(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "decode", counted)
    lazy = da.from_zarr(str(written))  # type: ignore[no-untyped-call]
    assert (lazy.chunks, lazy.dtype) == (((4, 2), (5,), (5, 3)), np.int16)
    assert not decoded
    with dask.config.set(scheduler="threads"):
        part = lazy[5, :, :3].compute()
    assert len(decoded) == 1
    np.testing.assert_array_equal(part, zarr.open_array(written, mode="r")[5, :, :3])


def test_any_volume_of_ours_is_a_chunk(tmp_path: Path) -> None:
    """A file put where a chunk belongs is read, with the axes of length one that microscopes write."""
    shape = (1, 1, 12, 10, 8)
    zarr.create_array(tmp_path / "one.zarr", shape=shape, chunks=shape, dtype="i2", serializer=QUICK, compressors=None)
    place = tmp_path / "one.zarr" / "c" / "0" / "0" / "0" / "0" / "0"
    place.parent.mkdir(parents=True)
    place.write_bytes(VOLUME.read_bytes())
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "one.zarr", mode="r")[0, 0], stored(VOLUME))


@pytest.mark.long
def test_it_stands_inside_shards(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "shards.zarr",
        data=WAVES[:4, :4, :4],
        chunks=(4, 4, 2),
        shards=(4, 4, 4),
        serializer=QUICK,
        compressors=None,
    )
    assert np.shape(array[:]) == (4, 4, 4)
    assert array.metadata.to_dict()["codecs"][0]["name"] == "sharding_indexed"  # type: ignore[index, call-overload]


def test_an_empty_chunk_is_not_written(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "empty.zarr", shape=(4, 4), chunks=(2, 2), dtype="f4", serializer=QUICK, compressors=None
    )
    array[:] = 0
    assert array.nchunks_initialized == 0


@pytest.mark.parametrize("dtype", ["?", "c8", "U4", "M8[s]", "S3"])
def test_other_types_are_refused_before_an_array_is_made(dtype: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tuner\.tnr.*expected integers or floats"):
        zarr.create_array(
            tmp_path / "no.zarr", shape=(4,), chunks=(2,), dtype=dtype, serializer=QUICK, compressors=None
        )
    assert not (tmp_path / "no.zarr" / "zarr.json").exists()


def test_chunks_of_five_axes_are_refused_before_an_array_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="axes longer than one"):
        zarr.create_array(
            tmp_path / "no.zarr", shape=(4,) * 5, chunks=(2,) * 5, dtype="u1", serializer=QUICK, compressors=None
        )


def test_a_promise_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(6, 6))
    codec = TunerCodec(psnr_db=170, effort="fast", max_steps=1)
    with pytest.raises(FitError, match="missed"):
        zarr.create_array(tmp_path / "noise.zarr", data=noise, chunks=(6, 6), serializer=codec, compressors=None)
