"""What somebody gets who installs the library: the wheel alone, in an environment of its own, without torch.

The wheel is built from the files that git knows, as from a clean clone. The new environment sees the wheel and the
libraries that its metadata asks for, linked from where these tests run, and nothing else of what is installed here.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environments import ROOT, Installed, build, clean_copy, new_environment
from tuner.codec.decode import decode

GOLDEN = sorted((ROOT / "tests" / "golden").glob("v*/*.tnr"))
SERVICE = ("api", "migrations", "service", "standalone", "store", "worker")

PROGRAM = """\
from pathlib import Path
from tuner import decode, write_image
Path("out.png").write_bytes(write_image(decode(Path("colour.tnr").read_bytes()).render(scale=2)))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the library."""
    return build("wheel", clean_copy(tmp_path_factory.mktemp("clone")), tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone, in a new environment."""
    needs = zipfile.ZipFile(wheel).read(f"{wheel.name.rpartition('-py3')[0]}.dist-info/METADATA").decode()
    direct = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.*)$", needs, re.MULTILINE)]
    libraries = [need.name for need in direct if need.marker is None]
    return new_environment(tmp_path_factory.mktemp("environment") / "venv", wheel, libraries=libraries)


REGIMES = """\
import contextlib, io, json, sys
from pathlib import Path
from tuner.cli import app
def run(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        app(["experiment", *arguments], standalone_mode=False)
    return Path(out.getvalue().strip().splitlines()[-1])
folders = {}
for name in ("train_siren", "train_mrnet", "train_bound", "train_tanh", "train_mrnet_learn_bounds"):
    folder = run(name, "--size", "16", "--steps", "3")
    folders[name] = sorted(path.name for path in folder.iterdir())
    again = run(str(folder / "config.yaml"), "-o", "again")
    assert (folder / "weights.safetensors").read_bytes() == (again / "weights.safetensors").read_bytes(), name
print(json.dumps(folders))
"""


@pytest.mark.long
def test_the_five_regimes_run_as_installed_without_a_copied_file(wheel: Path, tmp_path: Path) -> None:
    libraries = ["numpy", "pillow", "rich", "typer", "wasmtime", "constriction", "google-crc32c"]
    libraries += ["torch", "safetensors", "jaxtyping", "matplotlib", "pyyaml"]
    environment = new_environment(tmp_path / "venv", wheel, libraries=libraries)
    (tmp_path / "here").mkdir()
    folders = json.loads(environment.program(REGIMES, tmp_path / "here").splitlines()[-1])
    assert len(folders) == 5
    for names in folders.values():
        assert {"config.yaml", "prediction.png", "weights.safetensors", "summary.json", "curves.png"} <= set(names)
        assert {"zoom_6x.png", "spectrum_prediction.png", "chosen_frequencies.csv", "gradient_magnitude.png"} <= set(
            names
        )


def test_experiments_say_what_they_miss(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(installed.folder / "bin" / "tuner", "experiment", "train_siren", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'tuner-neural[experiment]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_holds_the_library_and_its_client_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"tuner", "tuner_client"}
    needed = {"tuner/py.typed", "tuner_client/py.typed", "tuner/codec/FORMAT.md", "tuner/codec/tnr.magic"}
    assert needed <= set(names)
    assert any(name.startswith("tuner/experiment/configs/") for name in names)
    modules = {path.relative_to(ROOT / "web").as_posix() for path in (ROOT / "web").glob("**/*.js")}
    assert {f"tuner/web/{module}" for module in modules} <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_its_metadata_offer_no_extra_of_the_service(wheel: Path) -> None:
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("METADATA"))
    text = zipfile.ZipFile(wheel).read(name).decode()
    assert "\nName: tuner-neural\n" in text
    assert "\nLicense-Expression: MIT\n" in text
    assert "\nClassifier: Typing :: Typed\n" in text
    extras = set(re.findall(r"^Provides-Extra: (.*)$", text, re.MULTILINE))
    assert not extras & {"api", "bench", "dev", "fuzz", "standalone", "store", "worker"}
    assert {"client", "export", "fit", "signals"} <= extras


def test_extras_that_messages_name_exist() -> None:
    """Every `pip install '…[extra]'` in the code and the documentation."""
    projects = [tomllib.loads((ROOT / path).read_text()) for path in ("pyproject.toml", "service/pyproject.toml")]
    extras = {one["project"]["name"]: set(one["project"]["optional-dependencies"]) for one in projects}
    extras["./service"] = extras["tuner-service"]
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "Makefile", *ROOT.glob("*/Dockerfile")]
    texts += [path for package in ("tuner", "tuner_client", *SERVICE) for path in (ROOT / package).rglob("*.py")]
    asked = {
        found
        for path in texts
        for found in re.findall(r"'(tuner[\w-]*|\./service|\.)\[([\w,]+)\]'", path.read_text(encoding="utf-8"))
    }
    assert asked
    for project, wanted in asked:
        assert project in extras, f"{project}[{wanted}] names no distribution of ours"
        assert set(wanted.split(",")) <= extras[project], f"{project}[{wanted}]"


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = build("sdist", clean_copy(tmp_path / "clone"), tmp_path / "dist")
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", source, tmp_path / "again")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(wheel).namelist()


