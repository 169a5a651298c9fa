"""The job protocol without a database: what a fit may be asked for, and what becomes of it, in plain Python.

`tests.integration.store.test_fits_against_model` runs it beside `store.repositories.fits`, move by move.
"""

from dataclasses import dataclass, field

Claim = tuple[str, int]  # a fit and the number of the attempt

HELD = {"running", "cancelling"}
FINAL = {"succeeded", "failed", "cancelled", "expired"}


class Stale(Exception):
    """The claim no longer holds its fit."""


class Illegal(Exception):
    """The fit's status does not allow this."""


@dataclass
class Job:
    """One fit."""

    tenant: str
    priority: int
    age: int  # 0 is the oldest
    status: str = "queued"
    attempt: int = 0
    tries: int = 0
    lease_is_over: bool = False
    announced: bool = True
    pause_requested: bool = False
    history: list[tuple[str, int]] = field(default_factory=lambda: [("queued", 0)])  # kind of event, attempt
    attempt_ends: list[str | None] = field(default_factory=list)

    def become(self, status: str) -> None:
        self.status = status
        if status not in HELD:
            self.pause_requested = False
        self.history.append((status, self.attempt))

    def note(self, kind: str) -> None:
        self.history.append((kind, self.attempt))

    def end_attempt(self, end: str) -> None:
        self.attempt_ends[-1] = end


class Jobs:
    """All fits, by id."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.served: dict[str, int] = {}  # number of each tenant's last claim among all claims

    # Clients.

    def submit(self, fit_id: str, tenant: str, priority: int) -> None:
        self.jobs[fit_id] = Job(tenant, priority, age=len(self.jobs))

    def cancel(self, fit_id: str) -> None:
        job = self.jobs[fit_id]
        match job.status:
            case "cancelling" | "cancelled":
                pass
            case "queued" | "paused":
                job.become("cancelled")
            case "running":
                job.become("cancelling")
            case _:
                raise Illegal

    def pause(self, fit_id: str) -> None:
        job = self.jobs[fit_id]
        match job.status:
            case "paused":
                pass
            case "queued":
                job.become("paused")
            case "running" if not job.pause_requested:
                job.pause_requested = True
                job.note("pause_requested")
            case "running":
                pass
            case _:
                raise Illegal

    def resume(self, fit_id: str) -> None:
        job = self.jobs[fit_id]
        match job.status:
            case "paused":
                job.become("queued")
                job.announced = True
            case "running" if job.pause_requested:
                job.pause_requested = False
                job.note("pause_withdrawn")
            case "queued" | "running":
                pass
            case _:
                raise Illegal

    # Workers.

    def busy(self, tenant: str) -> int:
        return sum(job.tenant == tenant and job.status in HELD for job in self.jobs.values())

    def claim(self, *, lease_is_over: bool, max_running: int | None) -> Claim | None:
        def turn(fit_id: str) -> tuple[int, int, str, int, int]:
            job = self.jobs[fit_id]
            return self.busy(job.tenant), self.served.get(job.tenant, 0), job.tenant, -job.priority, job.age

        waiting = [
            fit_id
            for fit_id, job in self.jobs.items()
            if job.status == "queued" and (max_running is None or self.busy(job.tenant) < max_running)
        ]
        if not waiting:
            return None
        fit_id = min(waiting, key=turn)
        job = self.jobs[fit_id]
        self.served[job.tenant] = max(self.served.values(), default=0) + 1
        job.attempt += 1
        job.tries += 1
        job.lease_is_over = lease_is_over
        job.attempt_ends.append(None)
        job.become("running")
        return fit_id, job.attempt

    def holds(self, claim: Claim) -> bool:
        job = self.jobs[claim[0]]
        return job.attempt == claim[1] and job.status in HELD

    def held(self, claim: Claim) -> Job:
        if not self.holds(claim):
            raise Stale
        return self.jobs[claim[0]]

    def beat(self, claim: Claim) -> str:
        job = self.held(claim)
        job.lease_is_over = False
        return job.status

    def note(self, claim: Claim, kind: str) -> None:
        self.held(claim).note(kind)

    def succeed(self, claim: Claim) -> None:
        job = self.held(claim)
        if job.status == "cancelling":
            raise Illegal
        job.become("succeeded")
        job.end_attempt("succeeded")

    def fail(self, claim: Claim) -> None:
        job = self.held(claim)
        job.become("failed")
        job.end_attempt("failed")

    def confirm_cancel(self, claim: Claim) -> None:
        job = self.held(claim)
        job.become("cancelled")
        job.end_attempt("cancelled")

    def release(self, claim: Claim) -> None:
        job = self.held(claim)
        job.tries -= 1
        self._give_back(job)
        job.end_attempt("paused" if job.status == "paused" else "drained")

    def retry(self, claim: Claim, max_failures: int) -> None:
        job = self.held(claim)
        job.tries -= 1
        job.end_attempt("failed")
        if job.status == "running" and job.attempt_ends.count("failed") >= max_failures:
            job.become("failed")
        else:
            self._give_back(job)

    # The reaper.

    def reap(self, max_tries: int) -> None:
        for job in self.jobs.values():
            if job.status in HELD and job.lease_is_over:
                if job.status == "running" and job.tries >= max_tries:
                    job.become("failed")
                else:
                    self._give_back(job)
                job.end_attempt("lost")

    def announce(self) -> set[str]:
        silent = {fit_id for fit_id, job in self.jobs.items() if job.status == "queued" and not job.announced}
        for fit_id in silent:
            self.jobs[fit_id].announced = True
        return silent

    def expire(self) -> None:
        for job in self.jobs.values():
            if job.status == "queued":
                job.become("expired")

    def _give_back(self, job: Job) -> None:
        if job.status == "cancelling":
            job.become("cancelled")
        elif job.pause_requested:
            job.become("paused")
        else:
            job.announced = False
            job.become("queued")
