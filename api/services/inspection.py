"""Look into an upload without letting it near this process.

Each file is decoded once by `tuner.signal.inspect` in a process of its own that is locked in before it gets the file
(`cage`): it can open nothing, reach nobody, and take only so much memory and time. The api stays free of decoders, and
a file that crashes one takes nothing with it.
"""

import json
import logging
import re
from pathlib import Path
from typing import Any

from api.errors import ApiError, DamagedSignal, InvalidSignal, SignalTooLarge, UndecodableSignal, UnsupportedFormat
from api.services.turns import Turns
from api.settings import MEBIBYTE, ApiSettings
from cage.keeper import Keeper
from cage.limits import Limits, OverBudget
from cage.pictures import BEGINNING_BYTES, may_be_picture

INSPECTOR, PICTURE_INSPECTOR = "tuner.signal.inspect", "tuner.signal.inspect_pictures"
MAX_OUTPUT_BYTES = 64 * 1024
DECODED_SHA256 = "decoded_sha256"  # the fact, of a small signal, by which a worker knows that it was read as it is

REFUSALS: dict[str, type[ApiError]] = {
    refusal.code: refusal for refusal in (UnsupportedFormat, DamagedSignal, InvalidSignal, SignalTooLarge)
}

logger = logging.getLogger(__name__)


class Inspector:
    """Decodes uploads, a few at a time; the others wait their turn, which comes to each tenant."""

    def __init__(
        self, settings: ApiSettings, module: str = INSPECTOR, *, picture_module: str = PICTURE_INSPECTOR
    ) -> None:
        self._settings = settings
        self._turns = Turns(settings.inspection_processes, is_shared=settings.require_keys)
        limits = Limits(
            memory_bytes=settings.inspection_memory_bytes,
            cpu_seconds=settings.inspection_cpu_seconds,
            wall_seconds=settings.inspection_timeout_seconds,
            answer_bytes=MAX_OUTPUT_BYTES,
        )
        self._keeper, self._keeper_of_pictures = Keeper(module, limits), Keeper(picture_module, limits)

    def start(self) -> None:
        """Have the decoders loaded before the first file comes; it takes some seconds, and nobody waits for it."""
        self._keeper_of_pictures.start()
        self._keeper.start()

    def close(self) -> None:
        """End the processes."""
        self._keeper_of_pictures.close()
        self._keeper.close()

    async def inspect(self, tenant: str, path: Path) -> dict[str, Any]:
        """Facts about the signal in a file: kind, format, shape, channels and so on.

        Args:
            tenant: owner of the file, whose turn it is waited for.
            path: place of the file.

        Raises:
            UnsupportedFormat: if it is in no known format.
            DamagedSignal: if it is truncated or corrupt.
            InvalidSignal: if its values cannot be fitted.
            SignalTooLarge: if its header declares too much.
            UndecodableSignal: if decoding it went over a limit or crashed.
            JobBroken: if the inspector itself is broken.
        """
        return await self._turns.in_thread(tenant, self._inspect, path)

    def _inspect(self, path: Path) -> dict[str, Any]:
        settings = self._settings
        try:
            verdict = _verdict(self._answer(path))
        except OverBudget as error:
            logger.warning("inspection ended by a limit", extra={"fields": {"reason": str(error)}})
            raise UndecodableSignal(
                f"decoding the file needs more than {settings.inspection_cpu_seconds} s or "
                f"{settings.inspection_memory_bytes // MEBIBYTE} MiB, or breaks the decoder: send a smaller one"
            ) from error
        if verdict["ok"]:
            facts: dict[str, Any] = verdict["facts"]
            return facts
        raise REFUSALS[verdict["code"]](verdict["message"])

    def _answer(self, path: Path) -> bytes:
        most = {"max_pixels": self._settings.max_pixels, "max_points": self._settings.max_points}
        with path.open("rb") as file:
            if may_be_picture(file.read(BEGINNING_BYTES)):
                # What begins like a picture may be something else: then who knows all formats is asked.
                file.seek(0)
                if answer := bytes(self._keeper_of_pictures.ask(file.fileno(), most)):
                    return answer
            file.seek(0)
            return bytes(self._keeper.ask(file.fileno(), most))


def _verdict(answer: bytes) -> dict[str, Any]:
    """What the inspector says, unless the file has taken it over and says something else.

    Raises:
        OverBudget: if that is no verdict.
    """
    try:
        said = json.loads(answer)
        if (said["ok"] is True and _is_digest(said["facts"].get(DECODED_SHA256))) or (
            said["ok"] is False and said["code"] in REFUSALS and isinstance(said["message"], str)
        ):
            verdict: dict[str, Any] = said
            return verdict
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise OverBudget(f"the inspector said {answer[:200]!r}, which is no verdict")


def _is_digest(said: object) -> bool:
    """Whether it is an SHA-256, or nothing."""
    return said is None or (isinstance(said, str) and re.fullmatch("[0-9a-f]{64}", said) is not None)
