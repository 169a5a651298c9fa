"""What a client, most often a load balancer, sees of the process itself."""

from typing import Literal

from pydantic import BaseModel, Field


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Requests can be served."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str] = Field(
        description="`ok`, or what went wrong; a broker that is away delays fits and refuses none; "
        "`objects` counts what is known to be damaged or missing in storage",
        examples=[{"database": "ok", "tables": "ok", "storage": "ok", "broker": "ok", "objects": "ok"}],
    )
    read_only: bool = Field(
        description="whether the disk is so full that nothing can be added; it ends by itself when there is room"
    )
    oldest_waiting_seconds: float | None = Field(
        description="how long the fit that was queued longest ago has waited; null if none waits or nobody could tell"
    )
    silent: list[str] = Field(
        description="workers, upkeep and views that have not been heard for long; /metrics has names",
        examples=[["worker"]],
    )


class Welcome(BaseModel):
    """Where to start."""

    name: Literal["tuner"] = "tuner"
    docs: str = "/docs"
    openapi: str = "/openapi.json"
    max_upload_bytes: int
    max_pixels: int
