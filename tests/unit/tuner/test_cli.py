"""The commands, on real files."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.networks import random_representation
from tests.tiles import ask_none, random_tiles, tiled
from tests.wavelets import wavelet_representation
from tuner.cli import app
from tuner.codec.encode import encode
from tuner.fitting import represent
from tuner.representation import Representation
from tuner.signal.image import read_image


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """40 x 24, RGB, smooth."""
    y, x = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 40), indexing="ij")
    values = np.stack([0.5 + 0.4 * x * y, 0.5 + 0.3 * np.sin(3 * x), np.hypot(x, y) / 2], axis=-1)
    path = tmp_path / "picture.png"
    Image.fromarray((255 * values).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.tnr"
    path.write_bytes(encode(random_representation()))
    return path


def test_from_picture_to_file_and_back(picture: Path, tmp_path: Path) -> None:
    small, back = tmp_path / "small.tnr", tmp_path / "back.png"
    fitted = run("fit", picture, "-o", small, "--effort", "fast", "--seed", 3, "--target", "bytes=500")
    assert fitted.exit_code == 0
    assert all(" left" in line for line in fitted.stderr.splitlines()), "nothing but how far it is"
    assert f"{small.stat().st_size} bytes" in fitted.stdout
    assert " steps in " in fitted.stdout

    decoded = run("decode", small, "-o", back)
    assert (decoded.exit_code, decoded.output) == (0, "")
    original, reconstruction = read_image(picture), read_image(back)
    assert reconstruction.values.shape == original.values.shape
    mse = float(np.mean(np.square(original.values - reconstruction.values)))
    assert f"{-10 * np.log10(mse):.2f} dB" in fitted.stdout, "the quality that is reported is that of the file"
    assert mse < 10**-2.5


def test_a_smooth_picture_comes_back_exactly(picture: Path, tmp_path: Path) -> None:
    small, back = tmp_path / "small.tnr", tmp_path / "back.png"
    fitted = run("fit", picture, "-o", small, "--effort", "fast", "--steps", 30)
    assert "61 steps" in fitted.stdout, "of two networks that requests share, and of one that learns nothing"
    assert "Every sample comes back as it was." in fitted.stdout
    assert run("decode", small, "-o", back).exit_code == 0
    np.testing.assert_array_equal(read_image(picture).values, read_image(back).values)


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("fit", "--target", ("psnr=30", "bytes=500")),
        ("decode", "--scale", (2, 2)),
        ("export", "-o", ("a.onnx", "b.onnx")),
        ("view", "--output", ("a.html", "b.html")),
        ("submit", "--target", ("psnr=30", "bytes=500")),
        ("paper", "--seeds", (1, 2)),
    ],
)
def test_an_option_is_given_once(
    command: str,
    option: str,
    values: tuple[object, object],
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two the last would count, and nothing would be said of the other."""
    monkeypatch.chdir(tmp_path)
    before, (first, second) = set(tmp_path.iterdir()), values
    output = () if option in {"-o", "--output"} else ("-o", tmp_path / "output")
    given = run(command, file, *output, option, first, option, second)
    assert given.exit_code == 2
    assert "given 2 times, expected once" in given.stderr
    assert set(tmp_path.iterdir()) == before, "nothing was written"


def test_a_fit_that_is_stopped_says_what_it_did_not_write(picture: Path, tmp_path: Path) -> None:
    output = tmp_path / "small.tnr"
    with patch("tuner.cli.represent", side_effect=KeyboardInterrupt):
        stopped = run("fit", picture, "-o", output)
    assert stopped.exit_code == 130
    assert f"stopped, {output} was not written" in " ".join(stopped.stderr.split())
    assert not output.exists()


def test_the_same_seed_gives_the_same_file(picture: Path, tmp_path: Path) -> None:
    for name in ("a.tnr", "b.tnr"):
        assert run("fit", picture, "-o", tmp_path / name, "--effort", "fast", "--steps", 5).exit_code == 0
    assert (tmp_path / "a.tnr").read_bytes() == (tmp_path / "b.tnr").read_bytes()


