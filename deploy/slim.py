"""Leave out of an image what no process of it reads: `python -m deploy.slim`, run by the interpreter of the image.

Wheels carry their own tests, sample pictures, descriptions of all of Amazon's services, codecs of formats that are not
read, and symbols for debuggers. And modules are compiled only where one of our processes imports them: the others cost
as much room again, for nothing. `make containers` sends a file of each format through what is left.
"""

import importlib.util
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

# What processes import of others, at their start or for the first file of its kind.
IMPORTED = (
    "alembic.command", "av", "boto3", "botocore.auth", "botocore.handlers", "botocore.httpsession", "botocore.paginate",
    "botocore.signers", "botocore.waiter", "celery.bin.celery", "celery.bin.worker", "celery.concurrency.prefork",
    "celery.concurrency.solo", "celery.fixups.django", "celery.worker", "constriction", "fastapi", "fastapi_offline",
    "google_crc32c", "imagecodecs", "jaxtyping", "kombu.transport.redis", "nibabel", "numpy", "obstore.store",
    "PIL.Image", "PIL.ImageOps", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "PIL.WebPImagePlugin",
    "PIL.TiffImagePlugin", "psycopg", "psycopg_binary", "pydantic_settings", "python_multipart", "redis.asyncio",
    "rich.progress", "rich.table", "safetensors.torch", "scipy.ndimage", "scipy.sparse.csgraph", "scipy.spatial",
    "skimage.measure", "soundfile", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.orm", "tifffile", "torch",
    "trimesh", "typer", "uvicorn.loops.auto", "uvicorn.main", "uvicorn.protocols.http.h11_impl", "wasmtime",
)  # fmt: skip
# Meshes need trees, graphs and labels of SciPy and marching cubes of scikit-image: these parts, and what they import.
KEPT = {
    "scipy": ("_external", "_lib", "constants", "fft", "linalg", "ndimage", "sparse", "spatial", "special"),
    "skimage": ("_shared", "_vendored", "data", "measure", "util"),
}
# Extension modules that decode what is read: of imagecodecs, what tifffile asks for.
EXTENSIONS = {
    "imagecodecs": (
        "_ccitt", "_deflate", "_imcd", "_jpeg2k", "_jpeg8", "_jpegsof3", "_jpegxl", "_jpegxr", "_lerc", "_ljpeg",
        "_lzma", "_png", "_shared", "_shared_cython", "_webp", "_zlib", "_zstd",
    ),
    "PIL": ("_imaging", "_imagingmath", "_imagingmorph", "_webp"),
}  # fmt: skip
# Requirements of scikit-image for other functions than ours; trimesh does without.
UNUSED = ("imageio", "networkx")
# Of five hundred languages that could be coloured, that of tracebacks.
LANGUAGES = ("__init__", "_mapping", "python")
_READELF = "/usr/bin/readelf"  # of binutils
_LARGE_BYTES = 100_000
_LOADED = 1  # PT_LOAD
_SERVICES = ("s3", "sts")  # of Amazon's


def leave_out(site: Path) -> None:
    """Remove tests, samples, descriptions of services, languages, what nobody imports, its libraries, and symbols.

    Args:
        site: folder of installed packages, which is changed.
    """
    for tests in [*site.glob("*/**/tests"), site / "skimage" / "data"]:
        if tests.is_dir() and "torch" not in tests.relative_to(site).parts:
            for file in tests.rglob("*"):
                if file.is_file() and (tests.name == "tests" or file.suffix not in (".py", ".pyi")):
                    file.unlink()
    for described in (site / "botocore" / "data").glob("*/"):
        if described.is_dir() and described.name not in _SERVICES:
            shutil.rmtree(described)
    for package, kept in KEPT.items():
        for part in (site / package).glob("*/"):
            if part.is_dir() and part.name not in (*kept, "__pycache__"):
                shutil.rmtree(part)
    for language in (site / "pygments" / "lexers").glob("*.py"):
        if language.stem not in LANGUAGES:
            language.unlink()
    for package in UNUSED:
        shutil.rmtree(site / package, ignore_errors=True)
    for package, kept in EXTENSIONS.items():
        for module in (site / package).glob("*.so"):
            if module.name.partition(".")[0] not in kept:
                module.unlink()
    leave_out_libraries(site)
    for library in site.rglob("*.so*"):
        is_torch = library.relative_to(site).parts[0] == "torch"  # stripped already
        if library.is_file() and library.stat().st_size > _LARGE_BYTES and not is_torch:
            strip(library)


def leave_out_libraries(site: Path) -> None:
    """Remove the libraries of wheels (their folders `*.libs`) that no extension module needs any more.

    Args:
        site: folder of installed packages, which is changed.
    """
    libraries = {file.name: file for file in site.glob("*.libs/*.so*")}  # with a hash in each name
    needed = [file for file in site.rglob("*.so*") if file.is_file() and file.name not in libraries]
    for file in needed:  # which grows
        needed += [libraries.pop(name) for name in linked_by(file) if name in libraries]
    for unneeded in libraries.values():
        unneeded.unlink()


def linked_by(library: Path) -> set[str]:
    """Names of the libraries that a shared library asks the loader for.

    Args:
        library: shared library of this machine's kind.

    Raises:
        FileNotFoundError: if binutils is not installed, which has `readelf`.
    """
    dynamic = subprocess.run([_READELF, "--dynamic", library], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))


def strip(library: Path) -> None:
    """Remove what only a debugger reads; without the program `strip` nothing happens.

    Wheels' libraries have had their headers moved, which some versions of `strip` answer with a file that cannot be
    loaded. Such a result is thrown away.

    Args:
        library: shared library, which is changed.
    """
    program = shutil.which("strip")
    if program:
        stripped = library.with_name(f"{library.name}.stripped")
        subprocess.run([program, "--strip-unneeded", "-o", stripped, library], check=True)
        if can_be_loaded(stripped.read_bytes()):
            shutil.copymode(library, stripped)
            stripped.replace(library)
        else:
            stripped.unlink()


def can_be_loaded(elf: bytes) -> bool:
    """Whether each segment begins at the same place of a page in the file and in memory, which the loader insists on.

    Args:
        elf: content of a shared library of 64 bits in the order of bytes of x86 and ARM.
    """
    (first,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for place in range(first, first + size * count, size):
        kind, _, offset, address, _, _, _, align = struct.unpack_from("<IIQQQQQQ", elf, place)
        if kind == _LOADED and (offset - address) % max(align, 1):
            return False
    return True


def compile_what_is_imported() -> None:
    """Import everything once, which leaves the compiled modules beside their sources.

    Raises:
        ModuleNotFoundError: if a part is missing of a package that is there: too much was left out.
    """
    sys.dont_write_bytecode = False
    for name in IMPORTED:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:  # an image without torch, or with fewer kinds of signal
            if importlib.util.find_spec(str(error.name).partition(".")[0]) is not None:
                raise
            sys.stdout.write(f"not in this image: {name} ({error.name})\n")


if __name__ == "__main__":
    leave_out(Path(sysconfig.get_path("purelib")))
    compile_what_is_imported()
