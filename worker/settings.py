"""How a worker trains and how often it reports, from the environment (prefix `TUNER_WORKER_`)."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from store.classes import WorkerClass
from store.machine import most_of_the_memory
from store.settings import FROM_JSON


class WorkerSettings(BaseSettings):
    """Read once per process.

    Raises:
        pydantic.ValidationError: at construction, naming every variable that is malformed.
    """

    model_config = SettingsConfigDict(env_prefix="TUNER_WORKER_", frozen=True)

    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?)$",
        description="auto, cpu, cuda or, of several GPUs, cuda:N, counted from 0; auto takes a GPU if there is one",
    )
    classes: Annotated[tuple[WorkerClass, ...] | None, *FROM_JSON] = Field(
        default=None,
        min_length=1,
        description='classes of fits that the worker serves, as ["any", "gpu"], of any, cpu, gpu and gpu-large; None '
        "for any and, by its device, cpu or gpu",
    )
    threads: int | None = Field(default=None, ge=1, description="threads of one fit on the CPU; None lets torch decide")

    fits_per_process: int = Field(
        default=10_000,
        ge=1,
        description="fits until a fresh process takes over; what fits leave behind ends with the old one",
    )

    fits_at_once: int = Field(
        default=4,
        ge=1,
        description="small fits of one message, which has 8 at most, that a worker takes up at once; 1 for one by one",
    )

    reading_memory_bytes: int = Field(default=4 << 30, ge=1 << 26, description="address space to read a signal in")
    reading_cpu_seconds: int = Field(default=120, ge=1, description="processor time to read a signal in")
    reading_seconds: float = Field(default=300.0, gt=0, description="time on the wall to read a signal in")

    drawing_memory_bytes: int = Field(default=4 << 30, ge=1 << 26, description="address space to draw a view in")
    drawing_cpu_seconds: int = Field(default=240, ge=1, description="processor time to draw a view in")
    drawing_seconds: float = Field(
        default=240.0, gt=0, le=280.0, description="time on the wall to draw a view in, less than a view's lease"
    )

    fit_memory_bytes: int = Field(
        default_factory=most_of_the_memory,
        ge=1 << 20,
        description="memory that a fit on the CPU may take beyond what its process begins with; if nothing is said, "
        "three quarters of the machine's, which is too much where several workers share it",
    )

    fit_seconds: float = Field(
        default=86_400.0,
        gt=0,
        description="time that one attempt at a fit may take; then it fails, and is not repeated",
    )

    lease_seconds: float = Field(
        default=20.0, gt=0, description="a fit whose worker is silent this long is queued again"
    )
    heartbeat_seconds: float = Field(default=4.0, gt=0)
    stall_seconds: float = Field(
        default=900.0, gt=0, description="time without a step after which a fit's process gives it up and ends"
    )
    progress_every_seconds: float = Field(
        default=1.0,
        gt=0,
        description="time between two reports, and until a cancel is noticed; it grows with the fit to four seconds",
    )
    checkpoint_every_seconds: float = Field(default=30.0, gt=0)
    checkpoints_kept: int = Field(
        default=2, ge=1, description="checkpoints kept of a running fit; a finished one keeps none"
    )

    upkeep_every_seconds: float = Field(default=2.0, gt=0)
    republish_after_seconds: float = Field(default=30.0, gt=0, description="a queued fit is announced again after this")
    max_tries: int = Field(default=3, ge=1, description="workers that may die of a fit within an hour")
    max_hangs: int = Field(default=2, ge=1, description="attempts within an hour that may make no step")
    max_storage_failures: int = Field(default=10, ge=1, description="attempts within an hour that may fail for storage")
    storage_retry_seconds: float = Field(
        default=2.0,
        ge=0,
        description="time until the attempt after a failure of storage; twice as long after each further one",
    )
    max_run_seconds: float = Field(
        default=172_800.0, gt=0, description="all attempts of a fit together; its spec may allow less"
    )
    max_running_per_tenant: int | None = Field(
        default=None, ge=1, description="fits of one tenant that may run at a time; None for any number"
    )
    max_cancel_seconds: float = Field(
        default=120.0, gt=0, description="time after which a cancel no longer waits for its worker"
    )
    max_queue_seconds: float = Field(
        default=7 * 86_400.0, gt=0, description="a fit that waits longer expires; its spec may allow less"
    )

    events_kept_seconds: float | None = Field(
        default=30 * 86_400.0,
        ge=0,
        description="steps of training are told so long after a fit has ended, its moves always; None: both always",
    )
    attempts_kept_seconds: float | None = Field(
        default=30 * 86_400.0,
        ge=0,
        description="attempts at a fit are listed so long after it has ended; None: for ever",
    )
    idempotency_kept_seconds: float | None = Field(
        default=30 * 86_400.0, ge=0, description="an Idempotency-Key finds its first fit for so long; None: for ever"
    )

    views_kept_seconds: float = Field(default=7 * 86_400.0, ge=0, description="a view that nobody asks for goes")

    webhook_timeout_seconds: float = Field(
        default=15.0, gt=0, description="longest time of one try, from name to answer"
    )
    webhook_pauses_seconds: Annotated[tuple[float, ...], *FROM_JSON] = Field(
        default=(5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0),
        description="waits between one try and the next",
    )
    webhook_disable_after_seconds: float = Field(
        default=5 * 86_400.0, gt=0, description="an endpoint that fails for so long is switched off"
    )
    webhook_progress_seconds: float = Field(
        default=10.0, gt=0, description="least time between two messages of one fit's progress"
    )
    webhook_log_seconds: float = Field(default=30 * 86_400.0, gt=0, description="settled messages are kept so long")

    sweep_every_seconds: float = Field(default=3600.0, gt=0, description="time between two looks for orphaned objects")
    orphan_seconds: float = Field(default=3600.0, ge=0, description="an object without a row may be this young")
    restored_seconds: float = Field(
        default=86_400.0,
        ge=0,
        description="objects without a row are left alone for so long after the database was restored or ended "
        "uncleanly: they may belong to rows that a backup of another time has",
    )

    scrub_every_seconds: float = Field(
        default=86_400.0, gt=0, description="time from one comparison of all rows with their objects to the next"
    )
    scrub_bytes_per_second: float = Field(
        default=8 << 20, ge=1 << 16, description="bytes of objects that are read a second to be compared"
    )
    scrub_objects_per_second: float = Field(default=20.0, gt=0, description="objects that are compared a second")
    scrub_refits: bool = Field(
        default=False, description="make a lost representation again without being asked; otherwise it is reported"
    )

    @model_validator(mode="after")
    def _beats_within_a_lease(self) -> "WorkerSettings":
        if self.heartbeat_seconds > self.lease_seconds / 3:
            raise ValueError(
                f"heartbeat_seconds is {self.heartbeat_seconds:g}, expected at most a third of lease_seconds "
                f"({self.lease_seconds:g}): one lost beat must not cost the lease"
            )
        return self
