"""What a fit takes, held against what a worker gives one, when it is submitted.

A fit that no worker can hold, or can end in the time that it gives a fit, would wait in the queue, take a worker's
time, perhaps a day of it, and fail there. So it is refused by whatever route it comes, with what to ask for instead.
"""

from collections.abc import Callable

from sqlalchemy.orm import Session

from api.errors import FitTooLarge
from api.services.fit_memory import memory_bytes
from api.settings import MEBIBYTE, ApiSettings
from store.errors import SpecInvalid, SpecNewer
from store.models import Fit, Signal
from store.repositories.speeds import measured_speed
from store.spec import FitSpec, read_spec

# No worker is believed to be so many times slower than the machine on which work was measured: what takes less time
# than this leaves is not looked at more closely, and for all small fits nothing is asked of the database.
SLOWEST = 100


class FitLimits:
    """Refuses what no worker can do.

    Args:
        settings: memory and time that workers have for a fit.
        work: returns the work of a fit of a signal, as `Estimator.work` does.
    """

    def __init__(self, settings: ApiSettings, work: Callable[[Signal, FitSpec], float]) -> None:
        self._most_bytes, self._most_seconds = settings.fit_memory_bytes, settings.fit_seconds
        self._work = work

    def check(self, session: Session, fit: Fit) -> None:
        """Hold a new fit against them.

        Args:
            session: the transaction that adds the fit.
            fit: row of the fit.

        Raises:
            FitTooLarge: if it needs more memory than a worker has for one, or is expected to take more time.
            InvalidRequest: if its parts do not fit together.
        """
        signal = session.get_one(Signal, fit.signal_id)
        spec = _spec(fit)
        needed = memory_bytes(signal, spec)
        if needed > self._most_bytes:
            raise FitTooLarge(
                f"a fit of {_size(signal)} takes {needed // MEBIBYTE} MiB of memory, and workers have "
                f"{self._most_bytes // MEBIBYTE} MiB for one (TUNER_FIT_MEMORY_BYTES): send a smaller signal, or a "
                "part of it"
            )
        if spec is None:
            return
        seconds = self._seconds(session, signal, spec)
        if seconds > self._most_seconds:
            raise FitTooLarge(
                f"a fit of {_size(signal)} is expected to take {seconds:.0f} s, and workers have "
                f"{self._most_seconds:g} s for one (TUNER_FIT_SECONDS): ask for max_seconds of no more than that, for "
                "fewer max_steps, or send a smaller signal"
            )

    def _seconds(self, session: Session, signal: Signal, spec: FitSpec) -> float:
        """Time that a fit is expected to take, in seconds; 0.0 if that is surely little."""
        work = self._work(signal, spec)  # asked in any case: it refuses what does not fit together
        limits = [spec.max_seconds, None if spec.target is None else spec.target.seconds]
        longest = min((limit for limit in limits if limit is not None), default=None)
        if longest is not None and longest <= self._most_seconds:
            return longest
        if work * SLOWEST <= self._most_seconds:
            return 0.0
        seconds = work / (measured_speed(session) or 1.0)
        return seconds if longest is None else min(seconds, longest)


def _spec(fit: Fit) -> FitSpec | None:
    """What is asked for; None if this version cannot read it, which is then up to a worker."""
    try:
        return read_spec(fit.spec)
    except (SpecNewer, SpecInvalid):
        return None


def _size(signal: Signal) -> str:
    return f"{'x'.join(map(str, signal.grid_shape))} points of {signal.facts['channels']} channels"
