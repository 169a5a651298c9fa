"""How a worker trains and how often it reports, from the environment (prefix `TUNER_WORKER_`)."""

from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """Read once per process.

    Raises:
        pydantic.ValidationError: at construction, naming every variable that is malformed.
    """

    model_config = SettingsConfigDict(env_prefix="TUNER_WORKER_", frozen=True)

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, ge=1, description="threads of one fit on the CPU; None lets torch decide")

    lease_seconds: float = Field(
        default=20.0, gt=0, description="a fit whose worker is silent this long is queued again"
    )
    heartbeat_seconds: float = Field(default=4.0, gt=0)
    progress_every_seconds: float = Field(default=1.0, gt=0, description="also how soon a cancel is noticed")
    checkpoint_every_seconds: float = Field(default=30.0, gt=0)
    checkpoints_kept: int = Field(default=2, ge=1, description="of a running fit; a finished one keeps none")

    upkeep_every_seconds: float = Field(default=2.0, gt=0)
    republish_after_seconds: float = Field(default=30.0, gt=0, description="a queued fit is announced again after this")
    max_tries: int = Field(default=3, ge=1, description="workers that a fit may cost before it is failed")
    max_queue_seconds: float = Field(default=7 * 86_400.0, gt=0, description="a fit that waits longer expires")

    @model_validator(mode="after")
    def _beats_within_a_lease(self) -> "WorkerSettings":
        if self.heartbeat_seconds > self.lease_seconds / 3:
            raise ValueError(
                f"heartbeat_seconds is {self.heartbeat_seconds:g}, expected at most a third of lease_seconds "
                f"({self.lease_seconds:g}): one lost beat must not cost the lease"
            )
        return self
