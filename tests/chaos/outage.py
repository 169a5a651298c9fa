"""The broker is away for a while: what runs goes on, what is submitted is accepted, and all of it completes."""

import time
from contextlib import closing
from typing import Any

from tests.chaos.clients import Clients, History, Promise
from tests.chaos.proxy import Weather
from tests.chaos.run import SETTLE_SECONDS
from tests.chaos.stack import running_stack
from tests.engines import throwaway_home


def run_outage(*, seconds: float, fits: int, submissions: int) -> dict[str, Any]:
    """Submit fits, take the broker away, submit more, give it back; returns the report.

    Args:
        seconds: how long the broker is away.
        fits: submitted before that.
        submissions: while it is away.
    """
    history = History()
    with throwaway_home() as home, running_stack(home) as stack, closing(Clients(stack.api_url, history)) as clients:
        signal_id = clients.upload()

        def submit(name: str) -> str:
            promise = Promise(key=name, seed=0, senders=1, cancel_after_seconds=None)
            clients.submit(promise, signal_id)
            return promise.fit_ids[0]

        accepted = [submit(f"before-{number}") for number in range(fits)]
        answers: list[float] = []
        with stack.broker.under(Weather(refuses=True)):
            back = time.monotonic() + seconds
            for number in range(submissions):
                began = time.monotonic()
                accepted.append(submit(f"during-{number}"))
                answers.append(time.monotonic() - began)
            time.sleep(max(0.0, back - time.monotonic()))
        late = clients.wait_for_all(accepted, SETTLE_SECONDS)
        ends = [clients.look(fit_id)["status"] for fit_id in accepted]
    return {
        "broker_away_seconds": seconds,
        "accepted": len(accepted),
        "tried_again": history.refusals,
        "slowest_submission_seconds": round(max(answers), 2),
        "succeeded": ends.count("succeeded"),
        "late": late,
    }
