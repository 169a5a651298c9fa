"""What a fit will weigh and take, asked of the library without importing it.

`python -m tuner.targets.estimate` does the arithmetic in a process of its own, in less than a tenth of a second. The
speed of the workers comes from what finished fits took.
"""

import json
import subprocess
import sys
from math import prod
from typing import Any

from api.errors import InvalidRequest
from api.schemas.estimates import EstimateView
from api.services.turns import Turns
from api.settings import MEBIBYTE, ApiSettings
from cage.keeper import bare_environment
from store.database import Database
from store.models import Signal
from store.repositories.signals import Signals
from store.repositories.speeds import measured_speed
from store.spec import FitSpec

ESTIMATOR = "tuner.targets.estimate"
MEMORY_BYTES, CPU_SECONDS, OUTPUT_BYTES = 1024 * MEBIBYTE, 5, 4096
PROCESSES = 2


class Estimator:
    """Estimates fits, a few at a time; the others wait their turn, which comes to each tenant."""

    def __init__(self, database: Database, settings: ApiSettings) -> None:
        self._database = database
        self._settings = settings
        self._turns = Turns(PROCESSES, is_shared=settings.require_keys)

    async def estimate(self, tenant: str, signal_id: str, spec: FitSpec) -> EstimateView:
        """What the tenant's fit would come to; nothing is stored.

        Raises:
            SignalNotFound: if the tenant has no such signal.
            InvalidRequest: if its parts do not fit together.
        """
        return await self._turns.in_thread(tenant, self._estimate, tenant, signal_id, spec)

    def _estimate(self, tenant: str, signal_id: str, spec: FitSpec) -> EstimateView:
        with self._database.unit_of_work() as session:
            signal = Signals(session).get(tenant, signal_id)
            speed = measured_speed(session)
        request = _request(signal, spec) | {"speed": speed or 1.0}
        command = [sys.executable, "-m", "api.services.limited", *map(str, (MEMORY_BYTES, CPU_SECONDS, OUTPUT_BYTES))]
        done = subprocess.run(
            [*command, ESTIMATOR, json.dumps(request)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=bare_environment(),
            timeout=self._settings.estimate_timeout_seconds,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the estimator ended with {done.returncode}: {done.stderr[-2000:]!r}")
        found: dict[str, Any] = json.loads(done.stdout)
        if "refused" in found:
            raise InvalidRequest(found["refused"])
        size = found["bytes"]
        bits = None if size is None else round(8 * size / request["samples"], 4)
        return EstimateView(**found, bits_per_sample=bits, speed_is_measured=speed is not None)


def _request(signal: Signal, spec: FitSpec) -> dict[str, Any]:
    facts = signal.facts
    shape = facts.get("shape") or [facts["height"], facts["width"]]
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
