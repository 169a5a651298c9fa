"""A backup is taken while fits run, and a service that is made of it ends all of them with the right bytes."""

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from standalone import migrate
from standalone.backup import back_up, restore
from standalone.stack import engines
from store.blobs import sha256_hex
from tests.chaos.clients import KINDS, Clients, History, Promise
from tests.chaos.run import SETTLE_SECONDS
from tests.chaos.stack import running_stack
from tests.engines import throwaway_home

logger = logging.getLogger(__name__)


def run_restored(*, fits: int) -> dict[str, Any]:
    """Submit fits, take a backup in the middle of them, restore it into a new folder; returns the report."""
    history = History()
    promises = [
        Promise(key=f"fit-{number}", seed=number, kind=number % len(KINDS), senders=1, cancel_after_seconds=None)
        for number in range(fits)
    ]
    with TemporaryDirectory() as place, throwaway_home() as home, throwaway_home() as new_home:
        folder = Path(place, "backup")
        with running_stack(home) as stack, closing(Clients(stack.api_url, history)) as clients:
            signal_id = clients.upload()
            for promise in promises:
                clients.submit(promise, signal_id)
            ids = [promise.fit_id for promise in promises]
            logger.info("%d fits are submitted", fits)
            # In the middle: some have ended, some run, some wait.
            clients.wait_for(ids[fits // 3], lambda fit: fit["status"] in {"running", "succeeded"})
            began = time.monotonic()
            backup = back_up(home, stack.environment, folder)
            seconds = time.monotonic() - began
            logger.info("the backup is taken; the fits go on to their ends")
            late = clients.wait_for_all(ids, SETTLE_SECONDS)
            right = _results(clients, ids)
        logger.info("%d have ended; the backup is restored", len(right))
        with engines(new_home, durable=False) as running:
            restore(new_home, running.environment, folder)
            migrate.upgrade(new_home, running.environment)
        with running_stack(new_home) as stack, closing(Clients(stack.api_url, history)) as clients:
            before = [clients.look(fit_id)["status"] for fit_id in ids]
            logger.info("the restored service answers; its fits go on to their ends")
            late += clients.wait_for_all(ids, SETTLE_SECONDS)
            found = _results(clients, ids)
            ready = clients.ready()
    return {
        "fits": fits,
        "backup_seconds": round(seconds, 2),
        "objects": backup.objects,
        "status_in_the_backup": {status: before.count(status) for status in sorted(set(before))},
        "late": late,
        "same_bytes": sum(fit_id in found and found[fit_id] == right.get(fit_id) for fit_id in ids),
        "strange": history.strange,
        "objects_after": ready["checks"].get("objects"),
    }


def _results(clients: Clients, fit_ids: Sequence[str]) -> dict[str, str]:
    """The hash of what each fit ended in; those that have not succeeded are left out."""
    return {
        fit_id: sha256_hex(clients.download(fit_id))
        for fit_id in fit_ids
        if clients.look(fit_id)["status"] == "succeeded"
    }
