"""Have a view drawn in the cage, under a budget: a compressed file is as hostile as the upload behind it."""

import json
import re
from typing import Final

from cage.limits import Limits, OverBudget, OverMemory
from store.render_spec import RenderSpec
from worker.caged import keeper_of
from worker.drawing import DRAWN, REFUSED
from worker.settings import WorkerSettings
from worker.views import MEDIA_TYPES, Drawn

DRAWER: Final = "worker.drawing"
_MESSAGE_CHARACTERS: Final = 1000


class ViewRefused(Exception):
    """A view cannot be drawn, for a reason that the client is told.

    Args:
        code: name of the reason, which never changes.
        message: what to do about it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def draw_caged(content: bytes, spec: RenderSpec, settings: WorkerSettings) -> Drawn:
    """A view of a compressed file.

    Args:
        content: the compressed file.
        spec: what to draw.
        settings: settings of the worker, with the budget of drawing.

    Raises:
        ViewRefused: if the file cannot be read, the view does not fit it, or drawing goes over the budget.
        JobBroken: if nothing can be drawn here.
    """
    try:
        answer = keeper_of(DRAWER, _limits(settings)).ask_bytes(content, spec.model_dump(mode="json"))
    except OverBudget as error:
        raise ViewRefused(
            "out_of_memory" if isinstance(error, OverMemory) else "view_too_costly",
            f"drawing went over its budget of {_limits(settings)}, or broke what draws it ({error}): ask for a smaller "
            "scale or region",
        ) from error
    return drawn_of(answer, spec)


def drawn_of(answer: memoryview, spec: RenderSpec) -> Drawn:
    """The file in an answer from the cage, which is believed no more than the file that it was drawn from.

    Raises:
        ViewRefused: if the answer says why there is no file, or is none.
    """
    kind, rest = bytes(answer[:1]), answer[1:]
    if kind == DRAWN:
        return Drawn(content=bytes(rest), media_type=MEDIA_TYPES[spec.format])
    try:
        told = json.loads(bytes(rest)) if kind == REFUSED else {}
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        code, message = "", ""
    if not re.fullmatch("[a-z_]{1,40}", code):
        raise ViewRefused("view_too_costly", "the process that draws it gave no answer: ask for another view")
    raise ViewRefused(code, "".join(filter(str.isprintable, message))[:_MESSAGE_CHARACTERS])


def start_drawer(settings: WorkerSettings) -> None:
    """Have everything loaded before the first client waits."""
    keeper_of(DRAWER, _limits(settings)).start()


def _limits(settings: WorkerSettings) -> Limits:
    return Limits(
        memory_bytes=settings.drawing_memory_bytes,
        cpu_seconds=settings.drawing_cpu_seconds,
        wall_seconds=settings.drawing_seconds,
        answer_bytes=settings.drawing_memory_bytes,
    )
