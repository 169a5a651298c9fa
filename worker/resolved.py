"""What became of a request once its signal was read: the kind of network, and each setting that was left open."""

import math
from dataclasses import asdict
from typing import Any

from tuner.fit.config import FitConfig
from tuner.targets.ask import Ask, SinesAsk, TilesAsk


def resolved_settings(ask: Ask) -> dict[str, Any]:
    """The settings of a fit as clients see them, in the words of `FitSpec` where it has one.

    Args:
        ask: the request as the library answers it.
    """
    config = ask.config
    if isinstance(config, FitConfig):
        steps, seconds = config.budget.max_steps, config.budget.max_seconds
        network, trainer = asdict(config.network), asdict(config.trainer)
    else:
        steps, seconds = config.steps, config.max_seconds
        # What says how long it trains stands beside the network, as it does for the other kind.
        network, trainer = asdict(config), {}
        for name in ("steps", "max_seconds", "seed"):
            del network[name]
        if isinstance(ask, TilesAsk):
            network["tiles"] = ask.side
    return {
        "network_kind": ask.kind.value,
        "network": _json(network),
        "trainer": _json({"kind": ask.trainer} | trainer),
        "steps": steps,
        "seconds": seconds,
        "trials": ask.trials,
        "seed": config.seed,
        "max_loss_db": ask.max_loss_db if isinstance(ask, SinesAsk) else None,
    }


def _json(value: Any) -> Any:
    """As JSON holds it; what is not finite is null there."""
    if isinstance(value, dict):
        return {str(name): _json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
