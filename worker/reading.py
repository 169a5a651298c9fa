"""Read a stored signal in the cage, under a budget: what came in as an upload is as hostile the second time.

Inspection has seen the file, but on another day, perhaps with other decoders, and a mesh only on a coarse grid. The
samples come back through a pipe; see `tuner.signal.handover`. Many of them lie in a file that is mapped, as they are
stored where the format allows that, so that memory here does not grow with the signal. A small signal whose samples
inspection has made a digest of is read by a process that reads others of its tenant, too: `cage.shared` says why.
"""

from collections.abc import Callable
from dataclasses import replace

from cage.limits import Limits, OverBudget
from cage.pictures import may_be_picture
from tuner.signal.handover import signal_of
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal, as_held
from tuner.signal.signal import Signal
from tuner.targets.wavelets.choice import most_values
from worker.caged import keeper_of, shared_child_of
from worker.settings import WorkerSettings

READER, PICTURE_READER = "tuner.signal.handover", "worker.picture_reader"
_REQUEST = {"stored_beyond": {kind.value: most_values(kind) for kind in SignalKind}}


class SignalTooCostly(Exception):
    """Reading the signal takes more memory or time than a fit may spend on it."""

    code = "signal_too_costly"


def read_caged(
    content: bytes,
    settings: WorkerSettings,
    heed: Callable[[], None] = lambda: None,
    *,
    tenant: str = "",
    decoded_sha256: str | None = None,
) -> Signal | LargeSignal:
    """The signal in an upload; one that is too large for one network of wavelets comes as it is stored, if it can.

    Args:
        content: the upload.
        settings: settings of the worker, with the budget of reading.
        heed: called several times a second; what it raises ends the reading.
        tenant: owner of the upload, whose files alone are read by one process.
        decoded_sha256: digest of what reading it gives, as its inspection found; None has it read in a process of its
            own.

    Raises:
        SignalError: if it is no signal that can be fitted.
        SignalTooCostly: if reading it goes over the budget, or crashes the decoder.
        JobBroken: if nothing can be read here.
    """
    heed()
    try:
        readers = (PICTURE_READER, READER) if may_be_picture(content) else (READER,)
        if decoded_sha256 is not None:
            shared = shared_child_of(readers[0], _limits(settings))
            answer = shared.ask(tenant, content, _REQUEST, decoded_sha256, heed)
            if answer is not None:
                return signal_of(answer)
        # What begins like a picture may be something else: then who knows all formats is asked.
        answers = (keeper_of(reader, _limits(settings)).ask_bytes(content, _REQUEST, heed) for reader in readers)
        return signal_of(next(filter(None, answers), memoryview(b"")))
    except OverBudget as error:
        raise SignalTooCostly(
            f"reading the signal went over its budget of {_limits(settings)}, or broke its decoder ({error}): send a "
            "smaller signal, or a mesh of fewer faces"
        ) from error


def held(signal: Signal | LargeSignal) -> Signal:
    """A signal with all its values in memory, where they may be written to."""
    found = as_held(signal)
    return found if found.values.flags.writeable else replace(found, values=found.values.copy())


def start_reader(settings: WorkerSettings) -> None:
    """Have the decoders loaded before the first fit comes; nobody waits for it."""
    for reader in (PICTURE_READER, READER):
        keeper_of(reader, _limits(settings)).start()


def _limits(settings: WorkerSettings) -> Limits:
    return Limits(
        memory_bytes=settings.reading_memory_bytes,
        cpu_seconds=settings.reading_cpu_seconds,
        wall_seconds=settings.reading_seconds,
        answer_bytes=settings.reading_memory_bytes,
    )
