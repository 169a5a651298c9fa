"""Leave out of the base of an image what no process runs: `python -m deploy.bare FOLDER...`, in a stage of its own.

What remains are Python, the libraries that it and the folders link, certificates and time zones: no shell, nothing
that installs, nothing that runs as root for others. Debian's list of packages stays true, for who scans an image. The
folders are removed at the end, since they are layers of their own and no other program is left to do it.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

# Packages of Debian that no library leads to. `libc-bin` has the locale C.UTF-8, `openssl` the way to the certificates.
KEPT = ("base-files", "ca-certificates", "libc-bin", "netbase", "openssl", "tzdata")
# Parts of Python for people at a terminal, in the standard library or installed with it.
PARTS = ("ensurepip", "idlelib", "pydoc_data", "site-packages/pip", "test", "tkinter", "turtledemo")
_FOLDERS = ("var/cache/apt", "var/lib/apt", "var/log", "usr/local/include", "usr/local/share/man")


def files_of_packages(root: Path) -> dict[str, list[Path]]:
    """Where the files of each package of Debian are, without folders.

    Args:
        root: folder that is the root of the file system of the image.
    """
    packages: dict[str, list[Path]] = {}
    for listing in (root / "var/lib/dpkg/info").glob("*.list"):
        paths = [root / line.lstrip("/") for line in listing.read_text(encoding="utf-8").splitlines()]
        files = [path for path in paths if path.is_symlink() or path.is_file()]
        packages.setdefault(listing.stem.partition(":")[0], []).extend(files)
    return packages


def leave_out(root: Path, needed: Iterable[Path], library: Path) -> None:
    """Remove the packages of Debian of which nothing is needed, and the parts of Python that nobody imports.

    Args:
        root: folder that is the root of the file system of the image, which is changed.
        needed: files that have to stay, and with them the packages that they are from.
        library: folder of Python's standard library, which stays whole but for `PARTS`.
    """
    whole = {path.resolve() for path in needed}
    packages = files_of_packages(root)
    kept = {
        name
        for name, files in packages.items()
        if name in KEPT or any(library in file.parents or file.resolve() in whole for file in files)
    }
    stay = {_place(file) for name in kept for file in packages[name]}
    for name in packages.keys() - kept:
        for file in packages[name]:
            if _place(file) not in stay:
                file.unlink(missing_ok=True)
        for entry in (root / "var/lib/dpkg/info").glob(f"{name}[.:]*"):
            entry.unlink()
    status = root / "var/lib/dpkg/status"
    entries = status.read_text(encoding="utf-8").split("\n\n")
    status.write_text("\n\n".join(entry for entry in entries if _name(entry) in kept) + "\n\n", encoding="utf-8")
    for folder in [*(root / name for name in _FOLDERS), *(library / part for part in PARTS)]:
        shutil.rmtree(folder, ignore_errors=True)


def linked(files: Iterable[Path]) -> set[Path]:
    """All libraries that the loader opens for some programs and shared libraries.

    Args:
        files: programs and shared libraries of this machine's kind.
    """
    # It fails where one of them links nothing.
    listed = subprocess.run(["/usr/bin/ldd", *files], capture_output=True, text=True, check=False).stdout
    return {
        Path(word) for line in listed.splitlines() for word in line.split() if word.startswith("/") and ":" not in word
    }


def _place(file: Path) -> Path:
    """Where a file is, though its folder has two names, such as /lib and /usr/lib."""
    return file.parent.resolve() / file.name


def _name(entry: str) -> str:
    return entry.partition("\n")[0].removeprefix("Package: ")


if __name__ == "__main__":
    standard, folders = Path(sysconfig.get_path("stdlib")), [Path(argument) for argument in sys.argv[1:]]
    python = Path(sys.executable).resolve()
    modules = (file for folder in (standard, *folders) for file in folder.rglob("*.so*") if file.is_file())
    leave_out(Path("/"), {python, *linked([python, *modules])}, standard)
    for each in folders:
        shutil.rmtree(each)
