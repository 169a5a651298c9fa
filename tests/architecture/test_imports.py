"""Who imports whom: the contracts of pyproject.toml, and the absence of torch where it has no business."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.schemas import representations
from api.services import fit_memory
from api.settings import ApiSettings
from tuner.codec import encode
from tuner.signal.kind import SignalKind
from tuner.signal.large_picture import LARGE_LIMITS
from tuner.signal.limits import STORED_LIMITS
from tuner.targets.wavelets.choice import most_values

ROOT = Path(__file__).parents[2]


def test_the_import_contracts_hold() -> None:
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "module",
    [
        "api.main",
        "store.queue",
        "worker.render",
        "worker.upkeep",
        "store.repositories.fits",
        "tuner",
        "tuner.codec.decode",
        "tuner.signal.inspect",
    ],
)
def test_no_torch_behind(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("module", ["api.main", "worker.upkeep"])
def test_api_and_upkeep_know_no_library(module: str) -> None:
    program = (
        f"import sys, {module}; sys.exit(any(name.partition('.')[0] in ('tuner', 'numpy') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_what_the_api_repeats_of_the_library_agrees_with_it() -> None:
    """The price of the rule above: a few facts stand twice, and this holds them together."""
    assert (representations.MEDIA_TYPE, representations.EXTENSION) == (encode.MEDIA_TYPE, encode.EXTENSION)
    assert ApiSettings.model_fields["max_pixels"].default <= LARGE_LIMITS.max_pixels
    assert ApiSettings.model_fields["max_points"].default <= STORED_LIMITS.points
    assert most_values(SignalKind.IMAGE) == fit_memory.MOST_PICTURE_VALUES


def test_the_command_line_starts_without_http() -> None:
    program = "import sys, tuner.cli; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_nobody_repeats_what_imports_say() -> None:
    """Lines that named a module's callers disagreed with the imports as often as not."""
    folders = ("api", "benchmarks", "migrations", "standalone", "store", "tuner", "tuner_client", "worker")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 200
    named = [
        str(path.relative_to(ROOT))
        for path in sources
        if re.search(r"\bCalled\s+by\b", path.read_text(encoding="utf-8"))
    ]
    assert not named, f"say what it is for instead of who calls it: {', '.join(named)}"


def test_kinds_of_networks_are_told_apart_by_tables_and_in_the_writer_of_files() -> None:
    """A test of the kind in the middle of a function is where a third kind would be forgotten."""
    asking = re.compile(r"isinstance\([^)]*\b(Sine|Windowed|Wavelet)Parameters\b")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("api", "store", "tuner", "tuner_client", "worker")
        for path in (ROOT / folder).rglob("*.py")
        if asking.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"tuner/codec/encode.py"}
