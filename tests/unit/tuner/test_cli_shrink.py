"""`tuner shrink` makes a file of wavelets from a picture."""

from pathlib import Path

from typer.testing import CliRunner

from tests.unit.tuner.fit.wavelets.cases import picture
from tuner.cli import app
from tuner.codec.decode import load
from tuner.signal.image import write_image


def test_the_command_shrinks_a_picture(tmp_path: Path) -> None:
    source, output = tmp_path / "x.png", tmp_path / "x.tnr"
    source.write_bytes(write_image(picture((40, 40))))
    result = CliRunner().invoke(
        app, ["shrink", str(source), "-o", str(output), "--bits-per-sample", "4", "--steps", "6"]
    )
    assert result.exit_code == 0, result.output
    assert f"{output.stat().st_size} bytes" in result.output.replace("\n", "")
    assert load(output).grid_shape == (40, 40)
    missing = CliRunner().invoke(app, ["shrink", str(tmp_path / "no.png"), "-o", str(output)])
    assert missing.exit_code == 1
