"""The commands and examples of docs/signals/ work as printed, and every page has its picture."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.signals import SIGNALS, octahedron_obj
from tuner.cli import MISSED, app
from tuner.signal.formats import encode_signal

PAGES = sorted((Path(__file__).parents[2] / "docs" / "signals").glob("*.md"))
LONG = {"sdf", "video", "volume"}
FILES = {
    "photo.png": "image",
    "sound.wav": "sound",
    "scan.nii.gz": "volume",
    "clip.mp4": "video",
    "heights.npy": "array",
}


@pytest.fixture(autouse=True)
def _files_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, signal in FILES.items():
        (tmp_path / name).write_bytes(encode_signal(SIGNALS[signal], name))
    (tmp_path / "knot.obj").write_bytes(octahedron_obj())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem, marks=[pytest.mark.long] * (page.stem in LONG)) for page in PAGES]
)
def test_a_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = [shlex.split(line)[1:] for line in re.findall(r"^tuner .*$", text, re.MULTILINE)]
    assert {command[0] for command in commands} == {"fit", "decode"}
    for command in commands:
        quick = {"--steps": "1", "--resolution": "12"} if command[0] == "fit" else {}
        for option in quick.keys() & set(command):  # each counts once
            command[command.index(option) + 1] = quick.pop(option)
        result = CliRunner().invoke(app, [*command, *(word for option in quick.items() for word in option)])
        assert result.exit_code in {0, MISSED}, result.output  # one step meets no quality
        assert Path(command[command.index("-o") + 1]).stat().st_size
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, {})
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", text)
    assert 0 < (page.parent / picture).stat().st_size < 60_000


def test_there_is_a_page_for_every_kind() -> None:
    assert [page.stem for page in PAGES] == ["array", "audio", "image", "sdf", "video", "volume"]
