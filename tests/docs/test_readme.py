"""What the README shows works as printed."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from standalone.stack import stack
from tests.engines import throwaway_home
from tests.factories import picture_png
from tuner.cli import app
from tuner.codec.decode import load

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(autouse=True)
def _photo_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(picture_png())
    monkeypatch.chdir(tmp_path)


def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert "representation" in names


def test_the_commands_of_the_library_run() -> None:
    # Of 32 x 32 nobody makes a file with 0.3 bits a sample.
    Image.fromarray(data.astronaut()[16:112, 176:272]).save("photo.png")
    commands = [shlex.split(line)[1:] for line in re.findall(r"^tuner (?!submit).*$", README, re.MULTILINE)]
    assert [command[0] for command in commands] == ["fit", "info", "decode", "fit", "export"]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_for_the_service_run(tmp_path: Path) -> None:
    """As printed, against the whole service; only the address is another, because that port may be taken."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "".join(block for block in blocks if "$SERVER" in block)
    assert lines.count("curl") > 8
    with throwaway_home() as home, stack(home) as running:
        printed = "SERVER=http://127.0.0.1:8000\n"
        assert printed in lines
        script = lines.replace(printed, f"SERVER={running.api_url}\n")
        # The command, wherever this Python has it.
        script = f"set -eu\ntuner() {{ '{sys.executable}' -m tuner.cli \"$@\"; }}\n{script}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "event: succeeded" in done.stdout
    assert '"status":"succeeded"' in done.stdout
    assert '"weights"' in done.stdout
    assert "/problems/" not in done.stdout
    assert load(tmp_path / "photo.tnr").grid_shape == (24, 40)
    with Image.open(tmp_path / "part.png") as part:
        assert part.size == (64, 48)
