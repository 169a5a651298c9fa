"""The states of a fit, what is true in each, and which moves are legal.

    queued -> running -> succeeded | failed | cancelled
    queued -> cancelled | expired
    running -> queued                    worker lost, or drained (told to leave): a new attempt of the same fit
    queued | running -> paused -> queued | cancelled
    running -> cancelling -> cancelled | failed

A worker that takes a fit claims it. What it does from then on is an attempt, and the attempt holds a lease: a time
until which no other worker may have the fit, and which the worker extends while it lives. Upkeep is the process that
queues a fit again when its lease has expired.

Every move goes through `store.repositories.moves` and leaves a row in `fit_events`.
"""

from enum import StrEnum


class FitStatus(StrEnum):
    """One word per state; the sentence beside it is the truth that holds while a fit is in it."""

    QUEUED = "queued"  # no worker holds it; a worker may claim it at any moment
    PAUSED = "paused"  # no worker holds it and none may claim it until the client wants it to go on
    RUNNING = "running"  # one attempt holds an unexpired lease, or upkeep has not yet seen it expire
    CANCELLING = "cancelling"  # a cancel was acknowledged; the attempt that holds the lease is stopping
    SUCCEEDED = "succeeded"  # its representation is stored, verified and can be downloaded
    FAILED = "failed"  # it will never have a representation; `error_code` and `error_message` say why
    CANCELLED = "cancelled"  # it was stopped at the client's wish; no later success
    EXPIRED = "expired"  # nobody claimed it within the time it was allowed to wait

    @property
    def is_terminal(self) -> bool:
        """True if no move leads out of this state."""
        return not LEGAL_MOVES[self]

    @property
    def is_held(self) -> bool:
        """True if an attempt holds, or should hold, a lease."""
        return self in HELD


HELD = frozenset({FitStatus.RUNNING, FitStatus.CANCELLING})
WAITING = frozenset({FitStatus.QUEUED, FitStatus.PAUSED})

LEGAL_MOVES: dict[FitStatus, frozenset[FitStatus]] = {
    FitStatus.QUEUED: frozenset({FitStatus.RUNNING, FitStatus.PAUSED, FitStatus.CANCELLED, FitStatus.EXPIRED}),
    FitStatus.PAUSED: frozenset({FitStatus.QUEUED, FitStatus.CANCELLED}),
    FitStatus.RUNNING: frozenset(
        {
            FitStatus.SUCCEEDED,
            FitStatus.FAILED,
            FitStatus.CANCELLED,
            FitStatus.CANCELLING,
            FitStatus.PAUSED,
            FitStatus.QUEUED,
        }
    ),
    FitStatus.CANCELLING: frozenset({FitStatus.CANCELLED, FitStatus.FAILED}),
    FitStatus.SUCCEEDED: frozenset(),
    FitStatus.FAILED: frozenset(),
    FitStatus.CANCELLED: frozenset(),
    FitStatus.EXPIRED: frozenset(),
}
ENDED = frozenset(status for status in FitStatus if status.is_terminal)


class Phase(StrEnum):
    """What the attempt that holds a running fit is doing; told in `progress` of the row and in events."""

    READING = "reading"  # the signal is fetched and decoded
    TRAINING = "training"  # a network is made, then its steps are taken; there may be several networks
    COMPRESSING = "compressing"  # weights are rounded and coded, and files are tried until one suits
    STORING = "storing"  # the file is decoded again, compared with the signal, and stored


class Order(StrEnum):
    """What the service wants of the worker that holds a fit; every beat of its heart is answered with one."""

    CONTINUE = "continue"
    PAUSE = "pause"  # save the state and hand the fit back
    CANCEL = "cancel"  # stop: whatever comes of it no longer counts
