"""What a client sends and sees of a large upload."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from store.models import Upload
from store.multipart import part_sizes

ID_PATTERN = r"^upl_[0-9a-f]{32}$"
EXAMPLE_ID = "upl_0199d3a8c1f27b3c9a40d5e6f7081920"


class UploadRequest(BaseModel):
    """Announce a file."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"bytes": 50_000_000}]})

    bytes: Annotated[int, Field(ge=1, le=2**43, description="size of the whole file in bytes")]
    filename: Annotated[str, Field(max_length=1000)] | None = Field(default=None, description="name of the file")


class UploadCompletion(BaseModel):
    """Say that all parts are sent, and what they make."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"bytes": 50_000_000, "sha256": "9f86d081884c7d65" * 4}]}
    )

    bytes: Annotated[int, Field(ge=1, le=2**43, description="size of the whole file in bytes")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the whole file, hexadecimal")]


class PartView(BaseModel):
    """One part of the file."""

    number: int = Field(description="number of the part: 1, 2, 3 …")
    bytes: int = Field(description="number of bytes to send, no more and no fewer")
    url: str = Field(description="address to PUT the bytes to, without any further header; it needs no key")
    received: bool = Field(description="whether the part has arrived; one that is sent again is replaced")


class UploadView(BaseModel):
    """A large upload on its way."""

    id: str = Field(examples=[EXAMPLE_ID])
    bytes: int
    filename: str | None
    parts: list[PartView]
    expires_at: datetime = Field(description="moment after which nothing is left of the upload")
    signal_id: str | None = Field(description="id of the signal that the upload became; null until it is complete")

    @classmethod
    def of(cls, upload: Upload, received: Sequence[int], url: Callable[[int, int], str]) -> Self:
        """From a row, the numbers of the parts that have arrived, and what makes the URL of a number and its bytes."""
        sizes = part_sizes(upload.byte_count, upload.part_bytes)
        parts = [
            PartView(number=number, bytes=size, url=url(number, size), received=number in received)
            for number, size in enumerate(sizes, start=1)
        ]
        return cls(
            id=upload.id,
            bytes=upload.byte_count,
            filename=upload.filename,
            parts=[] if upload.signal_id else parts,
            expires_at=upload.expires_at,
            signal_id=upload.signal_id,
        )
