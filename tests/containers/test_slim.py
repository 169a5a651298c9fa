"""What is left out of an image is what no process of it imports."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import PIL
import pytest

from deploy.slim import (
    EXTENSIONS,
    IMPORTED,
    KEPT,
    LANGUAGES,
    UNUSED,
    compile_what_is_imported,
    leave_out,
    leave_out_libraries,
    linked_by,
)
from tests.containers.kinds import ROUND_TRIP, as_input, files
from tuner.signal.formats import FORMATS, format_of

# Imports what processes import, as if some modules were not installed.
_HIDE = """
import importlib, json, sys
hidden, *imported = json.loads(sys.argv[1])
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
sys.meta_path.insert(0, Missing())
for name in imported:
    importlib.import_module(name)
"""
_TRACEBACK = """
import pygments
from rich.console import Console
print(pygments.__file__)
try:
    1 / 0
except ZeroDivisionError:
    Console(force_terminal=True, width=100).print_exception()
"""
# Names the modules of imagecodecs that tifffile's decoders are in.
_CODECS = """
import sys
from tifffile import COMPRESSION, PREDICTOR, TIFF
for table, numbers in ((TIFF.DECOMPRESSORS, COMPRESSION), (TIFF.UNPREDICTORS, PREDICTOR)):
    for number in numbers:
        try:
            table[number]
        except KeyError:  # not decoded by anybody
            pass
print(*(name.partition(".")[2] for name in sys.modules if name.startswith("imagecodecs.")))
"""


def test_parts_that_nobody_imports_are_left_out(tmp_path: Path) -> None:
    for part in (
        "scipy/stats",
        "scipy/spatial",
        "skimage/filters",
        "skimage/measure",
        "numpy/random",
        "networkx/utils",
    ):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "__init__.py").touch()
    leave_out(tmp_path)
    left = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("*/*/__init__.py")}
    assert left == {"scipy/spatial", "skimage/measure", "numpy/random"}


def test_a_traceback_is_still_coloured(tmp_path: Path) -> None:
    """Of the languages that can be coloured the other ones are left out."""
    lexers = tmp_path / "pygments" / "lexers"
    shutil.copytree(Path(PIL.__file__).parents[1] / "pygments", lexers.parent)
    leave_out(tmp_path)
    assert sorted(path.stem for path in lexers.glob("*.py")) == sorted(LANGUAGES)
    program = tmp_path / "program.py"
    program.write_text(_TRACEBACK)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=True)
    where, shown = done.stdout.split("\n", 1)
    assert Path(where) == lexers.parent / "__init__.py"
    assert "\x1b[" in shown.partition("ZeroDivisionError")[0]


def test_libraries_go_with_the_last_module_that_needs_them(tmp_path: Path) -> None:
    """Of Pillow: AVIF goes, and whatever JPEG and WebP link stays."""
    site = Path(PIL.__file__).parents[1]
    for folder in ("PIL", "pillow.libs"):
        shutil.copytree(site / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py*"))
    libraries = {path.name for path in tmp_path.glob("pillow.libs/*")}
    assert any(name.startswith("libavif") for name in libraries)
    leave_out_libraries(tmp_path)
    assert {path.name for path in tmp_path.glob("pillow.libs/*")} == libraries
    leave_out(tmp_path)
    left = {path.name for path in tmp_path.glob("pillow.libs/*")}
    assert not any(name.startswith(("libavif", "libharfbuzz")) for name in left)
    linked = set().union(*map(linked_by, tmp_path.rglob("*.so*")))
    assert libraries & linked == left
    assert any(name.startswith("libjpeg") for name in left)


def test_every_codec_stays_that_tiffs_are_decoded_by() -> None:
    done = subprocess.run([sys.executable, "-c", _CODECS], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "_jpeg2k" in loaded
    assert loaded <= {*EXTENSIONS["imagecodecs"], "imagecodecs"}


def test_files_of_every_format_are_read_and_written_without_what_is_left_out() -> None:
    """In an image these modules are not there; here they are hidden."""
    site = Path(PIL.__file__).parents[1]
    hidden = [*UNUSED]
    for package, kept in KEPT.items():
        parts = (path.name for path in (site / package).iterdir() if path.is_dir())
        hidden += [f"{package}.{part}" for part in parts if part not in kept]
    for package, kept in EXTENSIONS.items():
        names = (path.name.partition(".")[0] for path in (site / package).glob("*.so"))
        hidden += [f"{package}.{name}" for name in names if name not in kept]
    lexers = (path.stem for path in (site / "pygments" / "lexers").glob("*.py"))
    hidden += [f"pygments.lexers.{name}" for name in lexers if name not in LANGUAGES]
    assert {"networkx", "scipy.optimize", "imagecodecs._avif", "PIL._avif", "pygments.lexers.c_cpp"} <= set(hidden)
    program = _HIDE + ROUND_TRIP
    asked = [sys.executable, "-c", program, json.dumps([hidden, *IMPORTED])]
    done = subprocess.run(asked, input=as_input(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {name for name, _ in files()}


def test_there_is_a_file_of_every_format() -> None:
    names = {format_of(content).name for _, content in files()}
    assert names == {known.name for known in FORMATS} - {"mov"}  # an MP4 of before 2001: the same reader


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux tells how a process is scheduled")
def test_files_are_made_without_a_priority_that_processes_inherit() -> None:
    before = os.sched_getscheduler(0)
    assert list(files())
    assert os.sched_getscheduler(0) == before != os.SCHED_FIFO


def test_too_much_left_out_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.slim.IMPORTED", ("no_such_package",))
    compile_what_is_imported()
    monkeypatch.setattr("deploy.slim.IMPORTED", ("tuner.no_such_part",))
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):
        compile_what_is_imported()
