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
        examples=[{"database": "ok", "storage": "ok", "broker": "ok", "objects": "ok"}],
    )


class Welcome(BaseModel):
    """Where to start."""

    name: Literal["tuner"] = "tuner"
    docs: str = "/docs"
    openapi: str = "/openapi.json"
    max_upload_bytes: int
    max_pixels: int