def test_decode_at_another_scale(file: Path, tmp_path: Path) -> None:
    assert run("decode", file, "-o", tmp_path / "large.png", "--scale", 3).exit_code == 0
    assert read_image(tmp_path / "large.png").grid_shape == (30, 42)


def test_an_existing_output_is_replaced_whole(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    output.write_bytes(b"something else")
    assert run("decode", file, "-o", output).exit_code == 0
    assert output.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.tnr", "out.png"]


def test_info_as_json(file: Path) -> None:
    result = run("info", file, "--json")
    facts = json.loads(result.stdout)
    weights = 12 + 12 * 8 + 8 + 8 * 3 + 3
    assert facts == {
        "kind": "image",
        "grid_shape": [10, 14],
        "channels": 3,
        "sample_format": "u8",
        "network": "sines",
        "period": 2.5,
        "frequencies": 12,
        "hidden": [8],
        "weights": weights,
        "latents": 0,
        "tiles": {},
        "bytes": file.stat().st_size,
        "bits_per_sample": 8 * file.stat().st_size / 140,
        "bits_per_weight": 8 * file.stat().st_size / weights,
        "icc_profile_bytes": 0,
        "details": {},
        "report": {},
    }


def test_info_as_text(file: Path) -> None:
    lines = run("info", file).stdout.splitlines()
    assert "grid shape         10 x 14" in lines
    assert "network            sines" in lines
    assert "period             2.500" in lines
    assert "report             none" in lines
    assert not any(line.startswith("latents") for line in lines)


def test_info_of_wavelets_names_them(tmp_path: Path) -> None:
    path = tmp_path / "wavelets.tnr"
    representation = wavelet_representation((9, 7))
    path.write_bytes(encode(representation))
    lines = run("info", path).stdout.splitlines()
    assert "network            wavelets" in lines
    assert "hidden             6, 5" in lines
    assert f"latents            {representation.parameters.latent_count}" in lines


@pytest.fixture
def in_tiles(tmp_path: Path) -> Path:
    path = tmp_path / "tiles.tnr"
    path.write_bytes(encode(tiled(random_tiles((60, 90), (15, 18), (2, 4), channels=3))))
    return path


def test_info_of_tiles(in_tiles: Path) -> None:
    (line,) = [line for line in run("info", in_tiles).stdout.splitlines() if line.startswith("tiles ")]
    assert line.startswith("tiles              count 20, counts 4 x 5, strides 15 x 18, overlaps 2 x 4, index bytes 1")


def test_a_region_is_decoded_from_its_bytes(in_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, part, double = tmp_path / "whole.png", tmp_path / "part.png", tmp_path / "double.png"
    assert run("decode", in_tiles, "-o", whole).output == ""
    ask_none(monkeypatch)
    done = run("decode", in_tiles, "-o", part, "--region", "20:28, :50")
    assert done.exit_code == 0, done.output
    said = re.fullmatch(rf"{part}: (\d+) of {in_tiles.stat().st_size} bytes read\n", done.output)
    assert said
    assert int(said[1]) < 0.5 * in_tiles.stat().st_size
    np.testing.assert_array_equal(read_image(part).values, read_image(whole).values[20:28, :50])
    assert run("decode", in_tiles, "-o", double, "--region", "20:28,0:50", "--scale", 2).exit_code == 0
    assert read_image(double).values.shape == (16, 100, 3)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("0:5", "expected START:STOP for each axis of (10, 14)"),
        ("5,0:5", "expected START:STOP"),
        ("-1:5,0:5", "expected START:STOP"),
        ("0:5,0:15", "expected 0 <= start < stop <= (10, 14)"),
        ("5:5,0:14", "expected 0 <= start < stop"),
    ],
)
def test_a_region_that_is_none_is_told(file: Path, tmp_path: Path, region: str, message: str) -> None:
    done = run("decode", file, "-o", tmp_path / "x.png", f"--region={region}")
    assert done.exit_code == 1
    assert message in done.stderr


