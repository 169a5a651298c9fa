"""What a client sees of a signal."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.schemas.damage import SIGNAL_ADVICE, Damage
from store.models import Signal

ID_PATTERN = r"^sig_[0-9a-f]{32}$"
EXAMPLE_ID = "sig_0199d3a8c1f27b3c9a40d5e6f7081920"

SignalCursor = Annotated[str | None, Query(pattern=ID_PATTERN, description="`next_cursor` of the page before")]


class SignalLinks(BaseModel):
    """Where to go from here."""

    self: str
    content: str


class SignalFacts(BaseModel):
    """What decoding a file showed. Every kind has the first four; further members are the kind's own."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(description="kind of the signal: image, or whatever else the library reads")
    format: str = Field(description="format of the file, such as png")
    channels: int = Field(description="values per sample")
    sample_format: str = Field(description="how the file stores a value, such as u8")
    shape: list[int] = Field(description="samples along each axis; height and width of an image")
    compaction_db: list[float] | None = Field(
        default=None, description="PSNR that is left with 1, 1/2, 1/4 … of the coefficients of a cosine transform"
    )

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Self:
        """From a row; older ones of images have no shape."""
        known = {"format": "bin", "sample_format": "u8", "shape": [facts.get("height", 1), facts.get("width", 1)]}
        return cls.model_validate(known | facts)


class SignalView(BaseModel):
    """An uploaded file that was decoded once and found good."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": EXAMPLE_ID,
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "bytes": 791_555,
                "media_type": "image/png",
                "filename": "astronaut.png",
                "facts": {
                    "kind": "image",
                    "format": "png",
                    "channels": 3,
                    "sample_format": "u8",
                    "shape": [512, 512],
                    "width": 512,
                    "height": 512,
                },
                "created_at": "2026-01-31T12:00:00Z",
                "expires_at": None,
                "damage": None,
                "links": {"self": f"/signals/{EXAMPLE_ID}", "content": f"/signals/{EXAMPLE_ID}/content"},
            }
        }
    )

    id: str
    sha256: str = Field(description="SHA-256 of the file's bytes, hexadecimal")
    bytes: int
    media_type: str
    filename: str | None
    facts: SignalFacts
    created_at: datetime
    expires_at: datetime | None = Field(description="time of deletion unless a fit needs it then; null for never")
    damage: Damage | None = Field(description="what is wrong with the stored file; null if nothing is known to be")
    links: SignalLinks

    @classmethod
    def of(cls, signal: Signal) -> Self:
        """From a row."""
        here = f"/signals/{signal.id}"
        return cls(
            id=signal.id,
            sha256=signal.sha256,
            bytes=signal.byte_count,
            media_type=signal.media_type,
            filename=signal.filename,
            facts=SignalFacts.of(signal.facts),
            created_at=signal.created_at,
            expires_at=signal.expires_at,
            damage=Damage.of(signal.damage, SIGNAL_ADVICE),
            links=SignalLinks(self=here, content=f"{here}/content"),
        )


class SignalPage(BaseModel):
    """Signals, newest first."""

    data: list[SignalView]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")
