"""The service as `make` and the images install it: in place, from a checkout, with `tunerd` on the path."""

from pathlib import Path

import pytest

from tests.packaging.environments import Installed, clean_copy, new_environment

PACKAGES = ("api", "migrations", "standalone", "store", "tuner", "tuner_client", "worker")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone."""
    return clean_copy(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def installed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """It, installed in place in an environment that has typer and nothing else: no extra at all."""
    arguments = ("-e", checkout, "-e", checkout / "service")
    folder = tmp_path_factory.mktemp("environment") / "venv"
    return new_environment(folder, *arguments, libraries=("hatchling", "typer"))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_comes_from_the_checkout_wherever_one_stands(
    installed: Installed, checkout: Path, tmp_path: Path, package: str
) -> None:
    found = installed.program(f"import {package}; print({package}.__file__)", tmp_path)
    assert Path(found.strip()).is_relative_to(checkout)


def test_both_commands_are_there(installed: Installed) -> None:
    assert sorted(path.name for path in (installed.folder / "bin").glob("tuner*")) == ["tuner", "tunerd"]


@pytest.mark.parametrize(
    "command", [("bin/tunerd", "up"), ("bin/tunerd", "--help"), ("bin/python", "-m", "standalone")]
)
def test_without_its_libraries_tunerd_says_in_one_line_what_to_install(
    installed: Installed, tmp_path: Path, command: tuple[str, ...]
) -> None:
    program, *arguments = command
    done = installed.run(installed.folder / program, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    library, _, advice = line.removeprefix("tunerd: ").partition(" is missing: ")
    assert library in {"platformdirs", "psutil", "psycopg"}
    assert advice == (
        "install the extra `standalone` in the checkout, pip install -c constraints.txt -e . -e './service[standalone]'"
    )