def test_the_service_cannot_be_spread_over_site_packages(tmp_path: Path) -> None:
    source = clean_copy(tmp_path) / "service"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Unable to determine which files to ship" in done.stderr


def test_golden_files_decode_there(installed: Installed, tmp_path: Path) -> None:
    code = (
        "import hashlib, json, sys, tuner; from pathlib import Path\n"
        f"paths = [Path(path) for path in {list(map(str, GOLDEN))!r}]\n"
        "values = [tuner.decode(path.read_bytes()).render().values.tobytes() for path in paths]\n"
        "print(json.dumps([hashlib.sha256(one).hexdigest() for one in values]))\n"
        "assert 'site-packages' in tuner.__file__, tuner.__file__\n"
    )
    expected = [hashlib.sha256(decode(path.read_bytes()).render().values.tobytes()).hexdigest() for path in GOLDEN]
    assert GOLDEN
    assert json.loads(installed.program(code, tmp_path)) == expected


def test_a_page_is_written_there(installed: Installed, tmp_path: Path) -> None:
    shutil.copy2(ROOT / "tests" / "golden" / "v1-core" / "colour.tnr", tmp_path)
    done = installed.run(installed.folder / "bin" / "tuner", "view", "colour.tnr", "-o", "colour.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "colour.html").read_text(encoding="utf-8").endswith("</html>\n")


def test_torch_and_the_service_are_not_there(installed: Installed, tmp_path: Path) -> None:
    """Or the other tests of this page would prove nothing."""
    for name in ("torch", *SERVICE):
        done = installed.run(installed.python, "-c", f"import {name}", cwd=tmp_path)
        assert f"No module named '{name}'" in done.stderr


def test_importing_it_imports_nothing_heavy(installed: Installed, tmp_path: Path) -> None:
    loaded = installed.program("import tuner, sys; print(*sys.modules)", tmp_path).split()
    ours = {name for name in loaded if name.partition(".")[0] in ("tuner", "tuner_client")}
    assert ours == {"tuner", "tuner.lazy"}
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"tuner"}
    assert not {name for name in foreign if not name.startswith("_")}


def test_the_command_says_which_release_it_is(installed: Installed, wheel: Path, tmp_path: Path) -> None:
    version = wheel.name.split("-")[1]
    done = installed.run(installed.folder / "bin" / "tuner", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"tuner {version}\n"), done.stderr
    assert installed.program("import tuner; print(tuner.__version__)", tmp_path) == f"{version}\n"
    assert sorted(path.name for path in (installed.folder / "bin").glob("tuner*")) == ["tuner"]


def test_a_program_of_three_lines_runs_and_has_types(installed: Installed, tmp_path: Path) -> None:
    shutil.copy2(next(path for path in GOLDEN if path.name == "colour.tnr"), tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    assert len(PROGRAM.splitlines()) == 3
    done = installed.run(installed.python, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "wrong.py").write_text("from tuner import decode\ndecode(3)\n")
    mypy: list[str | Path] = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        installed.python,
        "--cache-dir=cache",
    ]
    done = installed.run(*mypy, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    done = installed.run(*mypy, "wrong.py", cwd=tmp_path)
    assert 'Argument 1 to "decode" has incompatible type "int"' in done.stdout
