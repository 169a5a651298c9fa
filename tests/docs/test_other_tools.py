"""The examples of docs/other-tools.md run as printed."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.golden import __file__ as golden

ROOT = Path(__file__).parents[2]
FILES = {"photo": "v1/colour", "clip": "v1-kinds/video", "scan": "v1-kinds/volume", "sound": "v1-kinds/sound"}


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, source in FILES.items():
        shutil.copy2(Path(golden).parent / f"{source}.tnr", tmp_path / f"{name}.tnr")
    Image.linear_gradient("L").resize((24, 16)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "other-tools.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    assert capsys.readouterr().out.splitlines()[:2] == ["(32, 48) RGB", "(16, 20, 3) int16 volume"]
    assert {"small.png", "again.tnr", "heat.zarr", "heat2.zarr"} <= {path.name for path in tmp_path.iterdir()}
