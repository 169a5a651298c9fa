"""Files written long ago decode to the integers they were written from."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.golden.make import DISTANCES, FAMILIES, fingerprint, make
from tests.reference import tnr_decoder, tnr_tiles, tnr_wavelets
from tests.signals import AFFINE
from tuner.codec.decode import decode, decode_integers
from tuner.codec.sines.quantise import QuantisedNetwork
from tuner.codec.tiles.chunk import QuantisedTiles
from tuner.codec.wavelets.chunk import QuantisedWavelets
from tuner.signal.details import AudioDetails, VideoDetails, VolumeDetails
from tuner.signal.grid import Grid
from tuner.signal.samples import Scaling, Storage
from tuner.signal.signal import SignalKind

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("v*/*.tnr"))
WAVELETS = [path for path in FILES if path.parent.name == "v1-core"]
TILES = [path for path in FILES if path.parent.name == "v1-tiles"]
SINES = [path for path in FILES if path not in WAVELETS + TILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_integers_never_change(path: Path) -> None:
    recorded = json.loads((path.parent / "fingerprints.json").read_text(encoding="utf-8"))
    assert fingerprint(path.read_bytes()) == recorded[path.name]


def test_no_file_of_the_frozen_format_was_changed_or_taken_away() -> None:
    """Lines are only ever added to `frozen.json`: it is what was promised on the day of version 1.0."""
    for name, promised in json.loads((HERE / "frozen.json").read_text(encoding="utf-8")).items():
        data = (HERE / name).read_bytes()
        assert {"sha256": sha256(data).hexdigest(), "integers": fingerprint(data)} == promised, name


@pytest.mark.parametrize("path", WAVELETS, ids=lambda path: path.name)
def test_the_reference_decoder_of_wavelets_agrees(path: Path) -> None:
    data = path.read_bytes()
    ours, reference = decode_integers(data), tnr_wavelets.decode(data)
    assert isinstance(ours, QuantisedWavelets)
    _assert_same_integers(ours, reference)
    representation = decode(data)
    rendered = representation.render().values
    for share in (0.0, 0.4, 0.99):
        position = [int(share * samples) for samples in representation.grid_shape]
        np.testing.assert_allclose(rendered[tuple(position)], np.clip(reference.value(position), 0, 1), atol=1e-4)


@pytest.mark.parametrize("path", TILES, ids=lambda path: path.name)
def test_the_reference_decoder_of_tiles_agrees(path: Path) -> None:
    data = path.read_bytes()
    ours, reference = decode_integers(data), tnr_tiles.decode(data)
    assert isinstance(ours, QuantisedTiles)
    assert list(ours.grid.counts) == reference.counts
    for number, tile in enumerate(reference.tiles.values()):
        assert ours.grid.region(number) == tuple(zip(tile.starts, tile.stops, strict=True))
        _assert_same_integers(ours.tiles.integers(number), tile.network)
    representation = decode(data)
    rendered = representation.values_on_grid(
        [Grid(representation.grid_shape, 3.0).axis(axis) for axis in range(len(representation.grid_shape))]
    )
    overlaps = [
        [min(n - 1, s + o // 2) for n, s, o in zip(reference.shape, reference.strides, reference.overlaps, strict=True)]
    ]
    for position in [*overlaps, *([int(share * n) for n in reference.shape] for share in (0.0, 0.99))]:
        np.testing.assert_allclose(rendered[tuple(position)], reference.value(position), atol=1e-4)


def _assert_same_integers(ours: QuantisedWavelets, reference: tnr_wavelets.Decoded) -> None:
    assert ours.frequencies.tolist() == reference.frequencies
    for mine, other in zip(ours.integers, reference.matrices, strict=True):
        assert mine.reshape(len(mine), -1).tolist() == other
    for subbands, expected in zip(ours.latents, reference.levels, strict=True):
        for codes, subband in zip(subbands, expected.subbands, strict=True):
            assert {node: int(codes[node]) for node in np.ndindex(codes.shape)} == subband


@pytest.mark.parametrize("path", SINES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_reference_decoder_of_sines_agrees(path: Path) -> None:
    data = path.read_bytes()
    ours, reference = decode_integers(data), tnr_decoder.decode(data)
    assert isinstance(ours, QuantisedNetwork)
    for mine, other in zip((ours.frequencies, *ours.integers), reference.matrices, strict=True):
        assert mine.reshape(len(mine), -1).tolist() == other
    representation = decode(data)
    rendered = representation.render().values
    for share in (0.0, 0.4, 0.9):
        position = [int(share * samples) for samples in representation.grid_shape]
        storage = Storage(representation.sample_format, representation.scaling)
        expected = storage.limited(np.array(reference.value(position), np.float32))
        np.testing.assert_allclose(rendered[tuple(position)], expected, atol=1e-5)


KINDS = {
    "sound.tnr": (SignalKind.AUDIO, AudioDetails(sample_rate=8000), None),
    "windows.tnr": (SignalKind.AUDIO, AudioDetails(sample_rate=8000), None),
    "volume.tnr": (
        SignalKind.VOLUME,
        VolumeDetails(affine=AFFINE, space_unit="mm", codes=(1, 1)),
        Scaling(4095.0, -1024.0),
    ),
    "video.tnr": (SignalKind.VIDEO, VideoDetails(rate=(30000, 1001)), None),
    "uneven.tnr": (
        SignalKind.VIDEO,
        VideoDetails(rate=(250, 21), tick=(1, 600), intervals=(20, 25, 30, 1, 176)),
        None,
    ),
    "mesh.tnr": (SignalKind.DISTANCE, DISTANCES, None),
    "array.tnr": (SignalKind.ARRAY, None, Scaling(3e-4, -7.0)),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_a_kind_keeps_beside_its_samples_never_changes(name: str) -> None:
    kind, details, scaling = KINDS[name]
    representation = decode((HERE / "v1-kinds" / name).read_bytes())
    assert (representation.kind, representation.details) == (kind, details)
    if scaling is not None:
        assert representation.scaling == scaling
    assert representation.report == {"trainer": "none", "psnr_db": 12.5}


def test_every_version_is_complete() -> None:
    for folder in HERE.glob("v*"):
        recorded = json.loads((folder / "fingerprints.json").read_text(encoding="utf-8"))
        assert sorted(recorded) == sorted(path.name for path in folder.glob("*.tnr"))
    assert [path for path in FILES if path.parent.name == "v1"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_encoder_still_writes_the_files_of_the_current_version(family: str) -> None:
    """Not a promise of the format, whose encoder may improve; then regenerate under a new name, and keep these."""
    for name, data in FAMILIES[family]().items():
        assert data == (HERE / family / name).read_bytes(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_files_can_be_made_under_a_new_name_only(family: str, tmp_path: Path) -> None:
    make(tmp_path / "v9", FAMILIES[family]())
    assert (tmp_path / "v9" / "fingerprints.json").read_text() == (HERE / family / "fingerprints.json").read_text()
    with pytest.raises(FileExistsError):
        make(tmp_path / "v9", {})
