"""What a fit will weigh and take, asked of the library without importing it.

`tuner.targets.estimate` does the arithmetic in a process that is kept for it and forks for each question, which takes
some milliseconds. The speed of the workers comes from what finished fits took.
"""

import json
import logging
from functools import lru_cache
from math import prod
from typing import Any

from api.errors import InvalidRequest
from api.schemas.estimates import EstimateView
from api.services.turns import Turns
from api.settings import MEBIBYTE, ApiSettings
from cage.keeper import Keeper
from cage.limits import CageError, Limits
from store.database import Database
from store.models import Signal
from store.repositories.signals import Signals
from store.repositories.speeds import measured_speed
from store.spec import FitSpec

ESTIMATOR = "tuner.targets.estimate"
MEMORY_BYTES, CPU_SECONDS, OUTPUT_BYTES = 1024 * MEBIBYTE, 5, 4096
PROCESSES, REMEMBERED = 2, 1024

logger = logging.getLogger(__name__)


class Estimator:
    """Estimates fits, a few at a time; the others wait their turn, which comes to each tenant."""

    def __init__(self, database: Database, settings: ApiSettings) -> None:
        self._database = database
        self._turns = Turns(PROCESSES, is_shared=settings.require_keys)
        self._keeper = Keeper(
            ESTIMATOR,
            Limits(
                memory_bytes=MEMORY_BYTES,
                cpu_seconds=CPU_SECONDS,
                wall_seconds=settings.estimate_timeout_seconds,
                answer_bytes=OUTPUT_BYTES,
            ),
        )
        self._work = lru_cache(REMEMBERED)(self._worked_out)

    def start(self) -> None:
        """Have the library loaded before the first question comes."""
        self._keeper.start()

    def close(self) -> None:
        """End the process."""
        self._keeper.close()

    async def estimate(self, tenant: str, signal_id: str, spec: FitSpec) -> EstimateView:
        """What the tenant's fit would come to; nothing is stored.

        Raises:
            SignalNotFound: if the tenant has no such signal.
            InvalidRequest: if its parts do not fit together.
        """
        return await self._turns.in_thread(tenant, self._estimate, tenant, signal_id, spec)

    def work(self, signal: Signal, spec: FitSpec) -> float:
        """Work of a fit, in seconds of the machine on which a work of 1 was defined; remembered for like signals.

        0.0 if it cannot be told: what has no estimate is still fitted.

        Args:
            signal: row of the signal, with the facts that inspection found.
            spec: what is asked for; its limits of seconds count for nothing here.

        Raises:
            InvalidRequest: if its parts do not fit together.
        """
        # How well a signal compresses moves its seconds by little, and would make every signal one of its own.
        request = _request(signal, spec) | {"max_seconds": None, "compaction_db": None}
        try:
            return self._work(json.dumps(request, sort_keys=True))
        except CageError as error:
            logger.warning("a fit has no estimate", extra={"fields": {"reason": str(error)}})
            return 0.0

    def _worked_out(self, request: str) -> float:
        seconds: float = self._found(json.loads(request))["seconds"]
        return seconds

    def _estimate(self, tenant: str, signal_id: str, spec: FitSpec) -> EstimateView:
        with self._database.unit_of_work() as session:
            signal = Signals(session).get(tenant, signal_id)
            speed = measured_speed(session)
        request = _request(signal, spec) | {"speed": speed or 1.0}
        found = self._found(request)
        size = found["bytes"]
        bits = None if size is None else round(8 * size / request["samples"], 4)
        return EstimateView(**found, bits_per_sample=bits, speed_is_measured=speed is not None)

    def _found(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._keeper.ask_bytes(json.dumps(request).encode(), {})
        found: dict[str, Any] = json.loads(bytes(answer))
        if "refused" in found:
            raise InvalidRequest(found["refused"])
        return found


def _request(signal: Signal, spec: FitSpec) -> dict[str, Any]:
    facts, shape = signal.facts, signal.grid_shape
    options = spec.network.model_dump(exclude_none=True, exclude={"kind", "tiles"}) | spec.regime.model_dump(
        exclude_none=True
    )
    return {
        "kind": facts.get("kind", "image"),
        "samples": prod(shape),
        "grid_shape": shape,
        "channels": facts["channels"],
        "compaction_db": facts.get("compaction_db"),
        "sample_format": facts.get("sample_format"),
        "effort": spec.preset,
        "target": None if spec.target is None else spec.target.asked(),
        "network": options,
        "network_kind": spec.network_kind(),
        "tiles": spec.network.tiles,
        "max_steps": spec.max_steps,
        "max_seconds": spec.max_seconds,
        "max_loss_db": spec.codec.max_loss_db,
    }
