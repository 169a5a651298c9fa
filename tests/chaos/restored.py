"""A backup is taken while fits run, and a service that is made of it ends all of them with the right bytes."""

import time
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
            # In the middle: some have ended, some run, some wait.
            clients.wait_for(ids[fits // 3], lambda fit: fit["status"] in {"running", "succeeded"})
            began = time.monotonic()
            backup = back_up(home, stack.environment, folder)
            seconds = time.monotonic() - began
            late = clients.wait_for_all(ids, SETTLE_SECONDS)
            right = {fit_id: sha256_hex(clients.download(fit_id)) for fit_id in ids}
        with engines(new_home, durable=False) as running:
            restore(new_home, running.environment, folder)
            migrate.upgrade(new_home, running.environment)
        with running_stack(new_home) as stack, closing(Clients(stack.api_url, history)) as clients:
            before = [clients.look(fit_id)["status"] for fit_id in ids]
            late += clients.wait_for_all(ids, SETTLE_SECONDS)
            found = {fit_id: sha256_hex(clients.download(fit_id)) for fit_id in ids}
            ready = clients.ready()
    return {
        "fits": fits,
        "backup_seconds": round(seconds, 2),
        "objects": backup.objects,
        "status_in_the_backup": {status: before.count(status) for status in sorted(set(before))},
        "late": late,
        "same_bytes": sum(found[fit_id] == right[fit_id] for fit_id in ids),
        "strange": history.strange,
        "objects_after": ready["checks"].get("objects"),
    }
