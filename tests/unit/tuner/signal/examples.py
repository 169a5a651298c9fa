"""How many examples a property of a reader is tried with: a few in `make test`, READER_EXAMPLES times as many else."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

MORE: Final = int(os.environ.get("READER_EXAMPLES", "1"))


def tried(examples: int) -> settings:
    """The same few examples every time, or other and more ones where more are asked for."""
    return settings(
        max_examples=examples * MORE,
        derandomize=MORE == 1,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
