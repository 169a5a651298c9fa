"""Look into an upload without letting it near this process.

Each file is decoded once by `python -m tuner.signal.inspect` in a process of its own: limited in memory, processor
time, time on the wall and output, with none of this process's environment but the import path. The api stays free of
decoders, and a file that crashes one takes nothing with it.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread

from api.errors import ApiError, DamagedSignal, InvalidSignal, SignalTooLarge, UndecodableSignal, UnsupportedFormat
from api.settings import MEBIBYTE, ApiSettings

INSPECTOR = "tuner.signal.inspect"
MAX_OUTPUT_BYTES = 64 * 1024

REFUSALS: dict[str, type[ApiError]] = {
    refusal.code: refusal for refusal in (UnsupportedFormat, DamagedSignal, InvalidSignal, SignalTooLarge)
}

logger = logging.getLogger(__name__)


class Inspector:
    """Decodes uploads, a few at a time; the others wait their turn without holding a thread."""

    def __init__(self, settings: ApiSettings, module: str = INSPECTOR) -> None:
        self._settings = settings
        self._module = module
        self._turns = CapacityLimiter(settings.inspection_processes)

    async def inspect(self, path: Path) -> dict[str, Any]:
        """Facts about the signal in a file: kind, format, shape, channels and so on.

        Raises:
            UnsupportedFormat: if it is in no known format.
            DamagedSignal: if it is truncated or corrupt.
            InvalidSignal: if its values cannot be fitted.
            SignalTooLarge: if its header declares too much.
            UndecodableSignal: if decoding it went over a limit or crashed.
            RuntimeError: if the inspector itself is broken.
        """
        return await to_thread.run_sync(self._inspect, path, limiter=self._turns)

    def _inspect(self, path: Path) -> dict[str, Any]:
        settings = self._settings
        output, complaints = path.with_name("inspection.json"), path.with_name("inspection.log")
        limits = (settings.inspection_memory_bytes, settings.inspection_cpu_seconds, MAX_OUTPUT_BYTES)
        command = [sys.executable, "-m", "api.services.limited", *map(str, limits)]
        command += [self._module, str(path), "--max-pixels", str(settings.max_pixels)]
        # Files instead of pipes: what the child writes is limited by the kernel and never lies in our memory.
        with output.open("wb") as stdout, complaints.open("wb") as stderr:
            try:
                status = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=path.parent,
                    env=child_environment(),
                    timeout=settings.inspection_timeout_seconds,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                status = -signal.SIGKILL
        said = complaints.read_text(errors="replace")
        if status < 0 or (status != 0 and "MemoryError" in said):
            logger.warning("inspection ended by a limit", extra={"fields": {"exit": status, "stderr": said[-2000:]}})
            raise UndecodableSignal(
                f"decoding the file needs more than {settings.inspection_cpu_seconds} s or "
                f"{settings.inspection_memory_bytes // MEBIBYTE} MiB, or breaks the decoder: send a smaller one"
            )
        if status != 0:
            raise RuntimeError(f"the inspector ended with {status}: {said[-2000:]}")
        return _facts(json.loads(output.read_bytes()))


def _facts(verdict: dict[str, Any]) -> dict[str, Any]:
    if verdict["ok"]:
        facts: dict[str, Any] = verdict["facts"]
        return facts
    raise REFUSALS[verdict["code"]](verdict["message"])


def child_environment() -> dict[str, str]:
    """What a process that this one starts may know."""
    # Addresses and keys stay here; the child finds the same packages as we do and counts on one thread.
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "PYTHONSAFEPATH": "1",
        # The limit on the size of files would cut compiled modules short, and the next process would trip over them.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