def test_every_file_says_how_it_was_made(picture: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.tnr"
    for options in ((), ("--target", "seconds=0.3")):
        assert run("fit", picture, "-o", small, "--effort", "fast", "--steps", 2, "--seed", 5, *options).exit_code == 0
        (line,) = (line for line in run("info", small).stdout.splitlines() if line.startswith("report"))
        assert "trainer wavelets" in line
        assert "seed 5" in line
    assert run("fit", picture, "-o", small, "--effort", "fast", "--steps", 2, "--target", "bytes=2000").exit_code == 0
    assert "report             none" in run("info", small).stdout


def test_what_is_wrong_is_said_in_one_line(file: Path, picture: Path, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.tnr"
    truncated.write_bytes(file.read_bytes()[:-5])
    out = tmp_path / "out.png"
    cases = {
        ("info", tmp_path / "absent.tnr"): "there is no file",
        ("info", truncated): "truncated",
        ("info", picture): "not a .tnr file",
        ("decode", truncated, "-o", out): "truncated",
        ("decode", file, "-o", tmp_path / "out.jpg"): "expected a name that ends in .png",
        ("decode", file, "-o", tmp_path / "no" / "out.png"): "does not exist",
        ("decode", file, "-o", tmp_path): "is a folder",
        ("decode", file, "-o", out, "--scale", "0"): "scale is 0.0",
        ("fit", file, "-o", tmp_path / "out.tnr"): "the file is a representation (.tnr)",
        ("fit", truncated, "-o", tmp_path / "out.tnr"): "the file is a representation (.tnr)",
        ("fit", picture, "-o", tmp_path / "no" / "out.tnr"): "does not exist",
        ("fit", picture, "-o", tmp_path / "out.tnr", "--seed", "-1"): "seed -1, expected",
    }
    before = sorted(tmp_path.iterdir())
    for arguments, message in cases.items():
        result = run(*arguments)
        assert result.exit_code == 1, arguments
        assert result.stdout == ""
        assert result.stderr.startswith("tuner: ")
        assert result.stderr.count("\n") == 1
        assert message in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_understood_ends_with_2(file: Path) -> None:
    assert run("decode", file).exit_code == 2
    assert run("paint", file).exit_code == 2
    assert run("fit", file, "-o", "x.tnr", "--effort", "heroic").exit_code == 2


def test_a_picture_keeps_its_profile_and_depth(tmp_path: Path) -> None:
    source, back = tmp_path / "deep.tnr", tmp_path / "deep.png"
    representation = random_representation(channels=1)
    data = encode(
        Representation(parameters=representation.parameters, grid_shape=(10, 14), icc_profile=b"not a real profile")
    )
    source.write_bytes(data)
    assert run("decode", source, "-o", back).exit_code == 0
    assert Image.open(BytesIO(back.read_bytes())).info["icc_profile"] == b"not a real profile"


def test_decode_and_info_import_no_torch(file: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from tuner.cli import app\n"
        "for arguments in (['decode', sys.argv[1], '-o', sys.argv[2]], ['info', sys.argv[1]], ['--help']):\n"
        "    app(arguments, standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, file, tmp_path / "out.png"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "frequencies        12" in done.stdout


def test_a_file_is_fitted_to_a_target(picture: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.tnr"
    fitted = run("fit", picture, "-o", small, "--effort", "fast", "--steps", 8, "--target", "bytes=500")
    assert fitted.exit_code == 0
    assert all(" left" in line for line in fitted.stderr.splitlines()), "nothing but how far it is"
    assert small.stat().st_size <= 500
    assert "The target of 500 bytes was met" in fitted.stdout


@pytest.mark.parametrize("target", ["bytes", "bytes=x", "size=5", "bytes=0", "psnr=nan"])
def test_a_target_that_is_none_is_one_line(picture: Path, tmp_path: Path, target: str) -> None:
    refused = run("fit", picture, "-o", tmp_path / "small.tnr", "--target", target)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("tuner: the target")


def test_a_missed_target_ends_with_a_code_of_its_own(picture: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.tnr"
    missed = run("fit", picture, "-o", small, "--effort", "fast", "--steps", 2, "--target", "max_error=0.0001")
    assert missed.exit_code == 3
    assert small.exists()
    assert "was missed" in missed.stdout


def test_what_there_is_one_of_is_told_as_one(picture: Path, tmp_path: Path) -> None:
    told = run("fit", picture, "-o", tmp_path / "a.tnr", "--effort", "fast", "--target", "psnr=25", "--steps", 2).stdout
    assert "\n1 step in 0 s. The target of 25 dB PSNR was met" in told
    assert told.endswith("; 1 step.\n")
    whole = run("fit", picture, "-o", tmp_path / "b.tnr", "--effort", "fast", "--tiles", 64, "--steps", 2).stdout
    assert ", 1 tile\n" in whole
    assert " bytes in 1 tile.\n" in whole


def test_a_file_that_is_larger_than_what_came_is_said_to_be(picture: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.tnr"
    source = tmp_path / "source.jpg"
    with Image.open(picture) as shown:
        shown.save(source, quality=5)
    size = source.stat().st_size
    larger = run("fit", source, "-o", small, "--effort", "fast", "--steps", 2, "--target", "psnr=55")
    assert small.stat().st_size > size
    assert larger.stdout.splitlines()[-1] == f"It is larger than {source} itself, which has {size} bytes."
    smaller = run("fit", source, "-o", small, "--effort", "fast", "--steps", 2, "--target", f"bytes={size}")
    assert "It is larger" not in smaller.stdout
    for difference, lines in ((1, 2), (0, 1)):
        result = SimpleNamespace(bytes=size + difference, bits_per_sample=None, psnr_db=30.0)
        ended = SimpleNamespace(id="fit_1", status="succeeded", result=result)
        with patch("tuner_client.Client"), patch("tuner_client.cli._watch", return_value=ended):
            said = run("submit", source, "--wait").stdout.splitlines()
        assert len(said) == lines
        assert (f"It is larger than {source} itself, which has {size} bytes." in said) is (difference > 0)


def test_a_source_that_is_gone_when_its_file_is_there_is_no_failure(picture: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "source.png", tmp_path / "made.tnr"

    def moved_away(fitted: object) -> object:
        def fit(*_: object, **__: object) -> object:
            source.unlink()
            return fitted

        shutil.copy(picture, source)
        return fit

    made = represent(picture, effort="fast", max_steps=2)
    with patch("tuner.cli.represent", moved_away(made)):
        told = run("fit", source, "-o", output)
    assert (told.exit_code, told.stderr) == (0, "")
    result = SimpleNamespace(bytes=10, bits_per_sample=None, psnr_db=30.0)
    ended = SimpleNamespace(id="fit_1", status="succeeded", result=result)
    with patch("tuner_client.Client") as client, patch("tuner_client.cli._watch", moved_away(ended)):
        told = run("submit", source, "-o", tmp_path / "fetched.tnr")
    assert (told.exit_code, told.stderr) == (0, "")
    client().__enter__().download.assert_called_once()


def test_the_input_is_never_overwritten(picture: Path, file: Path) -> None:
    for arguments in (("fit", picture, "-o", picture), ("decode", file, "-o", file)):
        before = Path(arguments[1]).read_bytes()
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert "is the input itself" in refused.stderr
        assert Path(arguments[1]).read_bytes() == before


def test_what_a_file_says_does_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "file.tnr"
    path.write_bytes(encode(replace(random_representation(), report={"trainer": "\x1b[2Jadam\x07"})))
    shown = run("info", path).stdout
    assert "trainer \\x1b[2Jadam\\x07" in shown
    assert "\x1b" not in shown
