"""What a client sees of results besides the file itself: views being drawn, metrics, checkpoints."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from store.models import Checkpoint, Representation
from store.models_renders import Render
from store.render_spec import MAX_SCALE, RenderFormat

CHECKPOINT_PATTERN = r"^chk_[0-9a-f]{32}$"
CHECKPOINT_MEDIA_TYPE = "application/vnd.safetensors"
EXAMPLE_CHECKPOINT = "chk_0199d3b0a1f27b3c9a40d5e6f7081920"
NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"

Scale = Annotated[
    float, Query(gt=0, le=MAX_SCALE, allow_inf_nan=False, description="samples drawn per sample of the signal")
]
Region = Annotated[
    str | None,
    Query(
        pattern=rf"^{NUMBER}(?:,{NUMBER}){{1,7}}$",
        description="corner, then extent, in samples of the signal: `x,y,width,height` of a picture; all if left out",
        examples=["128,64,100.5,80"],
    ),
]
Format = Annotated[
    RenderFormat | None,
    Query(description="`png`, or `npy` for the float32 numbers; PNG for pictures and NPY for the rest if left out"),
]


class ViewStatus(BaseModel):
    """A view that is not there yet: ask for the same address again, with `Prefer: wait=10` if you like."""

    id: str
    status: Literal["queued", "running"]
    created_at: datetime

    @classmethod
    def of(cls, render: Render) -> Self:
        """From a row."""
        status: Literal["queued", "running"] = "running" if render.status == "running" else "queued"
        return cls(id=render.id, status=status, created_at=render.created_at)


class MetricsView(BaseModel):
    """How good and how small a result is, measured by the worker on the file that can be downloaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "bytes": 81_234,
                "bits_per_sample": 2.479,
                "compression_ratio": 9.68,
                "picture_psnr_db": 35.1,
                "fit_psnr_db": 35.2,
                "gradient_psnr_db": 24.6,
                "held_out_psnr_db": None,
                "weights": 92_163,
                "steps": 400,
                "fit_seconds": 11.2,
                "compress_seconds": 1.9,
                "facts": {"weights": 92_163, "steps": 400},
            }
        }
    )

    bytes: int
    bits_per_sample: float | None = Field(description="bits of the file per sample, all channels together")
    compression_ratio: float | None = Field(description="bytes of the uncompressed samples per byte of the file")
    picture_psnr_db: float | None = Field(
        description="PSNR of the decoded file, clipped and rounded as it would be written"
    )
    fit_psnr_db: float | None = Field(
        description="PSNR of the network before its weights were rounded, nothing clipped"
    )
    gradient_psnr_db: float | None = Field(
        description="length of the file's exact gradient of brightness against Sobel's of the signal, each scaled "
        "by its own extremes; pictures of up to 4,194,304 pixels only, else null"
    )
    held_out_psnr_db: float | None = Field(
        description="PSNR on samples that training never saw; null, because fits see all of them"
    )
    weights: int | None
    steps: int | None
    fit_seconds: float | None
    compress_seconds: float | None
    facts: dict[str, Any] = Field(description="everything that the worker noted")

    @classmethod
    def of(cls, representation: Representation) -> Self:
        """From a row."""
        facts = representation.facts
        noted = {name: facts.get(name) for name in cls.model_fields}
        return cls.model_validate(
            noted | {"bytes": representation.byte_count, "picture_psnr_db": representation.psnr_db, "facts": facts}
        )


class CheckpointLinks(BaseModel):
    """Where to get it."""

    content: str


class CheckpointView(BaseModel):
    """A state from which training can go on."""

    id: str
    attempt: int
    step: int
    bytes: int
    sha256: str
    created_at: datetime
    links: CheckpointLinks

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self:
        """From a row."""
        return cls(
            id=checkpoint.id,
            attempt=checkpoint.attempt,
            step=checkpoint.step,
            bytes=checkpoint.byte_count,
            sha256=checkpoint.sha256,
            created_at=checkpoint.created_at,
            links=CheckpointLinks(content=f"/fits/{checkpoint.fit_id}/checkpoints/{checkpoint.id}"),
        )


class CheckpointList(BaseModel):
    """The few that are kept of a fit that has not ended, the latest first."""

    data: list[CheckpointView]
