"""Environments of their own: a copy of what a clone would hold, built and installed, with chosen libraries visible."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it requires."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def run(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A command of this environment, far from the checkout and its import path."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TUNER"))}
        return subprocess.run(arguments, cwd=cwd, env=bare, capture_output=True, text=True, check=False)

    def program(self, code: str, cwd: Path) -> str:
        """What a program prints there."""
        done = self.run(self.python, "-c", code, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout


def clean_copy(folder: Path) -> Path:
    """The files that git knows, as they are now: what a clone would hold once they are committed."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, known.split("\0")):
        if (ROOT / name).exists() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(kind: str, source: Path, out: Path) -> Path:
    """A distribution, made with the pinned build backend of this environment, so that no index is asked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


def new_environment(folder: Path, *install: str | Path, libraries: Iterable[str] = ()) -> Installed:
    """An environment with what pip is told to install, and with libraries of this one and all that they need.

    Args:
        folder: where to make it.
        install: arguments of `pip install`, beside those that keep it from asking an index.
        libraries: names of distributions that are installed here.
    """
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    seen: set[str] = set()
    for library in libraries:
        for name in (library, *required(library, seen)):
            link(name, site)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*pip, "install", *options, *install], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Installed(folder)


def required(name: str, seen: set[str]) -> Iterator[str]:
    """Distributions that one needs without extras, and those that they need."""
    for line in metadata.requires(name) or ():
        need = Requirement(line)
        key = need.name.lower()
        if key not in seen and (need.marker is None or need.marker.evaluate({"extra": ""})):
            seen.add(key)
            yield need.name
            yield from required(need.name, seen)


def link(name: str, site: Path) -> None:
    """Make an installed distribution visible in another folder."""
    files = metadata.files(name)
    assert files, f"{name} does not say which files it has"
    for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(files[0].locate())).parents[len(files[0].parts) - 1] / top)
