"""Of the base of an image stays what Python and the wheels need, and Debian's list of packages says so."""

import ssl
import sys
from pathlib import Path

import pytest

from deploy.bare import KEPT, leave_out, linked

_FILES = {
    "libc6:amd64": ["usr/lib/libc.so.6"],
    "libssl3": ["usr/lib/libssl.so.3"],
    "libssl3-old": ["usr/lib/libssl.so.3", "usr/lib/libssl.so.2"],
    "python3.13": ["usr/lib/python3.13/abc.py"],
    "base-files": ["etc/os-release"],
    "apt": ["usr/bin/apt", "etc/apt.conf"],
    "dash": ["usr/bin/dash", "usr/bin/sh"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small file system, in which /lib is /usr/lib."""
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for package, files in _FILES.items():
        for number, file in enumerate(files):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            if package == "dash" and number:
                (tmp_path / file).symlink_to("dash")
            else:
                (tmp_path / file).touch()
        lines = [f"/{file.removeprefix('usr/') if package == 'libc6:amd64' else file}" for file in files]
        (info / f"{package}.list").write_text("\n".join(["/.", "/usr", *lines, ""]))
        (info / f"{package}.md5sums").touch()
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/lib/python3.13/ensurepip").mkdir()
    entries = [f"Package: {package.partition(':')[0]}\nStatus: install ok installed" for package in _FILES]
    (tmp_path / "var/lib/dpkg/status").write_text("\n\n".join(entries) + "\n\n")
    return tmp_path


def test_what_is_needed_stays_and_the_list_says_so(root: Path) -> None:
    leave_out(root, [root / "lib/libc.so.6", root / "usr/lib/libssl.so.3"], root / "usr/lib/python3.13")
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() or path.is_symlink()}
    packages = {"libc6:amd64", "libssl3", "libssl3-old", "python3.13", "base-files"}
    listed = {f"var/lib/dpkg/info/{name}.{end}" for name in packages for end in ("list", "md5sums")}
    assert left == {"lib", "var/lib/dpkg/status", *listed, *(file for name in packages for file in _FILES[name])}
    status = (root / "var/lib/dpkg/status").read_text()
    assert {line for line in status.splitlines() if line.startswith("Package")} == {
        f"Package: {name.partition(':')[0]}" for name in packages
    }
    assert not (root / "usr/lib/python3.13/ensurepip").exists()


def test_a_file_of_two_packages_stays_while_one_of_them_does(root: Path) -> None:
    (root / "usr/lib/libssl.so.1").touch()
    (root / "var/lib/dpkg/info/libssl3.list").write_text("/usr/lib/libssl.so.3\n/usr/lib/libssl.so.1\n")
    leave_out(root, [root / "usr/lib/libssl.so.2"], root / "usr/lib/python3.13")
    assert {path.name for path in (root / "usr/lib").glob("libssl*")} == {"libssl.so.2", "libssl.so.3"}


def test_libraries_are_found_that_the_loader_finds() -> None:
    python = Path(sys.executable).resolve()
    assert any(path.name.startswith("libc.so") for path in linked([python]))
    assert all(path.is_file() for path in linked([python, Path(ssl.__file__)]))


def test_what_no_library_leads_to_is_said() -> None:
    assert {"ca-certificates", "openssl", "tzdata"} <= set(KEPT)
