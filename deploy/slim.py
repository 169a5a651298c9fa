"""Leave out of an image what no process of it reads: `python -m deploy.slim`, run by the interpreter of the image.

Wheels carry their own tests, sample pictures, descriptions of all of Amazon's services, and symbols for debuggers. And
modules are compiled only where one of our processes imports them: the others cost as much room again, for nothing.
`make containers` sends a file of each kind of signal through what is left.
"""

import importlib.util
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
    "google_crc32c", "imagecodecs", "jaxtyping", "kombu.transport.redis", "nibabel", "numpy", "PIL.Image",
    "PIL.ImageOps", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "PIL.WebPImagePlugin", "PIL.TiffImagePlugin",
    "psycopg", "psycopg_binary", "pydantic_settings", "python_multipart", "redis.asyncio", "rich.progress",
    "rich.table", "safetensors.torch", "scipy.ndimage", "scipy.sparse.csgraph", "scipy.spatial", "skimage.measure",
    "soundfile", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.orm", "tifffile", "torch", "trimesh", "typer",
    "uvicorn.loops.auto", "uvicorn.main", "uvicorn.protocols.http.h11_impl", "wasmtime",
)  # fmt: skip
# Meshes need trees, graphs and labels of SciPy and marching cubes of scikit-image: these parts, and what they import.
KEPT = {
    "scipy": ("_external", "_lib", "constants", "fft", "linalg", "ndimage", "optimize", "sparse", "spatial", "special"),
    "skimage": ("_shared", "_vendored", "data", "measure", "util"),
}
_LARGE_BYTES = 100_000
_LOADED = 1  # PT_LOAD
_SERVICES = ("s3", "sts")  # of Amazon's


def leave_out(site: Path) -> None:
    """Remove tests, samples, descriptions of services, packages that nobody imports, and symbols.

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
    for library in site.rglob("*.so*"):
        is_torch = library.relative_to(site).parts[0] == "torch"  # stripped already
        if library.is_file() and library.stat().st_size > _LARGE_BYTES and not is_torch:
            strip(library)


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
