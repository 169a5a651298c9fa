"""`tuner fit` and `tuner decode` turn every kind of file into a small one and back, for other programs to open."""

import re
import wave
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import nibabel
import numpy as np
import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner, Result

from tests.signals import AFFINE, SIGNALS, octahedron, octahedron_obj
from tuner.cli import app
from tuner.codec.decode import decode, load
from tuner.metrics import snr_db, written_psnr_db
from tuner.quality.surface import chamfer_distance
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.triangles import Mesh


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def round_trip(folder: Path, name: str, data: bytes, back: str, *options: object) -> tuple[Path, str]:
    """The decoded file, and what `tuner fit` said of it."""
    source, small, output = folder / name, folder / "small.tnr", folder / back
    source.write_bytes(data)
    said = run("fit", source, "-o", small, "--steps", 25, *options).stdout
    run("decode", small, "-o", output)
    assert len(small.read_bytes()) < len(data) or len(data) < 2000
    return output, said


def test_a_photo(tmp_path: Path) -> None:
    output, said = round_trip(tmp_path, "a.png", encode_signal(SIGNALS["image"], "a.png"), "b.png")
    with Image.open(output) as opened:
        assert opened.size == (14, 9)
    quality = written_psnr_db(SIGNALS["image"].values, read_signal(output).values, SIGNALS["image"].storage)
    assert quality > 35
    assert "bits per sample" in said
    assert f"{quality:.2f} dB PSNR" in said, "whatever is said of quality is said by its name"


def test_a_sound(tmp_path: Path) -> None:
    output, said = round_trip(tmp_path, "a.wav", encode_signal(SIGNALS["sound"], "a.wav"), "b.wav")
    with wave.open(str(output)) as opened:
        assert (opened.getnchannels(), opened.getframerate(), opened.getnframes()) == (2, 8000, 512)
        samples = np.frombuffer(opened.readframes(512), "<i2").reshape(-1, 2) / np.float32(32768)
    source = read_signal(tmp_path / "a.wav").values  # 16 bits of the sound, like what comes back
    quality = snr_db(source, samples.astype(np.float32))
    assert quality > 20
    assert f"{quality:.1f}" in said or f"{quality + 0.05:.1f}" in said or f"{quality - 0.05:.1f}" in said
    assert "kbit/s" in said
    assert "dB SNR" in said


def test_a_volume(tmp_path: Path) -> None:
    output, said = round_trip(tmp_path, "a.nii.gz", encode_signal(SIGNALS["volume"], "a.nii.gz"), "b.nii.gz")
    opened = nibabel.Nifti1Image.from_filename(output)
    assert opened.get_data_dtype() == np.int16
    np.testing.assert_array_equal(opened.affine, np.array(AFFINE).reshape(4, 4))
    expected = SIGNALS["volume"].storage.to_samples(SIGNALS["volume"].values)[..., 0]
    error = np.asarray(opened.dataobj).astype(float) - expected
    assert 20 * np.log10(4095 / np.sqrt(np.mean(error**2))) > 35
    assert "bits per sample" in said


def test_a_video(tmp_path: Path) -> None:
    output, _ = round_trip(tmp_path, "a.mkv", encode_signal(SIGNALS["video"], "a.mkv"), "b.mp4")
    with av.open(output) as opened:
        stream = opened.streams.video[0]
        assert (stream.frames, stream.width, stream.height, stream.average_rate) == (6, 20, 16, Fraction(30000, 1001))
    assert written_psnr_db(SIGNALS["video"].values, read_signal(output).values, SIGNALS["video"].storage) > 27
    run("decode", tmp_path / "small.tnr", "-o", tmp_path / "b.mkv")
    assert (
        written_psnr_db(SIGNALS["video"].values, read_signal(tmp_path / "b.mkv").values, SIGNALS["video"].storage) > 35
    )


def test_a_mesh(tmp_path: Path) -> None:
    output, said = round_trip(tmp_path, "a.obj", octahedron_obj(), "b.stl", "--resolution", 20)
    opened = trimesh.load_mesh(BytesIO(output.read_bytes()), file_type="stl")
    assert opened.is_watertight
    assert opened.volume == pytest.approx(4 / 3 * 1.5**3, rel=0.05)
    surface = Mesh(np.array(opened.vertices, dtype=np.float64), np.array(opened.faces, dtype=np.int64))
    assert chamfer_distance(octahedron(), surface, samples=4000) < 0.05 * 1.5
    assert re.search(r"insides overlap by (9\d\.\d|100\.0) %", said)


def test_an_array(tmp_path: Path) -> None:
    output, _ = round_trip(tmp_path, "a.npy", encode_signal(SIGNALS["array"], "a.npy"), "b.npy")
    opened = np.load(output, allow_pickle=False)
    expected = SIGNALS["array"].storage.to_samples(SIGNALS["array"].values)[..., 0]
    assert (opened.dtype, opened.shape) == (np.float64, expected.shape)
    assert np.sqrt(np.mean((opened - expected) ** 2)) < 3e-4 * 10 ** (-30 / 20)


def test_the_name_must_fit_the_kind(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encode_signal(SIGNALS["sound"], "a.wav"))
    run("fit", tmp_path / "a.wav", "-o", tmp_path / "a.tnr", "--steps", 1)
    result = CliRunner().invoke(app, ["decode", str(tmp_path / "a.tnr"), "-o", str(tmp_path / "a.png")])
    assert result.exit_code == 1
    assert "ends in .wav, .flac, .ogg, .npy" in " ".join(result.stderr.split())
    assert not (tmp_path / "a.png").exists()


def test_twice_the_samples_are_twice_the_rate(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encode_signal(SIGNALS["sound"], "a.wav"))
    run("fit", tmp_path / "a.wav", "-o", tmp_path / "a.tnr", "--steps", 1)
    run("decode", tmp_path / "a.tnr", "-o", tmp_path / "b.wav", "--scale", 2)
    with wave.open(str(tmp_path / "b.wav")) as opened:
        assert (opened.getframerate(), opened.getnframes()) == (16000, 1024)
    assert load(tmp_path / "a.tnr").details == SIGNALS["sound"].details
    assert decode((tmp_path / "a.tnr").read_bytes()).kind == "audio"
