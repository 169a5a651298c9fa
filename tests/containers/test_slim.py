"""What is left out of an image is what no process of it imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.slim import IMPORTED, KEPT, compile_what_is_imported, leave_out

_LOADED = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def test_parts_that_nobody_imports_are_left_out(tmp_path: Path) -> None:
    for part in ("scipy/stats", "scipy/spatial", "skimage/filters", "skimage/measure", "numpy/random"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "__init__.py").touch()
    leave_out(tmp_path)
    left = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("*/*/__init__.py")}
    assert left == {"scipy/spatial", "skimage/measure", "numpy/random"}


@pytest.mark.parametrize("package", KEPT)
def test_no_part_is_left_out_that_is_loaded(package: str) -> None:
    names = [name for name in IMPORTED if name.startswith(("scipy", "skimage", "trimesh"))]
    asked = [sys.executable, "-c", _LOADED, json.dumps(names)]
    loaded = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    spec = sys.modules.get(package) or __import__(package)
    folder = Path(str(spec.__file__)).parent
    parts = {name.split(".")[1] for name in loaded if name.startswith(f"{package}.")}
    assert {part for part in parts if (folder / part).is_dir()} <= {*KEPT[package]}


def test_too_much_left_out_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.slim.IMPORTED", ("no_such_package",))
    compile_what_is_imported()
    monkeypatch.setattr("deploy.slim.IMPORTED", ("tuner.no_such_part",))
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):
        compile_what_is_imported()
